#include "base/bitmap.h"

#include <gtest/gtest.h>

namespace duckback {
namespace {

TEST(Bitmap, HoldsNothingAtFirst) {
  Bitmap ids(130);
  EXPECT_EQ(ids.count(), 0u);
  EXPECT_EQ(ids.next(0), 130u);
}

TEST(Bitmap, FindsMembersAcrossWords) {
  Bitmap ids(200);
  for (std::uint64_t id : {0, 63, 64, 127, 199}) ids.set(id);
  std::vector<std::uint64_t> found;
  for (std::uint64_t id = ids.next(0); id < ids.size(); id = ids.next(id + 1)) found.push_back(id);
  EXPECT_EQ(found, (std::vector<std::uint64_t>{0, 63, 64, 127, 199}));
  ids.reset(64);
  EXPECT_FALSE(ids.test(64));
  EXPECT_EQ(ids.next(64), 127u);
  EXPECT_EQ(ids.count(), 4u);
}

TEST(Bitmap, IgnoresIdsBeyondItsSize) {
  Bitmap ids(70);
  for (std::uint64_t id : {std::uint64_t{70}, std::uint64_t{71}, ~std::uint64_t{0}}) {
    ids.set(id);
    ids.reset(id);
    EXPECT_FALSE(ids.test(id));
  }
  EXPECT_EQ(ids.count(), 0u);
  EXPECT_EQ(ids.next(~std::uint64_t{0}), 70u);
}

TEST(Bitmap, SetAllStopsAtItsSize) {
  for (std::uint64_t size : {0, 1, 63, 64, 65, 128}) {
    Bitmap ids(size);
    ids.set_all();
    EXPECT_EQ(ids.count(), size);
    EXPECT_FALSE(ids.test(size));
    ids.clear();
    EXPECT_EQ(ids.count(), 0u);
  }
}

TEST(Bitmap, ShrinkingForgetsWhatIsCutOff) {
  Bitmap ids(130);
  ids.set_all();
  ids.resize(65);
  EXPECT_EQ(ids.count(), 65u);
  ids.resize(130);
  EXPECT_EQ(ids.count(), 65u);
  EXPECT_FALSE(ids.test(65));
  ids.resize(0);
  EXPECT_EQ(ids.next(0), 0u);
}

}  // namespace
}  // namespace duckback
