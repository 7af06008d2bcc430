#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "ops/check.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  bool read_data = false;
  std::string subset;
  std::string max_age;
  bool tables = false;
  std::string library;
  std::string scratch;
};

CheckOptions options_of(const Arguments& arguments) {
  CheckOptions options;
  if (arguments.read_data) options.data = CheckOptions::Data::all;
  if (!arguments.subset.empty()) {
    options.data = CheckOptions::Data::some;
    options.subset =
        in_context("--read-data-subset", [&] { return parse_subset(arguments.subset); });
  }
  if (!arguments.max_age.empty()) {
    options.max_age =
        in_context("--max-age", [&] { return parse_calendar_span(arguments.max_age); });
  }
  if (arguments.tables) {
    options.tables = ScratchOptions{.scratch = arguments.scratch, .library = arguments.library};
  }
  return options;
}

json to_json(const DamagedSnapshot& snapshot) {
  json tables = json::array();
  for (const DamagedSnapshot::Table& one : snapshot.tables) {
    tables.push_back({{"schema", one.schema},
                      {"table", one.table},
                      {"blocks", one.blocks},
                      {"snapshot", one.snapshot}});
  }
  return {{"snapshot", snapshot.id},
          {"database", snapshot.database},
          {"time", format_utc_ms(snapshot.time)},
          {"blocks", snapshot.blocks},
          {"block_count", snapshot.block_count},
          {"headers", snapshot.headers},
          {"map", snapshot.map},
          {"wal", snapshot.wal},
          {"tables", tables}};
}

json to_json(const CheckReport& report) {
  json findings = json::array();
  for (const CheckFinding& finding : report.findings) {
    json needed_by = json::array();
    for (const DamagedSnapshot& one : finding.needed_by) needed_by.push_back(to_json(one));
    findings.push_back(
        {{"object", finding.object}, {"text", finding.text}, {"needed_by", needed_by}});
  }
  return {{"good", report.findings.empty()},
          {"findings", findings},
          {"notes", report.notes},
          {"snapshots", report.snapshots},
          {"indexes", report.indexes},
          {"packs", report.packs},
          {"pack_bytes", report.pack_bytes},
          {"orphans", report.orphans},
          {"orphan_bytes", report.orphan_bytes},
          {"packs_read", report.packs_read},
          {"bytes_read", report.bytes_read},
          {"chunks_read", report.chunks_read}};
}

// "main.t (3 blocks), main.u (1 block, says snapshot 1234abcd)".
std::string tables_of(const DamagedSnapshot& snapshot) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, snapshot.tables.size()); ++i) {
    const DamagedSnapshot::Table& one = snapshot.tables[i];
    std::string blocks = count_of(one.blocks, "block");
    if (one.snapshot != snapshot.id) blocks += ", says snapshot " + one.snapshot.substr(0, 8);
    text += fmt::format("{}{}.{} ({})", i > 0 ? ", " : "", one.schema, one.table, blocks);
  }
  if (snapshot.tables.size() > kShown) {
    text += fmt::format(" and {} more", snapshot.tables.size() - kShown);
  }
  return text;
}

// "blocks 3, 4, 7 and 12 more; its WAL".
std::string what_is_lost(const DamagedSnapshot& snapshot) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> parts;
  if (snapshot.headers) parts.push_back("its headers");
  if (snapshot.map) parts.push_back("a part of its map");
  if (snapshot.block_count > 0) {
    std::string blocks = snapshot.block_count == 1 ? "block " : "blocks ";
    std::size_t shown = std::min(kShown, snapshot.blocks.size());
    for (std::size_t i = 0; i < shown; ++i) {
      blocks += (i > 0 ? ", " : "") + std::to_string(snapshot.blocks[i]);
    }
    if (snapshot.block_count > shown) {
      blocks += fmt::format(" and {} more", snapshot.block_count - shown);
    }
    parts.push_back(blocks);
  }
  if (snapshot.wal) parts.push_back("its WAL");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text.empty() ? "all of it" : text;
}

std::string_view verdict(const CheckReport& report) {
  if (report.findings.empty()) return "good";
  bool costs = std::ranges::any_of(
      report.findings, [](const CheckFinding& finding) { return !finding.needed_by.empty(); });
  return costs ? "DAMAGED" : "damaged, but no snapshot lost anything";
}

void print(const CheckReport& report, bool asked, bool quiet) {
  for (const CheckFinding& finding : report.findings) {
    print_result(fmt::format("{}: {}", finding.object, finding.text));
    for (const DamagedSnapshot& one : finding.needed_by) {
      print_result(fmt::format("  snapshot {} of {} ({}): {}", one.id.substr(0, 8),
                               one.database.empty() ? "an unknown database" : one.database,
                               format_local(one.time), what_is_lost(one)));
      if (!one.tables.empty()) {
        print_result("    known to be of tables: " + tables_of(one));
      }
    }
    if (finding.needed_by.empty() && finding.object.starts_with("packs/")) {
      print_result("  no snapshot needs it; `duckback prune` removes it in time");
    }
  }
  if (quiet) return;
  for (const std::string& note : report.notes) print_note("note: " + note);
  bool index_whole =
      std::none_of(report.findings.begin(), report.findings.end(),
                   [](const CheckFinding& finding) { return finding.object.starts_with("index"); });
  if (report.orphans > 0 && index_whole) {
    print_note(
        fmt::format("note: {} in no index ({}): of a backup that is running or was stopped; "
                    "prune removes what stays so",
                    count_of(report.orphans, "pack"), format_bytes(report.orphan_bytes)));
  }
  std::string read = report.packs_read == 0
                         ? (asked ? "the bytes of none were due to be read"
                                  : "their bytes were not read (--read-data does)")
                         : fmt::format("{} read ({})", count_of(report.packs_read, "pack"),
                                       format_bytes(report.bytes_read));
  print_note(fmt::format("{}: {}, {} ({}); {}", verdict(report),
                         count_of(report.snapshots, "snapshot"), count_of(report.packs, "pack"),
                         format_bytes(report.pack_bytes), read));
}

int run(const Arguments& arguments, const Invocation& invocation) {
  CheckOptions options = options_of(arguments);
  Repository repository = arguments.repo.open_past_cache(invocation);
  options.stop = invocation.stop;
  if (options.tables) options.tables->stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(CaptureProgress::of_bytes(done, total));
  };
  CheckReport report = check(repository, options);
  progress.clear();
  if (invocation.json) {
    print_json(to_json(report), invocation);
  } else {
    print(report, options.data != CheckOptions::Data::none, invocation.quiet);
  }
  if (report.findings.empty()) return 0;
  throw Error(Errc::damaged, "{}: {} damaged or missing; snapshots that are not named are whole",
              repository.store().name(), count_of(report.findings.size(), "object"));
}

}  // namespace

Run declare_check(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->repo.declare(app);
  CLI::Option* all =
      app.add_flag("--read-data", arguments->read_data, "Read and prove every chunk, too");
  app.add_option("--read-data-subset", arguments->subset,
                 "Read a part: 5% of the bytes, those first that were not read for longest, or "
                 "part 2/7")
      ->type_name("PART")
      ->excludes(all);
  app.add_option("--max-age", arguments->max_age,
                 "Read what was not read for so long: 30d, 12h, 6m")
      ->type_name("DURATION");
  app.add_flag(
      "--tables", arguments->tables,
      "If blocks are lost, name the tables they are of, as far as DuckDB can tell from what "
      "is left of the snapshots");
  app.add_option("--libduckdb", arguments->library, "The DuckDB library for --tables");
  app.add_option("--scratch", arguments->scratch,
                 "Folder on disk for --tables, with room for a database (else $TMPDIR, /var/tmp)")
      ->type_name("FOLDER");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
