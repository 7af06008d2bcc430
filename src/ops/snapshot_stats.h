#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "ops/find_snapshot.h"

namespace duckback {

struct SnapshotCost {
  FoundSnapshot found;
  std::uint64_t logical_bytes = 0;  // of the database and its WAL
  std::uint64_t stored_bytes = 0;   // all that it needs, each chunk once
  std::uint64_t unique_bytes = 0;   // of that, what no other snapshot needs
};

struct RepositoryStats {
  std::vector<SnapshotCost> snapshots;  // oldest first
  std::uint64_t logical_bytes = 0;      // of all snapshots
  std::uint64_t needed_bytes = 0;       // stored for them, each chunk once
  std::uint64_t pack_bytes = 0;         // of all packs
  std::uint64_t packs = 0;
  std::uint64_t index_bytes = 0;
  std::uint64_t indexes = 0;
  std::uint64_t total_bytes = 0;  // of all objects
  std::uint64_t objects = 0;
};

// What snapshots cost; `database` as of read_snapshots() chooses those that are listed. Reads all
// maps. Throws Errc::damaged.
RepositoryStats snapshot_stats(const Repository& repository, const std::string& database = {},
                               const std::stop_token& stop = {});

}  // namespace duckback
