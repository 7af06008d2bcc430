#pragma once

#include <cstdint>
#include <stop_token>

#include "repo/repository.h"

namespace duckback {

// How two maps of one kind differ, place by place.
struct MapDifference {
  std::uint64_t changed = 0;  // places that both hold, with other bytes
  std::uint64_t added = 0;    // that only the second holds
  std::uint64_t removed = 0;  // that only the first holds
  std::uint64_t bytes = 0;    // of what is changed or added
};

struct SnapshotDifference {
  bool comparable = true;  // false: blocks of different size; then all are removed and added
  MapDifference file;
  MapDifference wal;
  bool headers = false;  // they differ
};

// Reads only the parts of the maps that differ. Throws Errc::damaged.
SnapshotDifference diff_snapshots(const Repository& repository, const Snapshot& before,
                                  const Snapshot& after, const std::stop_token& stop = {});

}  // namespace duckback
