#pragma once

#include "base/bitmap.h"
#include "duckfile/free_list.h"

namespace duckback {

// Which blocks one database header needs: every id below its block count that is not in its free
// list. A few of them may hold nothing (docs/duckdb-file.md, "Used is not referenced").
struct BlockMap {
  Bitmap used;                     // of the blocks that are whole in the file
  Bitmap metadata;                 // a subset
  std::uint64_t total_blocks = 0;  // the header's block count
  std::uint64_t free_blocks = 0;
  std::uint64_t used_beyond_file = 0;  // not free, and the file ends before them

  std::uint64_t used_blocks() const { return total_blocks - free_blocks; }
};

// Reads the free list of `header`. `file_bytes` bounds the memory, whatever the header claims: one
// bit a block and set. Throws as read_free_list() does.
BlockMap read_block_map(const ByteSource& file, std::uint64_t file_bytes,
                        const DatabaseHeader& header, const BlockCipher* cipher);

}  // namespace duckback
