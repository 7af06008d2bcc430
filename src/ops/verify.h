#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "duckdb/worker.h"
#include "duckfile/block_check.h"
#include "io/file.h"
#include "ops/sidecar.h"

namespace duckback {

enum class VerifyLevel {
  hash,    // only that the bytes are those duckback wrote: all there is without the key
  blocks,  // hash, headers, every used block, WAL, pairing; needs no DuckDB library
  open,    // and DuckDB opens it and counts its rows
  full,    // and DuckDB reads every value
};
std::string_view name_of(VerifyLevel level);

struct VerifyOptions {
  VerifyLevel level = VerifyLevel::blocks;  // hash is no wish, only an outcome
  std::optional<std::string> key;           // not used for copies that are not encrypted
  WorkerOptions worker;                     // its scratch: "" = beside the copy
  std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)> progress;
};

struct VerifyFinding {
  std::string text;  // one line
  std::optional<std::uint64_t> block;
  std::optional<std::uint64_t> offset;  // in the file, or the WAL if the text says so
};

struct VerifyReport {
  fs::path path;
  bool has_sidecar = false;
  bool hash_fits = false;               // the database is byte for byte what duckback wrote
  std::vector<VerifyFinding> findings;  // at most kFindingsMost are listed
  std::uint64_t finding_count = 0;
  std::vector<std::string> notes;  // what was not, or cannot be, proven
  std::optional<BlockCheck> blocks;
  std::uint64_t wal_commits = 0;
  std::string library_version;                    // of the DuckDB that opened it
  std::optional<std::vector<TableCount>> tables;  // as it counted them
  // The highest level that was reached; empty for an export, of which only sizes are compared.
  std::optional<VerifyLevel> proven;

  bool good() const { return finding_count == 0; }
};
inline constexpr std::size_t kFindingsMost = 10'000;

// Proves one finished copy, or one closed database without sidecar as far as its own structure
// goes, and reports everything that is wrong, not only the first. With a sidecar, the result is
// recorded in it. Throws Errc::not_found, Errc::refused for what is no database, Errc::conflict for
// a database that somebody may be writing (findings would mean nothing), Errc::invalid for a key
// that does not fit or that is missing where nothing can be checked without it (an encrypted
// database without sidecar), Errc::unsupported where the level needs a DuckDB library and there is
// none.
VerifyReport verify(const fs::path& path, const VerifyOptions& options);

}  // namespace duckback
