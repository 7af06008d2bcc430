#pragma once

#include <functional>

#include "ops/find_snapshot.h"
#include "ops/scratch_database.h"

namespace duckback {

// A table and its rows in two snapshots; empty: it is not there.
struct TableDifference {
  std::string schema;
  std::string table;
  std::optional<std::uint64_t> before;
  std::optional<std::uint64_t> after;
  bool operator==(const TableDifference&) const = default;
};

// All tables of either, by schema and table. Equal counts do not mean equal rows.
std::vector<TableDifference> diff_tables(const std::vector<Sidecar::Table>& before,
                                         const std::vector<Sidecar::Table>& after);

// The tables of a snapshot: as it says itself, else as DuckDB counts them in a scratch database.
// Throws Errc::invalid where that needs a key that `options` has not; and as ScratchDatabase does.
std::vector<Sidecar::Table> find_tables(const Repository& repository, const FoundSnapshot& found,
                                        const ScratchOptions& options,
                                        const std::function<void(const std::string&)>& step);

}  // namespace duckback
