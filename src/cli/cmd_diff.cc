#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/key_option.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/diff_snapshots.h"
#include "ops/diff_tables.h"
#include "ops/find_snapshot.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::string before;
  std::string after;
  std::string database;
  bool tables = false;
  KeyOption key;
  std::string library;
  std::string scratch;
};

// Rows that came, or less those that went.
std::int64_t difference_of(const TableDifference& table) {
  return static_cast<std::int64_t>(table.after.value_or(0)) -
         static_cast<std::int64_t>(table.before.value_or(0));
}

json to_json(const MapDifference& map) {
  return {{"changed", map.changed},
          {"added", map.added},
          {"removed", map.removed},
          {"bytes", map.bytes}};
}

// "12 MiB, before 10 MiB".
std::string now_and_before(const std::string& now, const std::string& before) {
  return now == before ? now + ", as before" : fmt::format("{}, before {}", now, before);
}

void print(const FoundSnapshot& before, const FoundSnapshot& after,
           const SnapshotDifference& difference) {
  auto head = [](const FoundSnapshot& found) {
    return fmt::format("{} of {}, {}", found.snapshot.id.substr(0, 8),
                       database_title(found.snapshot), format_local(found.snapshot.time));
  };
  print_result(fmt::format("from {}", head(before)));
  print_result(fmt::format("to   {}", head(after)));
  const Snapshot& a = before.snapshot;
  const Snapshot& b = after.snapshot;
  if (!difference.comparable) {
    print_result(fmt::format("blocks       of other size ({}, before {}): none is compared",
                             format_bytes(b.file.chunk_bytes), format_bytes(a.file.chunk_bytes)));
  }
  print_result(fmt::format("blocks       {} changed, {} added, {} removed ({} to write)",
                           difference.file.changed, difference.file.added, difference.file.removed,
                           format_bytes(difference.file.bytes)));
  print_result(fmt::format("file         {}",
                           now_and_before(format_bytes(b.file.bytes), format_bytes(a.file.bytes))));
  print_result(
      fmt::format("used blocks  {}", now_and_before(std::to_string(after.details.used_blocks()),
                                                    std::to_string(before.details.used_blocks()))));
  print_result(
      fmt::format("free blocks  {}", now_and_before(std::to_string(after.details.free_blocks),
                                                    std::to_string(before.details.free_blocks))));
  print_result(fmt::format("WAL          {}, {}",
                           now_and_before(format_bytes(b.wal.bytes), format_bytes(a.wal.bytes)),
                           count_of(after.details.wal_commits, "commit")));
  print_result(
      fmt::format("checkpoints  {}", now_and_before(std::to_string(after.details.iteration),
                                                    std::to_string(before.details.iteration))));
}

json to_json(const TableDifference& table) {
  auto rows = [](const std::optional<std::uint64_t>& count) {
    return count ? json(*count) : json(nullptr);
  };
  return {{"schema", table.schema},
          {"table", table.table},
          {"before", rows(table.before)},
          {"after", rows(table.after)},
          {"difference", difference_of(table)}};
}

void print(const std::vector<TableDifference>& tables) {
  using Align = Table::Align;
  Table table{.columns = {Align::left, Align::right, Align::right, Align::right},
              .rows = {{"TABLE", "BEFORE", "AFTER", "ROWS"}}};
  auto rows = [](const std::optional<std::uint64_t>& count) {
    return count ? std::to_string(*count) : "-";
  };
  std::size_t same = 0;
  for (const TableDifference& one : tables) {
    if (one.before == one.after) {
      ++same;
      continue;
    }
    std::string change = !one.before  ? "new table"
                         : !one.after ? "removed"
                                      : fmt::format("{:+}", difference_of(one));
    table.rows.push_back({one.schema + "." + one.table, rows(one.before), rows(one.after), change});
  }
  if (table.rows.size() > 1) print_table(table);
  if (same > 0)
    print_result(fmt::format("{} with as many rows as before", count_of(same, "table")));
  if (tables.empty()) print_result("no tables in either");
}

std::vector<TableDifference> compare_tables(const Repository& repository,
                                            const Arguments& arguments, const FoundSnapshot& before,
                                            const FoundSnapshot& after,
                                            const Invocation& invocation) {
  ScratchOptions options{.scratch = arguments.scratch,
                         .library = arguments.library,
                         .key = arguments.key.read(),
                         .stop = invocation.stop};
  ProgressLine progress(!invocation.quiet && !invocation.json);
  auto step = [&](const std::string& what) { progress.say(what); };
  std::vector<Sidecar::Table> old = find_tables(repository, before, options, step);
  return diff_tables(old, find_tables(repository, after, options, step));
}

int run(const Arguments& arguments, const Invocation& invocation) {
  Repository repository = arguments.repo.open(invocation);
  FoundSnapshot before = find_snapshot(repository, arguments.before, arguments.database);
  FoundSnapshot after = find_snapshot(repository, arguments.after, arguments.database);
  SnapshotDifference difference =
      diff_snapshots(repository, before.snapshot, after.snapshot, invocation.stop);
  std::optional<std::vector<TableDifference>> tables;
  if (arguments.tables) {
    tables = compare_tables(repository, arguments, before, after, invocation);
  }
  if (!invocation.json) {
    print(before, after, difference);
    if (tables) print(*tables);
    return 0;
  }
  json table_list = nullptr;
  if (tables) {
    table_list = json::array();
    for (const TableDifference& one : *tables) table_list.push_back(to_json(one));
  }
  json object = {{"before", to_json(before.snapshot, before.details)},
                 {"after", to_json(after.snapshot, after.details)},
                 {"comparable", difference.comparable},
                 {"headers", difference.headers},
                 {"blocks", to_json(difference.file)},
                 {"wal", to_json(difference.wal)},
                 {"tables", table_list}};
  print_json(object, invocation);
  return 0;
}

}  // namespace

Run declare_diff(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("BEFORE", arguments->before, "A snapshot, as restore takes it")->required();
  app.add_option("AFTER", arguments->after, "Another one (default: latest)")
      ->default_val("latest")
      ->capture_default_str();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Of this database: its path or --name");
  app.add_flag(
      "--tables", arguments->tables,
      "Also compare tables and row counts: as the snapshots recorded them (backup --verify "
      "open), else by opening the snapshots with DuckDB");
  app.add_option("--libduckdb", arguments->library, "The DuckDB library to open snapshots with");
  app.add_option("--scratch", arguments->scratch,
                 "Folder on disk to open snapshots in, with room for one (else $TMPDIR, /var/tmp)")
      ->type_name("FOLDER");
  arguments->key.declare(app);
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
