#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/copy_json.h"
#include "cli/copy_table.h"
#include "cli/prune_report.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/forget.h"
#include "ops/forget_snapshots.h"

namespace duckback {
namespace {

using nlohmann::json;

struct CountOption {
  const char* flag;
  const char* help;
  int KeepPolicy::*member;
};
constexpr std::array<CountOption, 6> kCounts = {{
    {"--keep-last", "Keep the newest N copies", &KeepPolicy::last},
    {"--keep-hourly", "Keep the newest copy of each of the last N hours that have one",
     &KeepPolicy::hourly},
    {"--keep-daily", "The same for days", &KeepPolicy::daily},
    {"--keep-weekly", "The same for weeks, which begin on Monday", &KeepPolicy::weekly},
    {"--keep-monthly", "The same for months", &KeepPolicy::monthly},
    {"--keep-yearly", "The same for years", &KeepPolicy::yearly},
}};

const Choices<ForgetSnapshotsOptions::GroupBy> kGroups = {
    {"database", ForgetSnapshotsOptions::GroupBy::database},
    {"host", ForgetSnapshotsOptions::GroupBy::host},
    {"tags", ForgetSnapshotsOptions::GroupBy::tags}};

struct Arguments {
  std::vector<std::string> what;  // a folder, or ids
  RepoOption repo;
  std::string database;
  std::vector<std::string> tags;
  std::string group_by = "database";
  bool prune = false;
  std::array<std::string, kCounts.size()> counts;
  std::string within;
  bool dry_run = false;
};

int parse_count(const char* flag, const std::string& text) {
  if (text == "unlimited") return kUnlimited;
  int count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 0) {
    throw Error(Errc::invalid, "{}: '{}' is no number of copies; give 0, 1, 2, … or unlimited",
                flag, text);
  }
  return count;
}

KeepPolicy policy_of(const Arguments& arguments) {
  KeepPolicy policy;
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    if (arguments.counts[i].empty()) continue;
    policy.*kCounts[i].member = parse_count(kCounts[i].flag, arguments.counts[i]);
  }
  if (!arguments.within.empty()) {
    policy.within =
        in_context("--keep-within", [&] { return parse_calendar_span(arguments.within); });
  }
  policy.tags = arguments.tags;
  return policy;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void print(const ForgetReport& report, bool dry_run, bool quiet) {
  using Align = Table::Align;
  CopyTable table({{Align::left, "ACTION"},
                   {Align::left, "TIME"},
                   {Align::right, "SIZE"},
                   {Align::left, "FILE"},
                   {Align::left, "REASONS"}});
  std::uint64_t removed = 0;
  std::uint64_t freed = 0;
  for (const ForgetDecision& decision : report.decisions) {
    const CatalogCopy& copy = decision.copy;
    bool remove = !decision.keep && decision.error.empty();
    if (remove) {
      ++removed;
      freed += copy.bytes;
    }
    table.add(
        copy.sidecar,
        {remove ? "remove" : "keep", format_local(copy.sidecar.time), format_bytes(copy.bytes),
         copy.name, decision.reasons.empty() ? "no rule keeps it" : join(decision.reasons)});
  }
  if (!quiet || dry_run) table.print();
  if (quiet) return;
  print_note(fmt::format(
      "{} {} ({}), {} kept{}", fmt::format("{} {}", removed, removed == 1 ? "copy" : "copies"),
      dry_run ? "would be removed" : "removed", format_bytes(freed),
      report.decisions.size() - removed, dry_run ? "; nothing was changed" : ""));
  if (report.foreign > 0) {
    print_note(fmt::format("{} without sidecar not touched", count_of(report.foreign, "database")));
  }
}

ForgetReport forget_in(const std::string& folder, const ForgetOptions& options,
                       const Invocation& invocation) {
  if (!is_in_bucket(folder)) return forget(folder, options);
  BucketFolder bucket(parse_bucket_folder(folder), invocation.stop);
  return forget(bucket, options);
}

int forget_copies(const Arguments& arguments, const Invocation& invocation) {
  const std::string& folder = arguments.what.front();
  if (is_repository(folder, invocation.stop)) {
    throw Error(Errc::refused, "{} is a repository: say --repo {}", folder, folder);
  }
  if (!arguments.tags.empty() || arguments.prune || !arguments.database.empty() ||
      arguments.group_by != "database") {
    throw Error(Errc::invalid,
                "--keep-tag, --group-by, --database and --prune are for repositories, and {} is a "
                "folder of copies",
                folder);
  }
  ForgetOptions options{.policy = policy_of(arguments), .dry_run = arguments.dry_run};
  ForgetReport report = forget_in(folder, options, invocation);
  if (invocation.json) {
    print_json(to_json(report), invocation);
  } else {
    print(report, options.dry_run, invocation.quiet);
  }
  for (const CatalogProblem& problem : report.problems) {
    print_warning(problem.message + "; not touched");
  }
  std::size_t failed = 0;
  for (const ForgetDecision& decision : report.decisions) {
    if (decision.error.empty()) continue;
    ++failed;
    print_warning(fmt::format("{} stays: {}", decision.copy.path.string(), decision.error));
  }
  if (failed > 0) {
    throw Error(Errc::io, "{} of {} copies could not be removed", failed, report.decisions.size());
  }
  return 0;
}

json to_json(const SnapshotDecision& decision) {
  json object = to_json(decision.found.snapshot, decision.found.details);
  object["keep"] = decision.keep;
  object["reasons"] = decision.reasons;
  object["removed"] = decision.removed;
  object["error"] = decision.error.empty() ? json(nullptr) : json(decision.error);
  return object;
}

void print(const ForgetSnapshotsReport& report, bool dry_run, bool quiet) {
  using Align = Table::Align;
  std::map<std::string, std::vector<const SnapshotDecision*>> databases;
  std::size_t removed = 0;
  for (const SnapshotDecision& decision : report.decisions) {
    databases[identity_of(decision.found.snapshot)].push_back(&decision);
    removed += !decision.keep && decision.error.empty();
  }
  // With --dry-run what would be done is the result.
  if (quiet && !dry_run) return;
  for (const auto& [identity, group] : databases) {
    print_result(database_title(group.front()->found.snapshot));
    Table table{
        .columns = {Align::left, Align::left, Align::left, Align::right, Align::left, Align::left},
        .rows = {{"ACTION", "ID", "TIME", "SIZE", "TAGS", "REASONS"}}};
    for (const SnapshotDecision* decision : group) {
      const Snapshot& snapshot = decision->found.snapshot;
      table.rows.push_back(
          {decision->keep || !decision->error.empty() ? "keep" : "remove", snapshot.id.substr(0, 8),
           format_local(snapshot.time), format_bytes(snapshot.file.bytes + snapshot.wal.bytes),
           join(snapshot.tags),
           decision->reasons.empty() ? "no rule keeps it" : join(decision->reasons)});
    }
    print_table(table);
  }
  if (quiet) return;
  print_note(fmt::format("{} {}, {} kept{}", count_of(removed, "snapshot"),
                         dry_run ? "would be forgotten" : "forgotten",
                         report.decisions.size() - removed,
                         dry_run ? "; nothing was changed" : ""));
}

void say_how_to_go_on(const Arguments& arguments, const Invocation& invocation) {
  if (invocation.quiet || invocation.json || arguments.dry_run || arguments.prune) return;
  print_note(
      "`duckback prune` frees their space; until then `duckback undelete` brings them back.");
}

// Prints `object` with what prune did, if it was asked for.
void finish(const Repository& repository, const Arguments& arguments, const Invocation& invocation,
            json object) {
  object["prune"] = nullptr;
  object["dry_run"] = arguments.dry_run;
  if (arguments.prune) {
    PruneOptions options;
    options.dry_run = arguments.dry_run;
    PruneReport report = run_prune(repository, options, invocation);
    object["prune"] = to_json(report, arguments.dry_run);
    if (!invocation.json && !invocation.quiet) print(report, arguments.dry_run);
  }
  if (invocation.json) print_json(object, invocation);
}

int forget_by_id(const Arguments& arguments, const Invocation& invocation) {
  if (!policy_of(arguments).empty()) {
    throw Error(Errc::invalid, "give ids of snapshots or rules, not both");
  }
  Repository repository = arguments.repo.open(invocation);
  std::vector<SnapshotName> forgotten =
      forget_snapshots(repository, arguments.what, arguments.dry_run);
  json list = json::array();
  for (const SnapshotName& name : forgotten) {
    list.push_back({{"id", name.id},
                    {"time", format_utc_ms(name.time)},
                    {"keep", false},
                    {"removed", !arguments.dry_run}});
    if (invocation.json || (invocation.quiet && !arguments.dry_run)) continue;
    print_result(fmt::format("{} {}", arguments.dry_run ? "would forget" : "forgot", name.id));
  }
  say_how_to_go_on(arguments, invocation);
  finish(repository, arguments, invocation, {{"snapshots", list}});
  return 0;
}

int forget_by_rule(const Arguments& arguments, const Invocation& invocation) {
  ForgetSnapshotsOptions options{.policy = policy_of(arguments),
                                 .group_by = choose("--group-by", kGroups, arguments.group_by),
                                 .database = arguments.database,
                                 .dry_run = arguments.dry_run};
  Repository repository = arguments.repo.open(invocation);
  ForgetSnapshotsReport report = forget_snapshots(repository, options);
  json list = json::array();
  bool removed = false;
  std::size_t failed = 0;
  for (const SnapshotDecision& decision : report.decisions) {
    list.push_back(to_json(decision));
    removed = removed || decision.removed;
    failed += !decision.error.empty();
  }
  if (!invocation.json) print(report, options.dry_run, invocation.quiet);
  for (const SnapshotDecision& decision : report.decisions) {
    if (decision.error.empty()) continue;
    print_warning(
        fmt::format("snapshot {} stays: {}", decision.found.name.id.substr(0, 8), decision.error));
  }
  for (const Error& error : report.unreadable) {
    print_warning(
        fmt::format("{}; not touched, nor other snapshots of a database whose newest it "
                    "is. `duckback forget ID` gives it up",
                    error.what()));
  }
  if (removed) say_how_to_go_on(arguments, invocation);
  finish(repository, arguments, invocation, {{"snapshots", list}});
  if (failed > 0) {
    throw Error(Errc::io, "{} of {} snapshots could not be forgotten", failed,
                report.decisions.size());
  }
  return report.unreadable.empty() ? 0 : exit_status(Errc::damaged);
}

int run(const Arguments& arguments, const Invocation& invocation) {
  if (!arguments.repo.repo.empty() || arguments.what.empty()) {
    if (!arguments.repo.named()) {
      throw Error(Errc::invalid,
                  "say what to forget from: a folder of copies, or a repository with --repo");
    }
    return arguments.what.empty() ? forget_by_rule(arguments, invocation)
                                  : forget_by_id(arguments, invocation);
  }
  // Without --repo a path is a folder of copies, and rules are for one.
  bool by_rule = !policy_of(arguments).empty();
  if (arguments.what.size() == 1 &&
      (by_rule || !arguments.repo.named() || stat_path(arguments.what.front()) ||
       is_in_bucket(arguments.what.front()))) {
    return forget_copies(arguments, invocation);
  }
  return forget_by_id(arguments, invocation);
}

}  // namespace

Run declare_forget(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option(
      "WHAT", arguments->what,
      "A folder of copies (of a bucket: s3://BUCKET/FOLDER/), or ids of snapshots in the "
      "repository");
  arguments->repo.declare(app);
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    app.add_option(kCounts[i].flag, arguments->counts[i], kCounts[i].help)
        ->type_name("N")
        ->group("Rules (a copy stays if any of them keeps it)");
  }
  app.add_option("--keep-within", arguments->within,
                 "Keep copies younger than this, counted from the newest: 7d, 12h, 1y6m")
      ->type_name("DURATION")
      ->group("Rules (a copy stays if any of them keeps it)");
  app.add_option("--keep-tag", arguments->tags, "Keep snapshots with this tag; may be repeated")
      ->allow_extra_args(false)
      ->type_name("TAG")
      ->group("Rules (a copy stays if any of them keeps it)");
  app.add_option("--group-by", arguments->group_by,
                 "What the rules judge together: database (default), host, tags")
      ->type_name("WORD");
  app.add_option("--database", arguments->database,
                 "Only snapshots of this database: its path or --name");
  app.add_flag("--prune", arguments->prune, "Prune the repository afterwards");
  app.add_flag("-n,--dry-run", arguments->dry_run, "Show what would be removed, and why");
  app.footer(
      "Databases are told apart by host and path (or --name). Hours, days and weeks are those of\n"
      "this machine's time zone. The newest good copy or snapshot of a database always stays, and\n"
      "so do pinned snapshots, all of a database whose newest snapshot is damaged or failed its\n"
      "verification, and everything that duckback did not write. Forgotten snapshots can be\n"
      "undeleted until they are pruned.");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
