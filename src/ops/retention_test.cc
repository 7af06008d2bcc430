#include "ops/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"
#include "test/support/time_zone.h"

namespace duckback {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const SystemTime kNow = parse_utc("2030-01-01T00:00:00Z");

// Items of one group named by their times.
std::vector<RetentionItem> items_at(std::initializer_list<const char*> times) {
  std::vector<RetentionItem> items;
  for (const char* time : times) items.push_back({time, "g", parse_utc(time)});
  return items;
}

std::vector<std::string> kept(const KeepPolicy& policy, const std::vector<RetentionItem>& items,
                              SystemTime now = kNow) {
  std::vector<Verdict> verdicts = apply_policy(policy, items, now);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(verdicts[i].keep, !verdicts[i].reasons.empty());
    if (verdicts[i].keep) ids.push_back(items[i].id);
  }
  return ids;
}

TEST(Retention, AnEmptyPolicyIsRefusedBecauseItWouldKeepNothing) {
  EXPECT_THROW(apply_policy({}, items_at({"2026-11-22T10:00:00Z"}), kNow), Error);
}

TEST(Retention, NoItemsMeansNoVerdicts) {
  EXPECT_THAT(apply_policy({.last = 1}, {}, kNow), IsEmpty());
}

TEST(Retention, LastKeepsTheNewestWhateverTheOrderGiven) {
  auto items = items_at({"2026-11-20T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-21T10:00:00Z"});
  EXPECT_THAT(kept({.last = 2}, items),
              ElementsAre("2026-11-22T10:00:00Z", "2026-11-21T10:00:00Z"));
}

TEST(Retention, DailyKeepsTheNewestOfEachDayAndCountsOnlyDaysThatHaveOne) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2026-11-01T10:00:00Z", "2026-11-10T08:00:00Z", "2026-11-10T23:59:59Z",
                         "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z"});
  EXPECT_THAT(kept({.daily = 2}, items),
              ElementsAre("2026-11-10T23:59:59Z", "2026-11-20T10:00:00Z"));
}

TEST(Retention, TheLastDayOfALeapYearIsNotTheFirstOfTheNext) {
  std::vector<RetentionItem> items = {{"old", "a", parse_utc("2024-12-31T12:00:00Z")},
                                      {"new", "a", parse_utc("2025-01-01T12:00:00Z")}};
  std::vector<Verdict> verdicts = apply_policy({.daily = 7}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("daily"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("daily"));
}

TEST(Retention, RulesAreJoinedByOr) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2024-06-01T10:00:00Z", "2025-06-01T10:00:00Z", "2026-06-01T10:00:00Z",
                         "2026-06-01T11:00:00Z"});
  std::vector<Verdict> verdicts = apply_policy({.last = 2, .yearly = 2}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, IsEmpty());
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("yearly"));
  EXPECT_THAT(verdicts[2].reasons, ElementsAre("last"));
  EXPECT_THAT(verdicts[3].reasons, ElementsAre("last", "yearly"));
}

TEST(Retention, ARuleThatIsNotFilledKeepsTheOldestToo) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", "2026-11-21T10:00:00Z"});
  std::vector<Verdict> verdicts = apply_policy({.daily = 5}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("oldest daily"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("daily"));
  EXPECT_THAT(verdicts[2].reasons, ElementsAre("daily"));
  // Filled: the oldest is nothing special any more.
  EXPECT_THAT(kept({.daily = 2}, items),
              ElementsAre("2026-11-20T09:00:00Z", "2026-11-21T10:00:00Z"));
}

TEST(Retention, UnlimitedKeepsOneForEveryPeriod) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2020-03-01T00:00:00Z", "2020-03-02T00:00:00Z", "2022-03-01T00:00:00Z",
                         "2026-03-01T00:00:00Z"});
  EXPECT_THAT(kept({.yearly = kUnlimited}, items),
              ElementsAre("2020-03-01T00:00:00Z", "2020-03-02T00:00:00Z", "2022-03-01T00:00:00Z",
                          "2026-03-01T00:00:00Z"));
}

TEST(Retention, WithinIsMeasuredFromTheNewestItemNotFromNow) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2020-01-01T00:00:00Z", "2020-01-05T00:00:00Z", "2020-01-07T00:00:00Z"});
  EXPECT_THAT(kept({.within = CalendarSpan{.days = 3}}, items),
              ElementsAre("2020-01-05T00:00:00Z", "2020-01-07T00:00:00Z"));
}

TEST(Retention, ExactlyAsOldAsWithinIsNotWithin) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z", "2020-01-08T00:00:00Z"});
  EXPECT_THAT(kept({.within = CalendarSpan{.days = 7}}, items),
              ElementsAre("2020-01-01T00:00:01Z", "2020-01-08T00:00:00Z"));
}

TEST(Retention, AnItemFromTheFutureIsKeptAndPushesNothingOut) {
  test::TimeZone zone(test::kUtc);
  auto items = items_at({"2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z", "2038-01-01T00:00:00Z"});
  std::vector<Verdict> verdicts =
      apply_policy({.last = 1, .within = CalendarSpan{.days = 30}}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("within 30d"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("last", "within 30d"));
  EXPECT_THAT(verdicts[2].reasons, ElementsAre("dated in the future"));
}

TEST(Retention, EveryGroupIsJudgedAlone) {
  auto items = items_at({"2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"});
  items[0].group = "other";
  EXPECT_THAT(kept({.last = 1}, items),
              ElementsAre("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z"));
}

TEST(Retention, EqualTimesAreOrderedByNameSoThatTwoRunsAgree) {
  std::vector<RetentionItem> items = {{"b", "g", parse_utc("2026-11-22T10:00:00Z")},
                                      {"a", "g", parse_utc("2026-11-22T10:00:00Z")}};
  EXPECT_THAT(kept({.last = 1}, items), ElementsAre("b"));
  std::swap(items[0], items[1]);
  EXPECT_THAT(kept({.last = 1}, items), ElementsAre("b"));
}

TEST(Retention, AWeekThatSpansTheNewYearIsOneWeek) {
  test::TimeZone zone(test::kUtc);
  // ISO week 53 of 2026: Monday 28 December to Sunday 3 January 2027.
  auto items = items_at({"2026-12-27T12:00:00Z", "2026-12-28T00:00:00Z", "2026-12-31T12:00:00Z",
                         "2027-01-03T23:59:59Z", "2027-01-04T00:00:00Z"});
  EXPECT_THAT(kept({.weekly = 3}, items),
              ElementsAre("2026-12-27T12:00:00Z", "2027-01-03T23:59:59Z", "2027-01-04T00:00:00Z"));
}

TEST(Retention, DaysAreThoseOfTheLocalTimeZone) {
  auto items = items_at({"2026-11-20T22:30:00Z", "2026-11-20T23:30:00Z"});
  {
    test::TimeZone zone(test::kUtc);
    EXPECT_THAT(kept({.daily = 2}, {items[0], items[1]}),
                ElementsAre("2026-11-20T22:30:00Z", "2026-11-20T23:30:00Z"));  // oldest daily
    EXPECT_THAT(kept({.daily = 1}, items), ElementsAre("2026-11-20T23:30:00Z"));
  }
  test::TimeZone zone(test::kBerlin);  // 23:30 of the 20th and 00:30 of the 21st
  std::vector<Verdict> verdicts = apply_policy({.daily = 2}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("daily"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("daily"));
}

TEST(Retention, TheHourThatTheClockShowsTwiceIsOneHour) {
  test::TimeZone zone(test::kBerlin);
  // 25 October 2026: 02:30 summer time, 02:30 winter time, 03:30 winter time.
  auto items = items_at({"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"});
  EXPECT_THAT(kept({.hourly = 2}, items),
              ElementsAre("2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"));
}

TEST(Retention, TheHourThatTheClockSkipsDoesNotJoinItsNeighbours) {
  test::TimeZone zone(test::kBerlin);
  // 29 March 2026: 01:59 winter time is followed by 03:00 summer time.
  auto items = items_at({"2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"});
  std::vector<Verdict> verdicts = apply_policy({.hourly = 2}, items, kNow);
  EXPECT_THAT(verdicts[0].reasons, ElementsAre("hourly"));
  EXPECT_THAT(verdicts[1].reasons, ElementsAre("hourly"));
}

// The obvious model: names a period with strftime and looks at every pair.
struct SlowRule {
  const char* name;
  int count;
  const char* format;  // null: every item is a period
};

std::string period_name(const RetentionItem& item, const char* format) {
  if (format == nullptr) return item.id;
  std::time_t seconds = std::chrono::system_clock::to_time_t(item.time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

std::vector<std::string> slow_reasons(const KeepPolicy& policy,
                                      const std::vector<RetentionItem>& items, std::size_t i) {
  auto newer = [&](const RetentionItem& a, const RetentionItem& b) {
    return a.time != b.time ? a.time > b.time : a.id > b.id;
  };
  bool oldest = true;
  for (const RetentionItem& other : items) {
    if (other.group == items[i].group && newer(items[i], other)) oldest = false;
  }
  std::vector<std::string> reasons;
  for (const SlowRule& rule :
       {SlowRule{"last", policy.last, nullptr}, SlowRule{"hourly", policy.hourly, "%Y-%m-%d %H"},
        SlowRule{"daily", policy.daily, "%Y-%m-%d"}, SlowRule{"weekly", policy.weekly, "%G-W%V"},
        SlowRule{"monthly", policy.monthly, "%Y-%m"}, SlowRule{"yearly", policy.yearly, "%Y"}}) {
    std::set<std::string> newer_periods;
    for (const RetentionItem& other : items) {
      if (other.group == items[i].group && newer(other, items[i])) {
        newer_periods.insert(period_name(other, rule.format));
      }
    }
    bool room = rule.count == kUnlimited || newer_periods.size() < std::size_t(rule.count);
    if (!room) continue;
    if (!newer_periods.contains(period_name(items[i], rule.format))) {
      reasons.push_back(rule.name);
    } else if (oldest) {
      reasons.push_back(std::string("oldest ") + rule.name);
    }
  }
  if (policy.within) {
    SystemTime newest = items[i].time;
    for (const RetentionItem& other : items) {
      if (other.group == items[i].group) newest = std::max(newest, other.time);
    }
    if (items[i].time > before(newest, *policy.within)) {
      reasons.push_back("within " + to_text(*policy.within));
    }
  }
  return reasons;
}

TEST(Retention, AgreesWithTheObviousModel) {
  std::mt19937 random(20261122);
  auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int run = 0; run < 1500; ++run) {
    const char* zones[] = {test::kUtc, test::kBerlin, test::kNewYork};
    test::TimeZone zone(zones[below(3)]);
    // Spans from minutes to years, so that every rule meets full, shared and empty periods.
    const int steps[] = {600, 1800, 7200, 40'000, 400'000, 4'000'000};
    int step = steps[below(6)];
    SystemTime time = parse_utc("2026-10-24T20:00:00Z") + std::chrono::hours(below(24 * 400));
    std::vector<RetentionItem> items;
    for (int i = below(30); i >= 0; --i) {
      items.push_back({fmt::format("item{}", items.size()), below(4) == 0 ? "b" : "a", time});
      time -= std::chrono::seconds(below(5) == 0 ? 0 : below(step));
    }
    std::shuffle(items.begin(), items.end(), random);
    auto count = [&] { return below(3) != 0 ? 0 : below(12) - 1; };
    KeepPolicy policy{.last = count(),
                      .hourly = count(),
                      .daily = count(),
                      .weekly = count(),
                      .monthly = count(),
                      .yearly = count()};
    if (below(3) == 0) {
      policy.within = CalendarSpan{.months = below(2), .days = below(10), .hours = 1 + below(20)};
    }
    if (policy.empty()) continue;
    std::vector<Verdict> verdicts = apply_policy(policy, items, kNow);
    for (std::size_t i = 0; i < items.size(); ++i) {
      ASSERT_EQ(verdicts[i].reasons, slow_reasons(policy, items, i))
          << "run " << run << ", " << items[i].id << " at " << format_utc(items[i].time);
      ASSERT_EQ(verdicts[i].keep, !verdicts[i].reasons.empty());
    }
    // What is true of any policy: the newest item of a group stays.
    for (const char* group : {"a", "b"}) {
      bool any = false, any_kept = false;
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].group != group) continue;
        any = true;
        any_kept = any_kept || verdicts[i].keep;
      }
      ASSERT_EQ(any, any_kept);
    }
  }
}

TEST(Retention, ATagKeepsWhatHasItAndSaysWhich) {
  auto items = items_at({"2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"});
  items[0].tags = {"release", "v1"};
  KeepPolicy policy{.tags = {"v1", "nightly"}};
  EXPECT_FALSE(policy.empty());
  EXPECT_THAT(kept(policy, items), ElementsAre("2026-11-20T10:00:00Z"));
  EXPECT_THAT(apply_policy(policy, items, kNow)[0].reasons, ElementsAre("tag v1"));
}

}  // namespace
}  // namespace duckback
