#pragma once

#include <functional>
#include <map>

#include "ops/scratch_database.h"

namespace duckback {

// A snapshot, and what of its database file is lost.
struct LossySnapshot {
  const Snapshot* snapshot = nullptr;
  std::map<std::uint64_t, ChunkId> blocks{};  // those known, and the chunk that belongs there
  bool unreadable = false;                    // headers or a part of the map too
};

// A table that uses a lost block, as the catalog of `snapshot` says: the lossy one itself, or
// another one of the same database that has the same chunk at the same place.
struct LostTable {
  std::uint64_t block = 0;
  std::string schema;
  std::string table;
  std::string snapshot;  // its id
};

struct LostTablesOptions {
  ScratchOptions scratch;  // without leave_out
  std::function<bool(const ChunkId&)> is_lost;
  std::function<void(const std::string&)> step;
  std::function<void(const std::string&)> note;  // what could not be found out, and why
};

// Which tables the lost blocks are of, for each of `snapshots`: what is left is given back to a
// scratch database, and DuckDB asked. Of a database at most kLossyOpenedMost snapshots are opened,
// newest first, and none that would tell nothing new. What it does not know is left out.
inline constexpr int kLossyOpenedMost = 8;
std::vector<std::vector<LostTable>> find_lost_tables(const Repository& repository,
                                                     const std::vector<LossySnapshot>& snapshots,
                                                     const LostTablesOptions& options);

}  // namespace duckback
