#include "store/faulty_store.h"

#include <gtest/gtest.h>

#include "store/memory_store.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

bool has(Store& store, std::string_view key) {
  bool found = false;
  store.list(key, [&](const ObjectInfo& object) { found |= object.key == key; });
  return found;
}

TEST(ADyingStore, LosesTheFatalMutationAndAllAfterIt) {
  MemoryStore disk;
  DyingStore dying(disk, 1, false);
  dying.put("a", {});
  EXPECT_THROW(dying.create("b", {}), DyingStore::Dead);
  EXPECT_THROW(dying.remove("a"), DyingStore::Dead);
  EXPECT_THROW(dying.put("c", {}), DyingStore::Dead);
  EXPECT_TRUE(has(disk, "a"));
  EXPECT_FALSE(has(disk, "b"));
  EXPECT_FALSE(has(disk, "c"));
}

TEST(ADyingStore, MayDoTheFatalMutationBeforeItDies) {
  MemoryStore disk;
  DyingStore dying(disk, 1, true);
  dying.put("a", {});
  EXPECT_THROW(dying.remove("a"), DyingStore::Dead);
  EXPECT_THROW(dying.put("b", {}), DyingStore::Dead);
  EXPECT_FALSE(has(disk, "a"));
  EXPECT_FALSE(has(disk, "b"));
}

TEST(ADyingStore, DiesAlsoOfAMutationThatFails) {
  MemoryStore disk;
  disk.put("a", {});
  DyingStore dying(disk, 0, true);
  EXPECT_THROW(dying.create("a", {}), DyingStore::Dead);
}

TEST(ADyingStore, CountsMutationsOnly) {
  MemoryStore disk;
  DyingStore dying(disk, 100, false);
  dying.put("a", {});
  dying.create("b", {});
  dying.get("a");
  has(dying, "a");
  dying.remove("a");
  EXPECT_EQ(dying.mutations(), 3u);
}

TEST(AFlakyStore, FailsBeforeAndAfterInTurns) {
  auto disk = std::make_shared<MemoryStore>();
  FlakyStore flaky(disk, 2);
  flaky.put("a", {});
  test::error_of(Errc::unavailable, [&] { flaky.put("b", {}); });
  EXPECT_FALSE(has(*disk, "b"));
  flaky.put("c", {});
  test::error_of(Errc::unavailable, [&] { flaky.put("d", {}); });
  EXPECT_TRUE(has(*disk, "d"));
}

}  // namespace
}  // namespace duckback
