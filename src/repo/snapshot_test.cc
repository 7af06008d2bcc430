#include "repo/snapshot.h"

#include <gtest/gtest.h>

#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

class SnapshotObject : public testing::Test {
 protected:
  SnapshotObject() {
    snapshot_.id = snapshot_.original = "00112233445566778899aabbccddeeff";
    snapshot_.time = parse_utc("2026-11-22T23:45:01.250Z");
    snapshot_.file = {.root = test::chunk_id(1), .levels = 2, .chunk_bytes = 16384, .bytes = 7};
    name_ = name_snapshot("0123456789abcdef", snapshot_);
  }
  std::string written() {
    put_snapshot(store_, sealer_, name_, snapshot_);
    return read_document(store_, sealer_, name_.key);
  }
  // Reads what was written with `from` replaced, which must be in it.
  Snapshot read_with(const std::string& from, const std::string& to) {
    std::string json = written();
    std::size_t at = json.find(from);
    EXPECT_NE(at, json.npos) << json;
    put_document(store_, sealer_, name_.key, json.replace(at, from.size(), to));
    return read_snapshot(store_, sealer_, name_);
  }

  MemoryStore store_;
  Sealer sealer_{test::kRepository, std::nullopt};
  Snapshot snapshot_;
  SnapshotName name_;
};

TEST_F(SnapshotObject, NumbersOfAMapAreWholeAndSmallEnough) {
  EXPECT_EQ(read_with(R"("levels":2)", R"("levels":3)").file.levels, 3u);
  store_.remove(name_.key);
  for (const char* levels : {"2.5", "4294967298", "-1", "8", "0", "true", "1e300", "\"2\""}) {
    test::error_of(Errc::damaged,
                   [&] { read_with(R"("levels":2)", R"("levels":)" + std::string(levels)); });
    store_.remove(name_.key);
  }
}

TEST_F(SnapshotObject, OneThatNestsTooDeepIsDamagedAndNoCrash) {
  for (std::size_t depth : {100u, 1'000'000u}) {
    std::string deep = std::string(depth, '[') + std::string(depth, ']');
    test::error_of(Errc::damaged,
                   [&] { read_with(R"("details":{})", R"("details":{"a":)" + deep + "}"); });
    store_.remove(name_.key);
  }
  std::string brackets = R"("details":{"a":")" + std::string(1000, '[') + R"(\"[[["})";
  EXPECT_NO_THROW(read_with(R"("details":{})", brackets));
}

TEST_F(SnapshotObject, ATimeThatNoClockHasIsNoName) {
  for (const char* year : {"0001", "1600", "2300", "9999"}) {
    store_.put(fmt::format("snapshots/0123456789abcdef/{}1122T234501250Z-{}", year, snapshot_.id),
               Bytes(100));
  }
  EXPECT_TRUE(list_snapshots(store_).empty());
  test::error_of(Errc::damaged, [&] { read_with("2026-11-22T", "9999-11-22T"); });
}

}  // namespace
}  // namespace duckback
