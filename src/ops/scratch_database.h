#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "duckdb/worker.h"
#include "io/temp_file.h"
#include "repo/repository.h"

namespace duckback {

// Where a database is given back to for DuckDB to open it: `given`, else $TMPDIR, else /var/tmp;
// not what is in memory only, unless it was given. Removes what killed processes left there. Throws
// Errc::no_space if it has not `bytes` free, Errc::not_found, Errc::refused if there is no such
// place.
fs::path find_scratch(const fs::path& given, std::uint64_t bytes);

struct ScratchOptions {
  fs::path scratch;                  // as find_scratch() takes it
  fs::path library;                  // as of duckdb/worker.h
  std::optional<std::string> key{};  // the database's ENCRYPTION_KEY
  // The database's own, whose stem its views and macros may mention; "" = that of its path.
  std::string file_name{};
  // Chunks that are not there: their blocks become holes, and the WAL is left out.
  std::function<bool(const ChunkId&)> leave_out{};
  std::stop_token stop{};
};

// A snapshot given back, byte for byte, to a folder of its own (0700) that is gone with the object.
class ScratchDatabase {
 public:
  // Throws as find_scratch() and restore().
  ScratchDatabase(const Repository& repository, const Snapshot& snapshot, ScratchOptions options);

  // Opens it in DuckDB, as open_database() does; with `full_scan` every value is read. An encrypted
  // one needs the key. Once, for DuckDB folds the WAL in.
  OpenedDatabase open(bool full_scan,
                      std::chrono::milliseconds timeout = std::chrono::hours(12)) const;
  // find_block_users() of it.
  std::vector<BlockUser> block_users(const std::vector<std::uint64_t>& blocks) const;

 private:
  WorkerOptions worker() const;

  ScratchOptions options_;
  std::uint64_t block_bytes_;
  bool encrypted_ = false;
  TempFolder folder_;
  fs::path database_;
};

}  // namespace duckback
