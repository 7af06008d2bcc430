#include "repo/map.h"

#include <gmock/gmock.h>

#include <map>

#include "base/error.h"

namespace duckback {
namespace {

// Chunks in memory, named by the repository's rules.
class Maps : public testing::Test {
 protected:
  ChunkId put(ByteView bytes) {
    ChunkId id = namer_.chunk_id(bytes);
    chunks_[id] = Bytes(bytes.begin(), bytes.end());
    return id;
  }
  Bytes read(const ChunkId& id) {
    ++reads_;
    auto found = chunks_.find(id);
    if (found == chunks_.end()) throw Error(Errc::damaged, "chunk {} is missing", id.hex());
    return found->second;
  }
  ReadChunk reader() {
    return [this](const ChunkId& id) { return read(id); };
  }
  MapEntry entry(std::uint64_t place) {
    MapEntry entry;
    store_le(entry.fingerprint.data(), place);
    store_le(entry.chunk.digest.data(), place * 7 + 1);
    return entry;
  }
  MapRef build(const std::map<std::uint64_t, MapEntry>& entries) {
    MapBuilder builder(1000, 5000, [this](ByteView node) { return put(node); });
    MapLeaf leaf;
    std::uint64_t number = 0;
    for (const auto& [place, one] : entries) {
      if (place / kMapFanOut != number && !leaf.empty()) {
        builder.add_leaf(number, leaf);
        leaf = MapLeaf();
      }
      number = place / kMapFanOut;
      leaf.add(place % kMapFanOut, one);
    }
    if (!leaf.empty()) builder.add_leaf(number, leaf);
    return builder.finish();
  }
  std::map<std::uint64_t, MapEntry> all(const MapRef& map) {
    std::map<std::uint64_t, MapEntry> found;
    walk_map(
        map, reader(), [](const ChunkId&, std::uint32_t) { return true; },
        [&](std::uint64_t number, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t place, const MapEntry& one) {
            found[number * kMapFanOut + place] = one;
          });
        });
    return found;
  }

  Namer namer_{Secret(Bytes(32, 7))};
  std::map<ChunkId, Bytes> chunks_;
  int reads_ = 0;
};

TEST_F(Maps, GiveBackWhatWasPutIn) {
  for (std::vector<std::uint64_t> places :
       {std::vector<std::uint64_t>{},
        {0},
        {255},
        {256},
        {0, 1, 255, 256, 511, 65535},
        {65536},
        {0, 65535, 65536, 70000, 16777215, 16777216, 5'000'000'000}}) {
    std::map<std::uint64_t, MapEntry> entries;
    for (std::uint64_t place : places) entries[place] = entry(place);
    MapRef map = build(entries);
    EXPECT_EQ(all(map), entries);
    MapReader reader(map, this->reader());
    for (std::uint64_t place : places) {
      auto leaf = reader.leaf(place / kMapFanOut);
      ASSERT_TRUE(leaf);
      ASSERT_NE(leaf->find(place % kMapFanOut), nullptr);
      EXPECT_EQ(*leaf->find(place % kMapFanOut), entry(place));
      EXPECT_EQ(leaf->find((place + 1) % kMapFanOut) != nullptr,
                entries.contains(place / kMapFanOut * kMapFanOut + (place + 1) % kMapFanOut));
    }
    EXPECT_FALSE(reader.leaf(99999999999999));
  }
}

TEST_F(Maps, AnEmptyOneHasNoNode) {
  MapRef map = build({});
  EXPECT_FALSE(map.root);
  EXPECT_TRUE(chunks_.empty());
}

TEST_F(Maps, WhatDidNotChangeKeepsItsNodes) {
  std::map<std::uint64_t, MapEntry> entries;
  for (std::uint64_t place = 0; place < 200'000; ++place) entries[place] = entry(place);
  build(entries);
  std::size_t before = chunks_.size();
  entries[100'000] = entry(1);
  build(entries);
  EXPECT_EQ(chunks_.size(), before + 3);  // its leaf, the node above, the root
}

TEST_F(Maps, AReaderReadsEachNodeOnceInEitherDirection) {
  std::map<std::uint64_t, MapEntry> entries;
  for (std::uint64_t place = 0; place < 300'000; ++place) entries[place] = entry(place);
  MapRef map = build(entries);
  MapReader reader(map, this->reader());
  reads_ = 0;
  std::uint64_t leaves = (300'000 + 255) / 256;
  for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) reader.leaf(leaf);
  EXPECT_EQ(reads_, static_cast<int>(chunks_.size()));
  for (std::uint64_t leaf = leaves; leaf-- > 0;) reader.leaf(leaf);
  EXPECT_LT(reads_, 2 * static_cast<int>(chunks_.size()));
}

TEST_F(Maps, ANodeThatIsNoneIsDamaged) {
  std::map<std::uint64_t, MapEntry> entries = {{3, entry(3)}, {1000, entry(4)}};
  MapRef map = build(entries);
  const Bytes whole = chunks_[*map.root];
  for (std::size_t end = 0; end < whole.size(); ++end) {
    chunks_[*map.root] = Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(end));
    EXPECT_THROW(all(map), Error) << end;
  }
  chunks_[*map.root] = whole;
  MapRef lie = map;
  lie.levels = 3;
  EXPECT_THROW(all(lie), Error);
  lie.levels = 200;
  EXPECT_THROW(all(lie), Error);
}

TEST_F(Maps, DiffTellsEveryPlaceThatDiffersWhateverTheHeightOfTheTrees) {
  std::map<std::uint64_t, MapEntry> few = {{0, entry(0)}, {3, entry(3)}, {255, entry(255)}};
  std::map<std::uint64_t, MapEntry> more = few;
  more.erase(3);
  more[255] = entry(1);
  for (std::uint64_t place : {256u, 70'000u, 20'000'000u}) more[place] = entry(place);
  std::vector<std::map<std::uint64_t, MapEntry>> maps = {{}, few, more};
  for (const auto& before : maps) {
    for (const auto& after : maps) {
      std::map<std::uint64_t, MapEntry> changed = before;
      std::uint64_t last = 0;
      std::size_t calls = 0;
      diff_maps(build(before), build(after), reader(),
                [&](std::uint64_t place, const MapEntry* was, const MapEntry* is) {
                  EXPECT_TRUE(calls++ == 0 || place > last);
                  last = place;
                  EXPECT_EQ(was != nullptr, before.contains(place));
                  EXPECT_TRUE(was == nullptr || is == nullptr || was->chunk != is->chunk);
                  if (is == nullptr) {
                    changed.erase(place);
                  } else {
                    changed[place] = *is;
                  }
                });
      EXPECT_EQ(changed, after);
      EXPECT_EQ(calls == 0, before == after);
    }
  }
}

TEST_F(Maps, DiffReadsNothingOfWhatIsEqual) {
  std::map<std::uint64_t, MapEntry> entries;
  for (std::uint64_t place = 0; place < 300'000; place += 50) entries[place] = entry(place);
  MapRef before = build(entries);
  entries[150'000] = entry(7);
  MapRef after = build(entries);
  reads_ = 0;
  std::vector<std::uint64_t> places;
  diff_maps(before, after, reader(), [&](std::uint64_t place, const MapEntry*, const MapEntry*) {
    places.push_back(place);
  });
  EXPECT_THAT(places, testing::ElementsAre(150'000));
  EXPECT_EQ(reads_, static_cast<int>(2 * before.levels));
}

}  // namespace
}  // namespace duckback
