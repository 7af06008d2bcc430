#pragma once

#include <cstdint>
#include <vector>

#include "io/file.h"

// Database files of any size on little disk, for tests and measurements of scale. As far as
// headers, free list and block checksums go they are whole; they hold no tables.
namespace duckback::test {

struct SparseDatabase {
  std::uint64_t blocks = 0;  // in all
  std::uint32_t block_bytes = 256 * 1024;
  // So many blocks are in use, besides those of the free list; 0: all. They lie in runs of 16, all
  // over the file. The others are free, and holes.
  std::uint64_t used = 0;
  // Blocks in use repeat after so many; 0: they are all different.
  std::uint64_t distinct = 0;
  // So many bytes of a block in use are random, the rest are zeros and, where whole pages are,
  // holes: with 4096 a block costs one page on disk. 0: half of it.
  std::uint32_t filled_bytes = 0;

  void write(const fs::path& path) const;
};

// Gives `count` blocks of such a file, all over it, new content, and counts the header's iteration
// up. `round` makes the content of each call another one.
void change_blocks(const SparseDatabase& database, const fs::path& path, std::uint64_t count,
                   std::uint64_t round);

}  // namespace duckback::test
