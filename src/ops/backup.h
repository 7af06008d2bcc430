#pragma once

#include <functional>

#include "base/error.h"
#include "capture/capture.h"
#include "ops/snapshot_details.h"
#include "ops/verify.h"
#include "repo/pack.h"
#include "repo/repository.h"

namespace duckback {

// How long what prune marked stays (docs/format.md).
inline constexpr std::chrono::hours kPruneGrace{24};

struct BackupOptions {
  std::string source;
  std::vector<std::string> tags;
  std::optional<std::string> name;  // what to call the database, else its path
  Compression compression = Compression::normal;
  bool require_certified = false;
  std::optional<std::string> key;  // the database's ENCRYPTION_KEY
  std::chrono::milliseconds timeout{120'000};
  std::chrono::milliseconds grace = kPruneGrace;  // which a backup must not outlast
  std::size_t threads = 0;                        // 0: one a core
  // blocks: the source's checksums. open, full: before it is created the snapshot is also given
  // back from the repository, to a scratch database that DuckDB opens (full: reads).
  VerifyLevel verify = VerifyLevel::blocks;
  fs::path library;  // as of duckdb/worker.h
  fs::path scratch;  // as of find_scratch()

  std::function<void(const std::string&)> step;
  std::function<void(const CaptureProgress&)> progress;
  std::stop_token stop;
};

struct BackupResult {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
  // The database was as it had been for the snapshot before: no block was read.
  bool untouched = false;
  std::uint64_t changed_blocks = 0;
  bool opened = false;  // by DuckDB, as it was asked to verify it
  std::vector<std::string> warnings;
  // What was asked of `verify` came out badly (Errc::unverified: the snapshot is marked as failed),
  // or could not be done. The snapshot was made all the same.
  std::optional<Error> verify_error;
  std::chrono::nanoseconds elapsed{};
};

// Makes a snapshot of a database, in use or not. Nothing counts before the snapshot is created, the
// last step. A damaged source is stored, marked as damaged: Errc::corrupt is the caller's to say.
// Errors are those of capture(), of the store and, before anything is stored, of find_library() and
// find_scratch(); Errc::damaged where the repository does not give back what this backup builds on:
// then no snapshot is made.
BackupResult backup(const Repository& repository, const BackupOptions& options);

}  // namespace duckback
