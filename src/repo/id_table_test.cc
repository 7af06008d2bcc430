#include "repo/id_table.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace duckback {
namespace {

ChunkId id_of(std::uint64_t n) {
  std::array<std::uint8_t, 8> bytes;
  store_le(bytes.data(), n);
  Blake3 hash;
  hash.update(bytes);
  return {hash.digest()};
}

TEST(IdTable, HoldsNothingAtFirst) { EXPECT_FALSE(IdTable().may_hold(id_of(1))); }

// It grows twice on the way.
TEST(IdTable, HoldsWhatWasInsertedAndNothingElse) {
  IdTable table;
  constexpr std::uint64_t kIds = 400'000;
  for (std::uint64_t n = 0; n < kIds; ++n) table.insert(id_of(n));
  for (std::uint64_t n = 0; n < kIds; ++n) ASSERT_TRUE(table.may_hold(id_of(n))) << n;
  for (std::uint64_t n = kIds; n < 2 * kIds; ++n) ASSERT_FALSE(table.may_hold(id_of(n))) << n;
}

// The same home for all of them, and that the last slot: they go on at the first.
TEST(IdTable, HoldsIdsThatCollide) {
  IdTable table;
  auto colliding = [](std::uint8_t n) {
    ChunkId id;
    id.digest.fill(0xff);
    id.digest[7] = n;
    return id;
  };
  for (std::uint8_t n = 0; n < 100; ++n) table.insert(colliding(n));
  for (std::uint8_t n = 0; n < 100; ++n) EXPECT_TRUE(table.may_hold(colliding(n)));
  EXPECT_FALSE(table.may_hold(colliding(100)));
}

TEST(IdTable, AnIdOfZerosIsAnId) {
  IdTable table;
  EXPECT_FALSE(table.may_hold(ChunkId{}));
  table.insert(ChunkId{});
  EXPECT_TRUE(table.may_hold(ChunkId{}));
}

}  // namespace
}  // namespace duckback
