#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/snapshot_stats.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::string database;
};

json to_json(const RepositoryStats& stats) {
  json snapshots = json::array();
  for (const SnapshotCost& cost : stats.snapshots) {
    json object = to_json(cost.found.snapshot, cost.found.details);
    object["logical_bytes"] = cost.logical_bytes;
    object["stored_bytes"] = cost.stored_bytes;
    object["unique_bytes"] = cost.unique_bytes;
    snapshots.push_back(std::move(object));
  }
  return {{"snapshots", snapshots},
          {"logical_bytes", stats.logical_bytes},
          {"needed_bytes", stats.needed_bytes},
          {"pack_bytes", stats.pack_bytes},
          {"packs", stats.packs},
          {"index_bytes", stats.index_bytes},
          {"indexes", stats.indexes},
          {"total_bytes", stats.total_bytes},
          {"objects", stats.objects}};
}

void print(const RepositoryStats& stats) {
  using Align = Table::Align;
  Table table{
      .columns = {Align::left, Align::left, Align::right, Align::right, Align::right, Align::left},
      .rows = {{"ID", "TIME", "SIZE", "STORED", "UNIQUE", "DATABASE"}}};
  for (const SnapshotCost& cost : stats.snapshots) {
    const Snapshot& snapshot = cost.found.snapshot;
    table.rows.push_back({snapshot.id.substr(0, 8), format_local(snapshot.time),
                          format_bytes(cost.logical_bytes), format_bytes(cost.stored_bytes),
                          format_bytes(cost.unique_bytes), database_title(snapshot)});
  }
  print_table(table);
  double ratio = stats.total_bytes == 0 ? 0
                                        : static_cast<double>(stats.logical_bytes) /
                                              static_cast<double>(stats.total_bytes);
  print_result(fmt::format("All snapshots: {} of databases, in {} stored ({:.1f} to 1)",
                           format_bytes(stats.logical_bytes), format_bytes(stats.total_bytes),
                           ratio));
  print_result(fmt::format("  {} ({}), of which {} are needed; {} ({}); {} in all",
                           count_of(stats.packs, "pack"), format_bytes(stats.pack_bytes),
                           format_bytes(stats.needed_bytes), count_of(stats.indexes, "index file"),
                           format_bytes(stats.index_bytes), count_of(stats.objects, "object")));
}

int run(const Arguments& arguments, const Invocation& invocation) {
  Repository repository = arguments.repo.open(invocation);
  RepositoryStats stats = snapshot_stats(repository, arguments.database, invocation.stop);
  if (invocation.json) {
    print_json(to_json(stats), invocation);
  } else {
    print(stats);
  }
  return 0;
}

}  // namespace

Run declare_stats(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "List only this database: its path or --name");
  app.footer(
      "SIZE is the database and its WAL; STORED what the snapshot needs in the repository; UNIQUE\n"
      "what would be freed if it alone were forgotten.");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
