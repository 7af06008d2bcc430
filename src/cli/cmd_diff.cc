#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/diff_snapshots.h"
#include "ops/find_snapshot.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::string before;
  std::string after;
  std::string database;
};

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
      fmt::format("free blocks  {}", now_and_before(std::to_string(after.details.free_blocks),
                                                    std::to_string(before.details.free_blocks))));
  print_result(fmt::format("WAL          {}, {}",
                           now_and_before(format_bytes(b.wal.bytes), format_bytes(a.wal.bytes)),
                           count_of(after.details.wal_commits, "commit")));
  print_result(
      fmt::format("checkpoints  {}", now_and_before(std::to_string(after.details.iteration),
                                                    std::to_string(before.details.iteration))));
}

int run(const Arguments& arguments, const Session& session) {
  Repository repository = arguments.repo.open(session);
  FoundSnapshot before = find_snapshot(repository, arguments.before, arguments.database);
  FoundSnapshot after = find_snapshot(repository, arguments.after, arguments.database);
  SnapshotDifference difference =
      diff_snapshots(repository, before.snapshot, after.snapshot, session.stop);
  if (!session.json) {
    print(before, after, difference);
    return 0;
  }
  json object = {{"before", to_json(before.snapshot, before.details)},
                 {"after", to_json(after.snapshot, after.details)},
                 {"comparable", difference.comparable},
                 {"headers", difference.headers},
                 {"blocks", to_json(difference.file)},
                 {"wal", to_json(difference.wal)}};
  print_result(object.dump(-1, ' ', false, json::error_handler_t::replace));
  return 0;
}

}  // namespace

Run declare_diff(CLI::App& app, const Session& session) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("BEFORE", arguments->before, "A snapshot, as restore takes it")->required();
  app.add_option("AFTER", arguments->after, "Another one (default: latest)")
      ->default_val("latest")
      ->capture_default_str();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Of this database: its path or --name");
  return [arguments, &session] { return run(*arguments, session); };
}

}  // namespace duckback
