#include "cli/prune_report.h"

#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "ops/backup.h"

namespace duckback {

using nlohmann::json;

PruneReport run_prune(const Repository& repository, PruneOptions options,
                      const Invocation& invocation) {
  options.grace = kPruneGrace;
  options.stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  return prune(repository, options);
}

void print(const PruneReport& report, bool dry_run) {
  std::string would = dry_run ? "would be " : "";
  print_note(fmt::format("{} {} {} in {}", count_of(report.snapshots, "snapshot"),
                         report.snapshots == 1 ? "needs" : "need", format_bytes(report.live_bytes),
                         count_of(report.packs, "pack")));
  print_note(fmt::format("  {}removed: {} ({}), {}", would, count_of(report.removed_packs, "pack"),
                         format_bytes(report.removed_bytes),
                         count_of(report.removed_snapshots, "forgotten snapshot")));
  print_note(fmt::format("  {}marked: {} ({}), of which {} repacked", would,
                         count_of(report.marked_packs, "pack"), format_bytes(report.marked_bytes),
                         report.repacked_packs));
  if (report.rescued_packs > 0) {
    print_note(fmt::format("  {} came back into use", count_of(report.rescued_packs, "pack")));
  }
  if (report.waiting_packs > 0) {
    print_note(fmt::format("  {} {}{}", count_of(report.waiting_packs, "marked pack"),
                           report.waiting_packs == 1 ? "waits" : "wait",
                           report.waits_for.empty()
                               ? " for their grace time; a later prune removes them"
                               : " for " + report.waits_for));
  }
}

json to_json(const PruneReport& report, bool dry_run) {
  return {{"snapshots", report.snapshots},
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
          {"dry_run", dry_run}};
}

}  // namespace duckback
