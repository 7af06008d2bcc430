#pragma once

#include <optional>

#include "io/file.h"
#include "repo/chunk_id.h"

namespace duckback {

// Chunk ids by the million, in a file without a name (12 to 24 bytes an id, and no memory): knows
// them by 8 of their bytes, so it may say yes of one that it does not hold, about never, and no
// only of those. One thread.
class IdTable {
 public:
  void insert(const ChunkId& id);
  bool may_hold(const ChunkId& id) const;

 private:
  static constexpr std::uint64_t kSlotsFirst = 1 << 18;

  void grow();
  static void insert(const File& file, std::uint64_t slots, std::uint64_t key);
  // The slot of `key`, or the empty one where it belongs. Reads a page at a time.
  static std::pair<std::uint64_t, bool> find(const File& file, std::uint64_t slots,
                                             std::uint64_t key);

  std::optional<File> file_;
  std::uint64_t slots_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace duckback
