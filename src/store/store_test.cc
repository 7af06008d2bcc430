#include "store/store.h"

#include <gtest/gtest.h>

#include "test/support/error_of.h"

namespace duckback {
namespace {

TEST(Keys, AreRelativePathsOfFewCharacters) {
  for (std::string_view key : {"config", "packs/0a/0a1b", "snapshots/1/20261122T101112123Z-a",
                               "A-Z_0.9", "a..b", "a./b", "-", "_/_"}) {
    EXPECT_TRUE(is_key(key)) << key;
  }
  for (std::string_view key : {"", "/", "a/", "/a", "a//b", ".", "..", ".a", "a/..", "a/.b/c", "~",
                               "a:b", "a%2fb", "a\x7f", "a\xff"}) {
    EXPECT_FALSE(is_key(key)) << key;
  }
}

TEST(Keys, ARefusedOneIsNamed) {
  EXPECT_EQ(test::error_of(Errc::invalid, [] { check_key("../etc"); }),
            "'../etc' is no name of an object");
}

TEST(Ranges, AreCheckedBeforeMemoryIsTakenForThem) {
  EXPECT_EQ(bytes_in_range("k", Range::kMost, {}), Range::kMost);
  EXPECT_EQ(bytes_in_range("k", Range::kMost + 5, {.offset = 5}), Range::kMost);
  test::error_of(Errc::damaged, [] { bytes_in_range("k", Range::kMost + 1, {}); });
  test::error_of(Errc::damaged, [] {
    bytes_in_range("k", Range::kAll, {.offset = 0, .bytes = Range::kMost + 1});
  });
}

}  // namespace
}  // namespace duckback
