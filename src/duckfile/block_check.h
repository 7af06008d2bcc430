#pragma once

#include <functional>

#include "duckfile/header.h"

namespace duckback {

struct BlockFinding {
  enum class What {
    damaged,  // its checksum, or with a cipher its tag, does not fit
    missing,  // the file ends before it does; told once, for the first (BlockCheck counts them)
  } what = What::damaged;
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  bool metadata = false;  // it holds the catalog, or the free list itself
};
// "block 7 at offset 1847296: its checksum is wrong".
std::string to_text(const BlockFinding& finding);

struct BlockCheck {
  std::uint64_t used_blocks = 0;
  std::uint64_t free_blocks = 0;
  std::uint64_t metadata_blocks = 0;   // of the used
  std::uint64_t multi_use_blocks = 0;  // of the used
  std::uint64_t missing_blocks = 0;    // used, behind the end of the file
  std::uint64_t findings = 0;
  // Why the free list cannot be read; every block that is not all zeros then counts as used, so
  // some findings may be about blocks that nobody needs.
  std::string free_list_error;

  bool good() const { return findings == 0 && free_list_error.empty(); }
};

// Reads the file once from begin to end and checks every block that `header` uses; free blocks and
// holes may hold anything. `found` hears of every finding in the order of the file. `bytes`, if
// given, sees all bytes of the file in order, so that a hash costs no second reading. Memory: a few
// buffers and two bits a block.
BlockCheck check_blocks(const ByteSource& file, const DatabaseHeader& header,
                        const BlockCipher* cipher,
                        const std::function<void(const BlockFinding&)>& found,
                        const std::function<void(ByteView)>& bytes = {});

}  // namespace duckback
