#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "ops/find_snapshot.h"
#include "ops/restore.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::string snapshot;
  std::string database;
  std::string target;
  std::string library;
  RestoreOptions restore;
};

int run(const Arguments& arguments, const Invocation& invocation) {
  Repository repository = arguments.repo.open(invocation);
  FoundSnapshot found = find_snapshot(repository, arguments.snapshot, arguments.database);
  RestoreOptions options = arguments.restore;
  if (arguments.target.empty() && found.snapshot.named) {
    throw Error(Errc::invalid, "the snapshot is of '{}', a name and no path: say where with --to",
                found.snapshot.database);
  }
  options.target = arguments.target.empty() ? found.snapshot.database : arguments.target;
  options.library = arguments.library;
  options.stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  options.warning = [&](const std::string& what) {
    progress.clear();
    print_warning(what);
  };
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(CaptureProgress::of_bytes(done, total));
  };
  RestoreResult result = restore(repository, found.snapshot, options);
  progress.clear();
  if (invocation.json) {
    json kept = json::array();
    for (const fs::path& path : result.kept) kept.push_back(path.string());
    json object = {{"path", result.target.string()},
                   {"snapshot", found.snapshot.id},
                   {"time", format_utc_ms(found.snapshot.time)},
                   {"bytes", result.file_bytes},
                   {"wal_bytes", result.wal_bytes},
                   {"written_bytes", result.written_bytes},
                   {"kept", kept},
                   {"needs", found.details.needs},
                   {"seconds", std::chrono::duration<double>(result.elapsed).count()},
                   {"warnings", result.warnings}};
    print_json(object, invocation);
    return 0;
  }
  if (!invocation.quiet) {
    print_note(fmt::format("Restored snapshot {} of {} ({}) in {}; {} written",
                           found.snapshot.id.substr(0, 8), found.snapshot.database,
                           format_local(found.snapshot.time), format_duration(result.elapsed),
                           format_bytes(result.written_bytes)));
    for (const fs::path& kept : result.kept) {
      print_note(fmt::format("  what was there is {}", kept.string()));
    }
    if (result.wal_bytes > 0) {
      print_note("  its WAL is beside it; DuckDB reads both when it opens the database");
    }
  }
  print_exact(result.target.string());
  return 0;
}

}  // namespace

Run declare_restore(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  RestoreOptions& restore = arguments->restore;
  app.add_option("SNAPSHOT", arguments->snapshot,
                 "Its id or the beginning of it, latest, latest~2, a tag, or @2026-11-22T10:00")
      ->required();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Of this database: its path or --name");
  app.add_option("--to", arguments->target, "The file to make (default: where it was)");
  CLI::Option* delta = app.add_flag(
      "--delta", restore.delta,
      "Change the database that is there into the snapshot, writing only what differs");
  app.add_flag(
         "--force", restore.force,
         "Replace the database that is there, keeping it as NAME.pre-restore-TIME; the new one "
         "takes over its permissions and, where that is allowed, its owner")
      ->excludes(delta);
  app.add_flag("--settle", restore.settle, "Fold the WAL in, so that it is one file");
  app.add_flag("--without-wal", restore.without_wal, "Leave the snapshot's WAL out");
  app.add_option("--libduckdb", arguments->library, "The DuckDB library to settle with");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
