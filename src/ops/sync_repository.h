#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "ops/find_snapshot.h"
#include "repo/pack.h"

namespace duckback {

struct SyncOptions {
  std::string database;  // only of this one, as of read_snapshots()
  bool dry_run = false;
  Compression compression = Compression::normal;
  std::chrono::milliseconds grace;  // of the target's prune, which copying one must not outlast
  std::function<void(const std::string&)> step;
  std::stop_token stop;
};

struct SyncReport {
  std::vector<FoundSnapshot> copied;  // as they are in the target; with dry_run those of the source
  std::vector<FoundSnapshot> healed;  // were there, but lacked what the target lost
  std::uint64_t there = 0;            // already, and whole as far as is known
  std::uint64_t added_bytes = 0;      // stored in the target
  std::vector<Error> damaged;         // snapshots that could not be copied whole, and were not
};

// Copies the snapshots of `from` that `to` lacks, oldest first, under the same ids; what was tagged
// since it was copied counts as there. Chunks are stored under the ids of `to`; what did not change
// since the snapshot before is not read. What the target lost of those that it has (as far as
// `check` found it) is stored anew. Goes on after a snapshot that is damaged. Killed, it leaves
// those copied so far.
SyncReport sync_repository(const Repository& from, const Repository& to,
                           const SyncOptions& options);

}  // namespace duckback
