#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/prune_report.h"
#include "cli/render.h"
#include "cli/repo_option.h"

namespace duckback {
namespace {

struct Arguments {
  RepoOption repo;
  PruneOptions prune;
};

int run(const Arguments& arguments, const Invocation& invocation) {
  Repository repository = arguments.repo.open(invocation);
  PruneReport report = run_prune(repository, arguments.prune, invocation);
  bool removed_nothing = arguments.prune.now && !report.waits_for.empty();
  if (invocation.json) {
    print_json(to_json(report, arguments.prune.dry_run), invocation);
  } else if (!invocation.quiet && !removed_nothing) {
    print(report, arguments.prune.dry_run);
  }
  if (removed_nothing) {
    throw Error(Errc::conflict,
                "--now removed nothing: it waits for {}. If that process was killed on another "
                "machine or in a container, remove this object from the repository; prune itself "
                "does so a week after it began",
                report.waits_for);
  }
  return 0;
}

}  // namespace

Run declare_prune(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->repo.declare(app);
  app.add_flag("-n,--dry-run", arguments->prune.dry_run, "Show what would be done");
  app.add_flag("--now", arguments->prune.now,
               "Remove at once, not a day later; only if nobody else uses the repository");
  app.footer(
      "Space that no snapshot needs is marked first and removed by a prune a day later, so that\n"
      "backups go on meanwhile.");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
