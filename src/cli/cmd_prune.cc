#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "ops/backup.h"
#include "repo/collector.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  PruneOptions prune;
};

void print(const PruneReport& report, bool dry_run) {
  std::string would = dry_run ? "would be " : "";
  print_note(fmt::format("{} need {} in {} packs", count_of(report.snapshots, "snapshot"),
                         format_bytes(report.live_bytes), report.packs));
  print_note(fmt::format("  {}removed: {} packs ({}), {} forgotten snapshots", would,
                         report.removed_packs, format_bytes(report.removed_bytes),
                         report.removed_snapshots));
  print_note(fmt::format("  {}marked: {} packs ({}), of which {} repacked", would,
                         report.marked_packs, format_bytes(report.marked_bytes),
                         report.repacked_packs));
  if (report.rescued_packs > 0) {
    print_note(fmt::format("  {} packs came back into use", report.rescued_packs));
  }
  if (report.waiting_packs > 0) {
    print_note(fmt::format("  {} marked packs wait{}", report.waiting_packs,
                           report.waits_for.empty()
                               ? " for their grace time; a later prune removes them"
                               : " for " + report.waits_for));
  }
}

int run(const Arguments& arguments, const Session& session) {
  Repository repository = arguments.repo.open(session);
  PruneOptions options = arguments.prune;
  options.grace = kPruneGrace;
  options.stop = session.stop;
  ProgressLine progress(!session.quiet && !session.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  PruneReport report = prune(repository, options);
  progress.clear();
  if (session.json) {
    json object = {{"snapshots", report.snapshots},
                   {"live_chunks", report.live_chunks},
                   {"live_bytes", report.live_bytes},
                   {"dead_bytes", report.dead_bytes},
                   {"packs", report.packs},
                   {"marked_packs", report.marked_packs},
                   {"marked_bytes", report.marked_bytes},
                   {"waiting_packs", report.waiting_packs},
                   {"rescued_packs", report.rescued_packs},
                   {"repacked_packs", report.repacked_packs},
                   {"removed_packs", report.removed_packs},
                   {"removed_bytes", report.removed_bytes},
                   {"removed_snapshots", report.removed_snapshots},
                   {"waits_for", report.waits_for},
                   {"dry_run", options.dry_run}};
    print_result(object.dump());
  } else if (!session.quiet) {
    print(report, options.dry_run);
  }
  if (options.now && !report.waits_for.empty()) {
    throw Error(Errc::conflict, "--now removed nothing: it waits for {}", report.waits_for);
  }
  return 0;
}

}  // namespace

Run declare_prune(CLI::App& app, const Session& session) {
  auto arguments = std::make_shared<Arguments>();
  arguments->repo.declare(app);
  app.add_flag("-n,--dry-run", arguments->prune.dry_run, "Show what would be done");
  app.add_flag("--now", arguments->prune.now,
               "Remove at once, not a day later; only if nobody else uses the repository");
  app.footer(
      "Space that no snapshot needs is marked first and removed by a prune a day later, so that\n"
      "backups go on meanwhile.");
  return [arguments, &session] { return run(*arguments, session); };
}

}  // namespace duckback
