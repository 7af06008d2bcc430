#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/backup.h"
#include "ops/sync_repository.h"
#include "store/open_store.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::string target;
  PasswordSource target_password;
  std::string database;
  bool dry_run = false;
  bool decrypt = false;
};

Repository open_target(const Arguments& arguments, const Invocation& invocation) {
  std::shared_ptr<Store> store = open_store(arguments.target, invocation.stop);
  std::optional<std::string> password = arguments.target_password.read();
  if (!password && read_config(*store).encrypted) {
    if (::isatty(STDIN_FILENO) == 0) {
      throw Error(Errc::invalid,
                  "{} is encrypted: give its password with --to-password-file or "
                  "--to-password-command",
                  store->name());
    }
    password = ask_password(fmt::format("Password of {}", store->name()));
  }
  return Repository::open(std::move(store), password);
}

void print(const SyncReport& report, const Repository& target, bool dry_run) {
  for (const FoundSnapshot& one : report.copied) {
    print_result(fmt::format("{}  {}  {}", one.snapshot.id, format_local(one.snapshot.time),
                             database_title(one.snapshot)));
  }
  if (!report.healed.empty()) {
    print_note(fmt::format("{} in {} {}, for it had lost a part of it",
                           count_of(report.healed.size(), "snapshot"), target.store().name(),
                           dry_run ? "would be made whole" : "made whole"));
  }
  print_note(fmt::format("{} {} to {}, {} added; {} were there",
                         count_of(report.copied.size(), "snapshot"),
                         dry_run ? "would be copied" : "copied", target.store().name(),
                         format_bytes(report.added_bytes), report.there));
}

int run(const Arguments& arguments, const Invocation& invocation) {
  Repository from = arguments.repo.open(invocation);
  Repository to = open_target(arguments, invocation);
  if (from.config().encrypted && !to.config().encrypted && !arguments.decrypt) {
    throw Error(Errc::refused,
                "{} is encrypted and {} is not: say --decrypt to copy its snapshots in plain text",
                from.store().name(), to.store().name());
  }
  SyncOptions options;
  options.database = arguments.database;
  options.dry_run = arguments.dry_run;
  options.grace = kPruneGrace;
  options.stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  SyncReport report = sync_repository(from, to, options);
  progress.clear();
  if (invocation.json) {
    json copied = json::array();
    for (const FoundSnapshot& one : report.copied) {
      copied.push_back(to_json(one.snapshot, one.details));
    }
    json healed = json::array();
    for (const FoundSnapshot& one : report.healed) healed.push_back(one.snapshot.id);
    json damaged = json::array();
    for (const Error& error : report.damaged) damaged.push_back(error.what());
    json object = {{"copied", copied},      {"healed", healed},
                   {"there", report.there}, {"added_bytes", report.added_bytes},
                   {"damaged", damaged},    {"dry_run", arguments.dry_run}};
    print_json(object, invocation);
  } else if (!invocation.quiet) {
    print(report, to, arguments.dry_run);
  }
  for (const Error& error : report.damaged) print_warning(error.what());
  if (report.damaged.empty()) return 0;
  throw Error(Errc::damaged, "{} of {} could not be copied; `duckback check` says more",
              count_of(report.damaged.size(), "snapshot"), from.store().name());
}

}  // namespace

Run declare_sync(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("TARGET", arguments->target, "The repository to copy to, made with init before")
      ->required();
  arguments->repo.declare(app);
  arguments->target_password.declare(app, "to-", "the target");
  app.add_option("--database", arguments->database, "Only this database: its path or --name");
  app.add_flag("--decrypt", arguments->decrypt,
               "Copy from an encrypted repository to one that is not");
  app.add_flag("-n,--dry-run", arguments->dry_run, "Show what would be copied");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
