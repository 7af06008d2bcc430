#include "base/bitmap.h"

#include <gtest/gtest.h>

#include <random>

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

// A set of ids that is obviously right.
struct Plain {
  std::vector<bool> members;
  explicit Plain(std::uint64_t size) : members(size) {}
  std::uint64_t next(std::uint64_t from) const {
    while (from < members.size() && !members[from]) ++from;
    return std::min<std::uint64_t>(from, members.size());
  }
  std::uint64_t previous(std::uint64_t end) const {
    for (end = std::min<std::uint64_t>(end, members.size()); end > 0; --end) {
      if (members[end - 1]) return end - 1;
    }
    return members.size();
  }
};

void expect_same(const Bitmap& ids, const Plain& plain, std::mt19937_64& random) {
  ASSERT_EQ(ids.size(), plain.members.size());
  EXPECT_EQ(ids.count(), static_cast<std::uint64_t>(
                             std::count(plain.members.begin(), plain.members.end(), true)));
  for (int i = 0; i < 50; ++i) {
    std::uint64_t at = random() % (ids.size() + 2);
    ASSERT_EQ(ids.test(at), at < plain.members.size() && plain.members[at]) << at;
    ASSERT_EQ(ids.next(at), plain.next(at)) << at;
    ASSERT_EQ(ids.previous(at), plain.previous(at)) << at;
  }
}

TEST(Bitmap, IsThatOfAPlainSetWhateverIsDoneToIt) {
  std::mt19937_64 random(7);
  for (std::uint64_t size : {70'001u, 65'536u, 32'768u, 32'769u, 100u}) {
    Bitmap ids(size);
    Plain plain(size);
    for (int round = 0; round < 15; ++round) {
      std::uint64_t begin = random() % (size + 1);
      std::uint64_t end = std::min(size, begin + random() % 70'000);
      switch (random() % 5) {
        case 0:
        case 1:
        case 2: {
          bool member = random() % 2 == 0;
          std::uint64_t step = 1 + random() % 2 * (random() % 100);
          for (std::uint64_t id = begin; id < end; id += step) {
            member ? ids.set(id) : ids.reset(id);
            plain.members[id] = member;
          }
          break;
        }
        case 3:
          size = 1 + random() % 100'000;
          ids.resize(size);
          plain.members.resize(size);
          break;
        default:
          random() % 2 == 0 ? ids.set_all() : ids.clear();
          plain.members.assign(size, ids.test(0));
      }
      expect_same(ids, plain, random);
    }
  }
}

}  // namespace
}  // namespace duckback
