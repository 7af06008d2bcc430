#include "repo/chunk_writer.h"

#include <gtest/gtest.h>

#include <thread>

#include "repo/chunk_reader.h"
#include "store/memory_store.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

TEST(ChunkWriter, BeginsANewPackWhenOneHasAsManyChunksAsItMay) {
  MemoryStore store;
  Sealer sealer(test::kRepository, std::nullopt);
  Namer namer(test::a_secret());
  Index index(store, sealer);
  ChunkWriter writer(store, sealer, namer, index, Compression::normal);
  std::vector<ChunkId> ids;
  for (std::size_t i = 0; i < kPackChunksMost + 10; ++i) {
    Bytes chunk(8);
    store_le(chunk.data(), i);
    ids.push_back(writer.put(chunk, ObjectKind::data_pack));
  }
  writer.flush();
  EXPECT_EQ(writer.stats().packs, 2u);
  Index written(store, sealer);
  ChunkReader reader(store, sealer, namer, written);
  for (std::size_t i : {std::size_t{0}, kPackChunksMost - 1, kPackChunksMost, ids.size() - 1}) {
    EXPECT_EQ(load_le<std::size_t>(reader.read(ids[i]).data()), i);
  }
}

TEST(ChunkWriter, WhatManyThreadsPutAtOnceIsStoredOnce) {
  MemoryStore store;
  Sealer sealer(test::kRepository, std::nullopt);
  Namer namer(test::a_secret());
  Index nothing(store, sealer);
  ChunkWriter writer(store, sealer, namer, nothing, Compression::off);
  constexpr std::uint64_t kChunks = 100'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    // In the same order, so that they meet over every chunk.
    threads.emplace_back([&] {
      for (std::uint64_t n = 0; n < kChunks; ++n) {
        std::uint8_t bytes[8];
        store_le(bytes, n);
        ChunkId id;
        store_le(id.digest.data(), n);
        writer.put(id, bytes, ObjectKind::data_pack);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.flush();
  EXPECT_EQ(writer.stats().chunks, kChunks);
  std::size_t stored = 0;
  store.list("packs/", [&](const ObjectInfo& object) {
    stored +=
        read_pack_directory(store, sealer, *pack_id_of(object.key), object.bytes).chunks.size();
  });
  EXPECT_EQ(stored, kChunks);
}

// There several packs are on their way at once.
TEST(ChunkWriter, WhatGoesToARemoteStoreIsAllThere) {
  struct Remote : MemoryStore {
    bool is_remote() const override { return true; }
  };
  Remote store;
  Sealer sealer(test::kRepository, std::nullopt);
  Namer namer(test::a_secret());
  Index nothing(store, sealer);
  ChunkWriter writer(store, sealer, namer, nothing, Compression::off);
  constexpr std::uint64_t kChunks = 160;
  std::vector<std::thread> threads;
  for (std::uint64_t first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (std::uint64_t n = first; n < kChunks; n += 4) {
        Bytes chunk(kChunkBytesMost);
        store_le(chunk.data(), n);
        writer.put(chunk, ObjectKind::data_pack);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.flush();
  EXPECT_EQ(writer.stats().packs, 5u);
  EXPECT_EQ(writer.relied_on().size(), 5u);
  Index written(store, sealer);
  ChunkReader reader(store, sealer, namer, written);
  for (std::uint64_t n = 0; n < kChunks; ++n) {
    Bytes chunk(kChunkBytesMost);
    store_le(chunk.data(), n);
    EXPECT_EQ(reader.read(namer.chunk_id(chunk)), chunk);
  }
}

}  // namespace
}  // namespace duckback
