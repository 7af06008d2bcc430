#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/key_option.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "cli/timeout_option.h"
#include "ops/backup.h"
#include "ops/find_snapshot.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::vector<std::string> sources;
  BackupOptions backup;
  KeyOption key;
  std::string compression = "default";
  std::string verify = "blocks";
  std::string library;
  std::string scratch;
  TimeoutOption timeout;
};

const Choices<VerifyLevel> kLevels = {
    {"blocks", VerifyLevel::blocks}, {"open", VerifyLevel::open}, {"full", VerifyLevel::full}};

const Choices<Compression> kCompressions = {
    {"off", Compression::off}, {"default", Compression::normal}, {"max", Compression::max}};

void print_summary(const BackupResult& result) {
  const SnapshotDetails& details = result.details;
  std::string what = result.untouched
                         ? "untouched since the snapshot before, no block read"
                         : fmt::format("{} of {} changed, {} added", result.changed_blocks,
                                       count_of(details.blocks, "block"),
                                       format_bytes(result.snapshot.added_bytes));
  print_note(fmt::format("Snapshot {} of {} in {}: {}; {}", result.snapshot.id.substr(0, 8),
                         result.snapshot.database, format_duration(result.elapsed), what,
                         details.certification));
  if (!result.opened) return;
  std::uint64_t rows = 0;
  for (const Sidecar::Table& table : *details.tables) rows += table.rows;
  print_note(fmt::format("  opened with DuckDB {}: {}, {}{}", details.library_version.value_or("?"),
                         count_of(details.tables->size(), "table"), count_of(rows, "row"),
                         details.verified == "full" ? ", all read" : ""));
}

// Makes one snapshot; the exit status.
int run_one(const Repository& repository, const Arguments& arguments, const std::string& source,
            const Invocation& invocation) {
  BackupOptions options = arguments.backup;
  options.source = source;
  options.compression = choose("--compression", kCompressions, arguments.compression);
  options.grace = kPruneGrace;
  options.verify = choose("--verify", kLevels, arguments.verify);
  options.library = arguments.library;
  options.scratch = arguments.scratch;
  if (options.name && options.name->empty()) throw Error(Errc::invalid, "--name: it is empty");
  options.key = arguments.key.read();
  options.timeout = arguments.timeout.read();
  options.stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  options.progress = [&](const CaptureProgress& now) { progress.update(now); };
  BackupResult result = backup(repository, options);
  progress.clear();
  for (const std::string& warning : result.warnings) print_warning(warning);
  if (invocation.json) {
    json object = to_json(result.snapshot, result.details);
    object["untouched"] = result.untouched;
    object["changed_blocks"] = result.changed_blocks;
    object["seconds"] = std::chrono::duration<double>(result.elapsed).count();
    object["warnings"] = result.warnings;
    print_json(object, invocation);
  } else {
    if (!invocation.quiet) print_summary(result);
    print_result(result.snapshot.id);
  }
  if (result.verify_error) throw Error(*result.verify_error);
  if (!result.details.damaged()) return 0;
  print_warning(
      fmt::format("{} is damaged: {}. The snapshot is marked so, and no rule of forget "
                  "takes older ones as long as it is the newest",
                  source, result.details.damage()));
  return exit_status(Errc::corrupt);
}

// One database that cannot be backed up holds up no other.
int run(const Arguments& arguments, const Invocation& invocation) {
  if (arguments.sources.size() > 1 && arguments.backup.name) {
    throw Error(Errc::invalid, "--name goes with one database");
  }
  for (const std::string& tag : arguments.backup.tags) check_new_tag(tag);
  std::vector<std::string> sources;
  for (const std::string& source : arguments.sources) {
    if (std::ranges::find(sources, source) == sources.end()) sources.push_back(source);
  }
  Repository repository = arguments.repo.open_or_make(invocation);
  if (sources.size() == 1) return run_one(repository, arguments, sources.front(), invocation);
  int status = 0;
  std::size_t failed = 0;
  for (const std::string& source : sources) {
    try {
      status = std::max(status, run_one(repository, arguments, source, invocation));
    } catch (const Error& error) {
      ++failed;
      status = exit_status(error.code());
      print_error("duckback", error.within(source), invocation.json);
    }
  }
  constexpr int kPartial = 3;
  return failed > 0 && failed < sources.size() ? kPartial : status;
}

}  // namespace

Run declare_backup(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  BackupOptions& backup = arguments->backup;
  app.add_option("DB", arguments->sources, "Databases, in use or not")->required();
  arguments->repo.declare(app);
  app.add_option("--tag", backup.tags, "A tag for the snapshot; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--name", backup.name, "What to call this database in place of its path");
  app.add_option("--compression", arguments->compression, "off, default (zstd -1) or max (zstd 9)")
      ->type_name("LEVEL");
  app.add_option("--verify", arguments->verify,
                 "blocks: every checksum (default); open: also give the snapshot back to a scratch "
                 "folder, open it with DuckDB and count the rows; full: also read every value")
      ->type_name("LEVEL");
  app.add_option("--libduckdb", arguments->library, "The DuckDB library to verify with");
  app.add_option("--scratch", arguments->scratch,
                 "Folder on disk to verify in, with room for the database (else $TMPDIR, /var/tmp)")
      ->type_name("FOLDER");
  arguments->key.declare(app);
  app.add_flag("--require-certified", backup.require_certified,
               "Refuse an image that only a quiet period proves");
  arguments->timeout.declare(app);
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
