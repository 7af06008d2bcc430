#include "duckfile/block_map.h"

#include <algorithm>

namespace duckback {

BlockMap read_block_map(const ByteSource& file, std::uint64_t file_bytes,
                        const DatabaseHeader& header, const BlockCipher* cipher) {
  std::uint64_t in_file =
      file_bytes < kBlockStart ? 0 : (file_bytes - kBlockStart) / header.block_bytes;
  in_file = std::min(in_file, header.block_count);
  BlockMap map{.used = Bitmap(in_file), .metadata = Bitmap(in_file)};
  map.total_blocks = header.block_count;
  map.used.set_all();
  std::uint64_t free_beyond_file = 0;
  FreeListVisitor visitor;
  visitor.free_block = [&](std::uint64_t id) {
    if (id < in_file) {
      map.used.reset(id);
    } else {
      ++free_beyond_file;
    }
  };
  visitor.metadata_block = [&](std::uint64_t id, std::uint64_t) { map.metadata.set(id); };
  read_free_list(file, header, cipher, visitor);

  std::uint64_t beyond_file = header.block_count - in_file;
  map.used_beyond_file = beyond_file - std::min(beyond_file, free_beyond_file);
  map.free_blocks = header.block_count - map.used.count() - map.used_beyond_file;
  return map;
}

}  // namespace duckback
