#include "repo/chunk_writer.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace duckback
