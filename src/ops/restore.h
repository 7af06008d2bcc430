#pragma once

#include <functional>
#include <stop_token>

#include "io/file.h"
#include "ops/snapshot_details.h"
#include "repo/repository.h"

namespace duckback {

struct RestoreOptions {
  fs::path target;
  // Onto the database that is there: only blocks that differ are fetched and written.
  bool delta = false;
  // Replace the database that is there; it is kept as NAME.pre-restore-STAMP, and the new one takes
  // over its permissions and, as far as this user may, its owner and group.
  bool force = false;
  // Fold the WAL in, through DuckDB.
  bool settle = false;
  bool without_wal = false;
  // Chunks whose places become holes: what is left of a snapshot that cannot be given back whole.
  // Only with a new file.
  std::function<bool(const ChunkId&)> leave_out;
  std::size_t threads = 0;  // 0: one a core
  fs::path library;         // as of duckdb/worker.h

  std::function<void(const std::string&)> step;
  std::function<void(const std::string&)> warning;  // as it arises, most before anything is done
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of the file
  std::stop_token stop;
};

struct RestoreResult {
  fs::path target;
  std::uint64_t file_bytes = 0;
  std::uint64_t wal_bytes = 0;      // 0: no WAL beside it
  std::uint64_t written_bytes = 0;  // of the file; less than all with delta
  std::vector<fs::path> kept;       // what was there before, under its new names
  std::vector<std::string> warnings;
  std::chrono::nanoseconds elapsed{};
};

// Gives a snapshot back as a database. Every chunk is checked against its id. What is at the target
// stays as it is until the new file is complete (with delta: has no valid header until then, so
// that DuckDB refuses it, and the same command goes on where it was stopped). A WAL that was beside
// the target is moved aside, never deleted, never left for the new file: to NAME.wal.pre-restore-
// STAMP, or, where the database is kept too, beside that. Killed anywhere, the same call succeeds.
// Throws Errc::conflict if a process has the target open, or another restore() makes it just now,
// Errc::refused if there is something else than this snapshot at the target and neither delta nor
// force is given, Errc::damaged for a snapshot that cannot be given back.
RestoreResult restore(const Repository& repository, const Snapshot& snapshot,
                      const RestoreOptions& options);

}  // namespace duckback
