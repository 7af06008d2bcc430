#include "store/aws_time.h"

#include <gtest/gtest.h>

#include "test/support/error_of.h"

namespace duckback {
namespace {

TEST(AwsTimes, AreUtcWithAnyFraction) {
  for (const char* same : {"2026-11-22T23:45:01.25Z", "2026-11-22T23:45:01.250Z",
                           "2026-11-22T23:45:01.250999999Z", "2026-11-22T23:45:01.25+00:00"}) {
    EXPECT_EQ(format_utc_ms(parse_aws_time(same)), "2026-11-22T23:45:01.250Z") << same;
  }
  EXPECT_EQ(format_utc_ms(parse_aws_time("2026-11-22T23:45:01+00:00")), "2026-11-22T23:45:01.000Z");
}

TEST(AwsTimes, WhatIsNoneIsNoAnswer) {
  for (const char* bad :
       {"", "Z", "yesterday", "2026-11-22T23:45:01+01:00", "2026-11-22", "2026-11-22T23:45:01"}) {
    test::error_of(Errc::unavailable, [&] { parse_aws_time(bad); });
  }
}

}  // namespace
}  // namespace duckback
