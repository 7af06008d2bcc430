#pragma once

#include <optional>
#include <string>
#include <vector>

#include "duckfile/header.h"
#include "duckfile/pairing.h"
#include "duckfile/wal.h"
#include "io/file.h"
#include "io/lock_holder.h"

namespace duckback {

// A WAL file beside a database, as far as it can be read.
struct WalReport {
  fs::path path;
  std::uint64_t bytes = 0;
  WalContent content;
  std::string error;  // "" or why reading stopped
};

struct BlockUsage {
  std::uint64_t total = 0;
  std::uint64_t used = 0;
  std::uint64_t free = 0;
  std::uint64_t metadata = 0;   // of the used
  std::uint64_t multi_use = 0;  // of the used: shared by several column segments
};

// What a database file and its siblings say, and who has it open. Everything that could not be
// read is empty, with the reason in `problems`.
struct Inspection {
  fs::path path;  // links resolved
  FileStat file;
  std::optional<MainHeader> main;
  std::array<std::optional<DatabaseHeader>, 2> slots;
  int active = -1;  // the slot that counts, -1 if none can be read
  std::optional<StorageVersion> storage;
  std::optional<BlockUsage> blocks;
  bool key_needed = false;  // encrypted, and no key was given

  std::optional<WalReport> wal;
  std::optional<WalReport> wal_checkpoint;  // DuckDB 1.5: commits made while a checkpoint ran
  std::optional<WalReport> wal_recovery;
  std::optional<Pairing> pairing;  // of `wal`

  std::optional<Process> writer;  // holds DuckDB's lock for writing
  std::optional<Process> reader;  // holds one for reading
  bool locks_known = true;        // false: the system did not tell
  Openers openers;
  bool network_filesystem = false;  // locks of other machines may be invisible

  bool moved = false;  // it changed each time it was read: figures are of several moments
  std::vector<std::string> problems;

  const DatabaseHeader* header() const {
    return active < 0 ? nullptr : &*slots[static_cast<std::size_t>(active)];
  }
};

// Looks only: takes no lock, opens nothing in DuckDB, writes nothing; safe on a database that is
// being written to. Damaged databases are shown as far as they can be read. Throws Errc::not_found,
// Errc::refused for what is no DuckDB file, Errc::invalid for a key that does not fit.
Inspection inspect(const fs::path& database, const std::optional<std::string>& key);

}  // namespace duckback
