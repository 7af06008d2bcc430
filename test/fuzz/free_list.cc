// Input: block count and free list pointer of a database header, then the sub-blocks of a file of
// three blocks of 16 KiB: (block 0, sub-block 0), (1, 0), (2, 0), (0, 1), …, 248 bytes each.

#include <algorithm>

#include "duckfile/block_map.h"
#include "test/fuzz/fuzz.h"

using namespace duckback;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kBlock = 16384;
  constexpr std::size_t kSub = 248;
  if (size < 16) return 0;
  DatabaseHeader header;
  header.block_bytes = kBlock;
  header.block_count = load_le<std::uint64_t>(data) % (std::uint64_t{1} << 45);
  header.free_list = load_le<std::uint64_t>(data + 8);
  ByteView rest(data + 16, size - 16);
  Bytes file(kBlockStart + 3 * kBlock);
  for (std::size_t i = 0; i < 3 * 64 && !rest.empty(); ++i) {
    ByteView sub = rest.first(std::min(kSub, rest.size()));
    rest = rest.subspan(sub.size());
    std::copy(sub.begin(), sub.end(),
              file.begin() +
                  static_cast<std::ptrdiff_t>(kBlockStart + i % 3 * kBlock + 8 + i / 3 * kSub));
  }
  for (std::size_t id = 0; id < 3; ++id) {
    fuzz::fix_checksum(MutableBytes(file).subspan(kBlockStart + id * kBlock, kBlock));
  }
  MemorySource source("file", file);
  fuzz::allow_error([&] {
    BlockMap map = read_block_map(source, file.size(), header, nullptr);
    DUCKBACK_ASSERT(map.used.size() <= 3);
    DUCKBACK_ASSERT(map.free_blocks <= map.total_blocks);
    DUCKBACK_ASSERT(map.used.count() + map.used_beyond_file == map.used_blocks());
  });
  return 0;
}
