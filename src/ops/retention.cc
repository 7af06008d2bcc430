#include "ops/retention.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <tuple>

#include "base/error.h"

namespace duckback {
namespace {

std::tm local_parts(SystemTime time) {
  std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return parts;
}

// The period an item falls into, as a number; the position makes every item its own period.
using PeriodOf = std::int64_t (*)(const std::tm& local, std::int64_t position);

std::int64_t item_itself(const std::tm&, std::int64_t position) { return position; }
std::int64_t year_of(const std::tm& local, std::int64_t) { return local.tm_year; }
std::int64_t month_of(const std::tm& local, std::int64_t) {
  return std::int64_t{local.tm_year} * 12 + local.tm_mon;
}
std::int64_t day_of(const std::tm& local, std::int64_t) {
  return std::int64_t{local.tm_year} * 366 + local.tm_yday;
}
std::int64_t hour_of(const std::tm& local, std::int64_t position) {
  return day_of(local, position) * 24 + local.tm_hour;
}
// Weeks since a Monday, which needs no year and so no ISO week 53.
std::int64_t week_of(const std::tm& local, std::int64_t) {
  using namespace std::chrono;
  auto date = year(local.tm_year + 1900) / month(static_cast<unsigned>(local.tm_mon) + 1) /
              day(static_cast<unsigned>(local.tm_mday));
  constexpr auto kMonday = year(1) / January / 1;
  return (sys_days(date) - sys_days(kMonday)).count() / 7;
}

struct CountingRule {
  const char* name;
  int left;
  PeriodOf period_of;
  std::optional<std::int64_t> last_kept{};
};

void judge_group(const KeepPolicy& policy, const std::vector<RetentionItem>& items,
                 std::vector<std::size_t> newest_first, std::vector<Verdict>& verdicts) {
  std::array<CountingRule, 6> rules = {{{"last", policy.last, item_itself},
                                        {"hourly", policy.hourly, hour_of},
                                        {"daily", policy.daily, day_of},
                                        {"weekly", policy.weekly, week_of},
                                        {"monthly", policy.monthly, month_of},
                                        {"yearly", policy.yearly, year_of}}};
  for (std::size_t position = 0; position < newest_first.size(); ++position) {
    const RetentionItem& item = items[newest_first[position]];
    Verdict& verdict = verdicts[newest_first[position]];
    bool oldest = position + 1 == newest_first.size();
    std::tm local = local_parts(item.time);
    for (CountingRule& rule : rules) {
      if (rule.left == 0) continue;
      auto period = rule.period_of(local, static_cast<std::int64_t>(position));
      if (rule.last_kept != period) {
        verdict.reasons.push_back(rule.name);
      } else if (oldest) {
        verdict.reasons.push_back(fmt::format("oldest {}", rule.name));
      } else {
        continue;
      }
      rule.last_kept = period;
      if (rule.left > 0) --rule.left;
    }
    if (policy.within && item.time > before(items[newest_first[0]].time, *policy.within)) {
      verdict.reasons.push_back("within " + to_text(*policy.within));
    }
    for (const std::string& tag : policy.tags) {
      if (std::find(item.tags.begin(), item.tags.end(), tag) != item.tags.end()) {
        verdict.reasons.push_back("tag " + tag);
      }
    }
    verdict.keep = !verdict.reasons.empty();
  }
}

}  // namespace

bool KeepPolicy::empty() const {
  return last == 0 && hourly == 0 && daily == 0 && weekly == 0 && monthly == 0 && yearly == 0 &&
         !within && tags.empty();
}

std::vector<Verdict> apply_policy(const KeepPolicy& policy, const std::vector<RetentionItem>& items,
                                  SystemTime now) {
  if (policy.empty()) {
    throw Error(Errc::invalid,
                "no rule says what to keep, so nothing would be; give at least one, "
                "as in --keep-last 7 or --keep-daily 14");
  }
  std::vector<Verdict> verdicts(items.size());
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].time > now) {
      verdicts[i] = {.keep = true, .reasons = {"dated in the future"}};
    } else {
      groups[items[i].group].push_back(i);
    }
  }
  for (auto& [group, members] : groups) {
    std::sort(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(items[a].time, items[a].id) > std::tie(items[b].time, items[b].id);
    });
    judge_group(policy, items, members, verdicts);
  }
  return verdicts;
}

}  // namespace duckback
