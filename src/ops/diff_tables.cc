#include "ops/diff_tables.h"

#include <map>

#include "base/error.h"

namespace duckback {

std::vector<TableDifference> diff_tables(const std::vector<Sidecar::Table>& before,
                                         const std::vector<Sidecar::Table>& after) {
  std::map<std::pair<std::string, std::string>, TableDifference> tables;
  auto at = [&](const Sidecar::Table& table) -> TableDifference& {
    TableDifference& one = tables[{table.schema, table.table}];
    one.schema = table.schema;
    one.table = table.table;
    return one;
  };
  for (const Sidecar::Table& table : before) at(table).before = table.rows;
  for (const Sidecar::Table& table : after) at(table).after = table.rows;
  std::vector<TableDifference> differences;
  for (auto& [name, one] : tables) differences.push_back(std::move(one));
  return differences;
}

std::vector<Sidecar::Table> find_tables(const Repository& repository, const FoundSnapshot& found,
                                        const ScratchOptions& options,
                                        const std::function<void(const std::string&)>& step) {
  if (found.details.tables) return *found.details.tables;
  std::string title = "snapshot " + found.snapshot.id.substr(0, 8);
  if (found.details.encrypted && !options.key) {
    throw Error(Errc::invalid,
                "{} is of an encrypted database, and its tables are not recorded: give its key "
                "with --key-file or --key-env",
                title);
  }
  return in_context(title, [&] {
    if (step) step("giving " + title + " back to count its rows");
    ScratchDatabase database(repository, found.snapshot, options);
    if (step) step("opening " + title + " with DuckDB");
    std::vector<Sidecar::Table> tables;
    for (const TableCount& table : database.open(false).tables) {
      tables.push_back({table.schema, table.table, table.rows});
    }
    return tables;
  });
}

}  // namespace duckback
