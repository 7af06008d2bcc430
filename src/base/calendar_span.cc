#include "base/calendar_span.h"

#include <array>
#include <ctime>

#include "base/error.h"

namespace duckback {
namespace {

// More than any calendar holds, and far from overflow.
constexpr int kCountMost = 100'000;

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(Errc::invalid,
              "'{}' is not a length of time: {}; write numbers with y, m (months), w, d or h, "
              "as in 7d, 12h or 1y6m",
              text, why);
}

}  // namespace

CalendarSpan parse_calendar_span(std::string_view text) {
  static constexpr std::string_view kUnits = "ymwdh";
  std::array<int, 5> counts{};
  std::array<bool, 5> seen{};
  if (text.empty()) refuse(text, "it is empty");
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t digits = at;
    int count = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      count = count * 10 + (text[at] - '0');
      if (count > kCountMost) refuse(text, "a number is too large");
      ++at;
    }
    if (at == digits) refuse(text, "a number is missing");
    if (at == text.size()) refuse(text, "the last number has no unit");
    std::size_t unit = kUnits.find(text[at]);
    if (unit == std::string_view::npos) {
      refuse(text, fmt::format("'{}' is no unit", text[at]));
    }
    if (seen[unit]) refuse(text, fmt::format("'{}' occurs twice", text[at]));
    seen[unit] = true;
    counts[unit] = count;
  }
  CalendarSpan span{.years = counts[0],
                    .months = counts[1],
                    .days = 7 * counts[2] + counts[3],
                    .hours = counts[4]};
  if (span == CalendarSpan{}) refuse(text, "it is zero");
  return span;
}

std::string to_text(const CalendarSpan& span) {
  std::string text;
  if (span.years != 0) text += fmt::format("{}y", span.years);
  if (span.months != 0) text += fmt::format("{}m", span.months);
  if (span.days != 0) text += fmt::format("{}d", span.days);
  if (span.hours != 0) text += fmt::format("{}h", span.hours);
  return text;
}

SystemTime before(SystemTime time, const CalendarSpan& span) {
  using std::chrono::system_clock;
  auto whole = std::chrono::floor<std::chrono::seconds>(time);
  std::time_t seconds = system_clock::to_time_t(whole);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  parts.tm_year -= span.years;
  parts.tm_mon -= span.months;
  parts.tm_mday -= span.days;
  parts.tm_isdst = -1;
  std::time_t moved = std::mktime(&parts);
  return system_clock::from_time_t(moved) + (time - whole) - std::chrono::hours(span.hours);
}

}  // namespace duckback
