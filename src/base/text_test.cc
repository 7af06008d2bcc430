#include "base/text.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "test/support/time_zone.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;

TEST(Text, SizesHaveOneDecimalAboveAKibibyte) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "16.0 EiB");
}

TEST(Text, OneIsNoPlural) {
  EXPECT_EQ(count_of(0, "block"), "0 blocks");
  EXPECT_EQ(count_of(1, "block"), "1 block");
  EXPECT_EQ(count_of(1234567, "block"), "1,234,567 blocks");
}

TEST(Text, WhatATerminalWouldObeyIsWrittenOut) {
  EXPECT_EQ(printable("a b\\ü🦆"), "a b\\ü🦆");
  EXPECT_EQ(printable("new\nline\t\x1b[31m\x7f"), "new\\nline\\x09\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "CSI in one character";
  EXPECT_EQ(printable("\xff \xc3"), "\\xff \\xc3") << "no UTF-8";
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Text, DurationsUseTheUnitThatReads) {
  EXPECT_EQ(format_duration(0ms), "0 ms");
  EXPECT_EQ(format_duration(45ms), "45 ms");
  EXPECT_EQ(format_duration(999600us), "1.0 s");
  EXPECT_EQ(format_duration(2100ms), "2.1 s");
  EXPECT_EQ(format_duration(119'600ms), "2 min 0 s");
  EXPECT_EQ(format_duration(200s), "3 min 20 s");
  EXPECT_EQ(format_duration(7200s), "2 h 0 min");
  EXPECT_EQ(format_duration(100h + 5min), "100 h 5 min");
}

TEST(Text, UtcTimesReadBackAsTheyWereWritten) {
  for (const char* text :
       {"1970-01-01T00:00:00Z", "2026-11-22T23:45:01Z", "2024-02-29T12:00:00Z"}) {
    EXPECT_EQ(format_utc(parse_utc(text)), text);
  }
}

TEST(Text, WhatIsNoUtcTimeIsInvalid) {
  for (const char* text : {"", "yesterday", "2026-11-22", "2026-11-22T23:45:01",
                           "2026-13-01T00:00:00Z", "2026-11-22T23:45:01Z ", "2262-11-22T23:45:01Z",
                           "9999-11-22T23:45:01Z", "0001-11-22T23:45:01Z"}) {
    try {
      parse_utc(text);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid) << text;
    }
  }
}

TEST(Text, StampsForFileNamesAreInLocalTime) {
  SystemTime time = parse_utc("2026-11-22T23:45:01Z");
  test::TimeZone berlin(test::kBerlin);
  EXPECT_EQ(format_local_stamp(time), "20261123-004501");
}

}  // namespace
}  // namespace duckback
