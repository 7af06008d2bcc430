#include "base/calendar_span.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "test/support/time_zone.h"

namespace duckback {
namespace {

std::string before_text(const char* time, const char* span) {
  return format_utc(before(parse_utc(time), parse_calendar_span(span)));
}

TEST(CalendarSpan, UnderstandsEveryUnitInAnyOrder) {
  EXPECT_EQ(parse_calendar_span("7d"), (CalendarSpan{.days = 7}));
  EXPECT_EQ(parse_calendar_span("12h"), (CalendarSpan{.hours = 12}));
  EXPECT_EQ(parse_calendar_span("2y5m7d3h"),
            (CalendarSpan{.years = 2, .months = 5, .days = 7, .hours = 3}));
  EXPECT_EQ(parse_calendar_span("3h2y"), (CalendarSpan{.years = 2, .hours = 3}));
  EXPECT_EQ(parse_calendar_span("2w1d"), (CalendarSpan{.days = 15}));
}

TEST(CalendarSpan, RefusesWhatIsNoLengthOfTime) {
  for (const char* bad : {"", "7", "d", "7x", "7d ", " 7d", "-7d", "7d5", "7D", "7min", "1d1d",
                          "0d", "0y0h", "99999999999999999999d", "1.5d"}) {
    try {
      parse_calendar_span(bad);
      ADD_FAILURE() << "accepted '" << bad << "'";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid) << bad;
    }
  }
}

TEST(CalendarSpan, ComesBackAsText) {
  for (const char* text : {"7d", "12h", "2y5m7d3h", "1y"}) {
    EXPECT_EQ(to_text(parse_calendar_span(text)), text);
  }
  EXPECT_EQ(to_text(parse_calendar_span("2w")), "14d");
}

TEST(CalendarSpan, MonthsFollowTheCalendar) {
  test::TimeZone zone(test::kUtc);
  EXPECT_EQ(before_text("2026-11-22T10:00:00Z", "1m"), "2026-10-22T10:00:00Z");
  EXPECT_EQ(before_text("2026-01-15T10:00:00Z", "1m"), "2025-12-15T10:00:00Z");
  EXPECT_EQ(before_text("2028-02-29T10:00:00Z", "4y"), "2024-02-29T10:00:00Z");
  EXPECT_EQ(before_text("2026-03-31T10:00:00Z", "1m"), "2026-03-03T10:00:00Z");
}

TEST(CalendarSpan, ADayAcrossAClockChangeKeepsTheTimeOfDay) {
  test::TimeZone zone(test::kBerlin);
  // The night of 25 October 2026 has 25 hours: noon in winter is 11:00 UTC, in summer 10:00.
  EXPECT_EQ(before_text("2026-10-25T11:00:00Z", "1d"), "2026-10-24T10:00:00Z");
  EXPECT_EQ(before_text("2026-10-25T11:00:00Z", "24h"), "2026-10-24T11:00:00Z");
}

}  // namespace
}  // namespace duckback
