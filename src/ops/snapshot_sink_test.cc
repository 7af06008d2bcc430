#include "ops/snapshot_sink.h"

#include <gtest/gtest.h>

#include "repo/chunk_reader.h"
#include "store/memory_store.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

// A capture without the database's key reads pieces again, and those that changed are written
// again: a short task must not be overtaken by a long one from before.
TEST(SnapshotSink, OfABlockThatIsWrittenAgainTheLaterBytesCount) {
  constexpr std::uint64_t kBlock = 16384;
  constexpr std::uint64_t kBlocks = 256;
  MemoryStore store;
  Sealer sealer(test::kRepository, std::nullopt);
  Namer namer(test::a_secret());
  Index index(store, sealer);
  ChunkWriter writer(store, sealer, namer, index, Compression::max);
  SnapshotSink sink(writer, namer, std::nullopt, 4);
  std::mt19937_64 random(1);
  Image image;
  image.file_bytes = kBlockStart + kBlocks * kBlock;
  Bytes last;
  for (int round = 0; round < 5; ++round) {
    sink.begin(image.file_bytes, kBlock, image.head);
    sink.write_blocks(kBlockStart, test::random_bytes(random, kBlocks * kBlock));
    last = test::random_bytes(random, kBlock);
    sink.write_blocks(kBlockStart + (kBlocks - 1) * kBlock, Bytes(last));
  }
  SnapshotSink::Stored stored = sink.finish(image);
  writer.flush();
  Index written(store, sealer);
  ChunkReader reader(store, sealer, namer, written);
  MapReader map(stored.file, [&](const ChunkId& id) { return reader.read(id); });
  EXPECT_EQ(reader.read(map.leaf(0)->find(kBlocks - 1)->chunk), last);
}

}  // namespace
}  // namespace duckback
