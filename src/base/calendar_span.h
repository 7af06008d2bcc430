#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

namespace duckback {

// A length of time as people say it: "7d", "12h", "2y5m7d3h", "2w". A month is as long as the
// calendar makes it, which is why this is no std::chrono::duration.
struct CalendarSpan {
  int years = 0;
  int months = 0;
  int days = 0;
  int hours = 0;
  bool operator==(const CalendarSpan&) const = default;
};

// Units y, m (months), w, d, h, each at most once, in any order; throws Errc::invalid for anything
// else and for a length of zero.
CalendarSpan parse_calendar_span(std::string_view text);
// As parse_calendar_span reads it; weeks come out as days.
std::string to_text(const CalendarSpan& span);
// The moment that lies a span before `time` on the clock and calendar of the local time zone. A day
// that a month lacks runs over into the next: one month before 31 March is 3 (or 2) March.
SystemTime before(SystemTime time, const CalendarSpan& span);

}  // namespace duckback
