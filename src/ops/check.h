#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/calendar_span.h"
#include "ops/scratch_database.h"
#include "repo/repository.h"

namespace duckback {

struct CheckOptions {
  // Which packs are read, every chunk opened and its id computed anew.
  struct Subset {
    double percent = 0;                 // of the bytes; those first that were not read for longest
    std::uint64_t part = 0, parts = 0;  // or part n of t, by the packs' names
  };
  enum class Data { none, some, all };
  Data data = Data::none;
  Subset subset;                        // with some
  std::optional<CalendarSpan> max_age;  // leave out packs that were read more recently
  // Name the tables that lost blocks are of, with DuckDB; without damage it is not needed.
  std::optional<ScratchOptions> tables;
  SystemTime now = std::chrono::system_clock::now();
  std::function<void(const std::string&)> step;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of packs
  std::stop_token stop;
};
// "5%", "2/7". Throws Errc::invalid.
CheckOptions::Subset parse_subset(const std::string& text);

// A snapshot that needs something damaged.
struct DamagedSnapshot {
  std::string id;
  std::string database;
  SystemTime time;
  std::vector<std::uint64_t> blocks{};  // of the file, at most kBlocksMost of them
  std::uint64_t block_count = 0;
  bool headers = false;  // its head is lost
  bool map = false;      // a part of its map is lost, and so more blocks than are known
  bool wal = false;
  // Tables that `blocks` are known to be of; others may be too.
  struct Table {
    std::string schema;
    std::string table;
    std::string snapshot;  // whose catalog says so: this one's id, or of one with the same blocks
    std::uint64_t blocks = 0;
    bool operator==(const Table&) const = default;
  };
  std::vector<Table> tables{};
  static constexpr std::size_t kBlocksMost = 100;
};

struct CheckFinding {
  std::string object;  // its key
  std::string text;    // what is wrong with it
  std::vector<DamagedSnapshot> needed_by;
};

struct CheckReport {
  std::vector<CheckFinding> findings;
  std::vector<std::string> notes;  // what is odd and costs nothing
  std::uint64_t snapshots = 0;
  std::uint64_t indexes = 0;
  std::uint64_t packs = 0;
  std::uint64_t pack_bytes = 0;
  std::uint64_t orphans = 0;  // packs in no index
  std::uint64_t orphan_bytes = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t chunks_read = 0;
};

// Proves that what is in a repository is whole, as deep as asked, and finds out whom damage
// concerns. Packs that are damaged get a note, on which backups act, and those that have one are
// read each time (docs/format.md, "Damage, and how it heals"); beyond that it changes nothing but
// the ledger of what was read. Goes on after damage; other errors of the store come through, and
// with `tables`, before anything is read, Errc::unsupported if there is no DuckDB library. Memory:
// that of an index, and one pack.
CheckReport check(const Repository& repository, const CheckOptions& options);

}  // namespace duckback
