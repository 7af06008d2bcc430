#pragma once

#include <functional>

#include "duckfile/crypto.h"

namespace duckback {

// What the free list of one database header says, told id by id in the order of the file (so that a
// list of millions needs no memory).
struct FreeListVisitor {
  std::function<void(std::uint64_t id)> free_block;
  std::function<void(std::uint64_t id, std::uint32_t references)> multi_use_block;
  // Bit i of `free_mask`: sub-block i is free.
  std::function<void(std::uint64_t id, std::uint64_t free_mask)> metadata_block;
};

// Reads the free list that `header` points to: the chain of metadata sub-blocks,
// docs/duckdb-file.md. Throws Errc::corrupt where a block of the chain is not whole, the chain has
// a cycle, or an id is impossible; on a live file that may only mean that it is moving.
void read_free_list(const ByteSource& file, const DatabaseHeader& header, const BlockCipher* cipher,
                    const FreeListVisitor& visitor);

}  // namespace duckback
