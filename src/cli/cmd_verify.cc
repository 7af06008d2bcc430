#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/key_option.h"
#include "cli/render.h"
#include "ops/bucket_folder.h"
#include "ops/verify.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  std::vector<std::string> paths;
  KeyOption key;
  bool open = false;
  bool full = false;
  std::string scratch;
  std::string library;
};

// What came of one file: a report, or why there is none.
struct Outcome {
  fs::path path;
  std::optional<VerifyReport> report;
  std::optional<Error> error;

  int exit() const {
    if (error) return exit_status(error->code());
    return report->good() ? 0 : exit_status(Errc::unverified);
  }
};

std::vector<fs::path> expand_bucket(const std::string& given, const Invocation& invocation) {
  BucketAddress address = parse_bucket_address(given);
  if (is_sidecar_name(address.name)) address.name = copy_of_sidecar(address.name);
  if (!address.name.empty()) return {address.of(address.name)};
  std::vector<fs::path> paths;
  Catalog catalog = BucketFolder(address, invocation.stop).read();
  for (const CatalogCopy& copy : catalog.copies) paths.push_back(copy.path);
  for (const CatalogProblem& problem : catalog.problems) {
    BucketAddress record = parse_bucket_address(problem.path.string());
    paths.emplace_back(record.of(copy_of_sidecar(record.name)));
  }
  if (paths.empty()) throw Error(Errc::not_found, "there are no copies in {}", given);
  return paths;
}

VerifyReport verify_one(const fs::path& path, const VerifyOptions& options,
                        const Invocation& invocation) {
  if (!is_in_bucket(path.string())) return verify(path, options);
  BucketAddress address = parse_bucket_address(path.string());
  std::string name = address.name;
  return BucketFolder(std::move(address), invocation.stop).verify(name, options);
}

// Folders become the copies in them, and sidecars (folder/* names them too) their copies.
std::vector<fs::path> expand(const std::vector<std::string>& given, const Invocation& invocation) {
  std::vector<fs::path> paths;
  for (const std::string& path : given) {
    if (is_in_bucket(path)) {
      std::vector<fs::path> copies = expand_bucket(path, invocation);
      paths.insert(paths.end(), copies.begin(), copies.end());
      continue;
    }
    if (is_sidecar_name(path)) {
      fs::path copy = copy_of_sidecar(path);
      bool named = std::find(given.begin(), given.end(), copy.string()) != given.end();
      if (!named) paths.push_back(copy);
      continue;
    }
    if (!fs::is_directory(path) || stat_path(sidecar_path(path))) {
      paths.emplace_back(path);
      continue;
    }
    Catalog catalog = read_catalog(path);
    for (const CatalogCopy& copy : catalog.copies) paths.push_back(copy.path);
    // Theirs is a damaged sidecar, which verify reports.
    for (const CatalogProblem& problem : catalog.problems) {
      paths.push_back(copy_of_sidecar(problem.path));
    }
    for (const ForeignDatabase& database : catalog.foreign) {
      print_note(fmt::format("{} has no sidecar: skipped; name it to check its structure",
                             database.path.string()));
    }
    if (catalog.copies.empty() && catalog.problems.empty()) {
      throw Error(Errc::not_found, "there are no copies in {}", path);
    }
  }
  return paths;
}

json to_json(const Outcome& outcome) {
  json row = {{"path", outcome.path.string()}, {"good", outcome.exit() == 0}, {"error", nullptr}};
  if (outcome.error) {
    row["error"] = {{"code", name_of(outcome.error->code())}, {"message", outcome.error->what()}};
    return row;
  }
  const VerifyReport& report = *outcome.report;
  json findings = json::array();
  for (const VerifyFinding& finding : report.findings) {
    json one = {{"text", finding.text}, {"block", nullptr}, {"offset", nullptr}};
    if (finding.block) one["block"] = *finding.block;
    if (finding.offset) one["offset"] = *finding.offset;
    findings.push_back(std::move(one));
  }
  row["sidecar"] = report.has_sidecar;
  bool proven = report.good() && report.proven;
  row["level"] = proven ? json(name_of(*report.proven)) : json(nullptr);
  row["finding_count"] = report.finding_count;
  row["findings"] = std::move(findings);
  row["notes"] = report.notes;
  row["used_blocks"] = report.blocks ? json(report.blocks->used_blocks) : json(nullptr);
  row["free_blocks"] = report.blocks ? json(report.blocks->free_blocks) : json(nullptr);
  row["wal_commits"] = report.wal_commits;
  row["library_version"] =
      report.library_version.empty() ? json(nullptr) : json(report.library_version);
  json tables = nullptr;
  if (report.tables) {
    tables = json::array();
    for (const TableCount& table : *report.tables) {
      tables.push_back({{"schema", table.schema}, {"table", table.table}, {"rows", table.rows}});
    }
  }
  row["tables"] = std::move(tables);
  return row;
}

std::string proof_of(const VerifyReport& report) {
  std::vector<std::string> parts;
  if (report.hash_fits) parts.push_back("hash");
  if (report.blocks) parts.push_back(count_of(report.blocks->used_blocks, "block"));
  if (report.wal_commits > 0) {
    parts.push_back("WAL with " + count_of(report.wal_commits, "commit"));
  }
  if (report.tables) {
    std::uint64_t rows = 0;
    for (const TableCount& table : *report.tables) rows += table.rows;
    parts.push_back(fmt::format(
        "{} by DuckDB {}: {}, {}", report.proven == VerifyLevel::full ? "all read" : "opened",
        report.library_version, count_of(report.tables->size(), "table"), count_of(rows, "row")));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

void print(const Outcome& outcome, bool quiet) {
  if (outcome.error) {
    print_result(fmt::format("{}: not verified: {}", outcome.path.string(), outcome.error->what()));
    return;
  }
  const VerifyReport& report = *outcome.report;
  if (report.good()) {
    std::string proof = proof_of(report);
    bool only_hash = report.proven == VerifyLevel::hash;
    print_result(fmt::format("{}: {}{}", report.path.string(),
                             only_hash ? "hash fits, blocks not checked" : "good",
                             proof.empty() ? "" : fmt::format(" ({})", proof)));
  } else {
    print_result(fmt::format("{}: FAILED, {}", report.path.string(),
                             count_of(report.finding_count, "finding")));
  }
  for (const VerifyFinding& finding : report.findings) print_result("  " + finding.text);
  if (report.finding_count > report.findings.size()) {
    print_result(fmt::format("  and {} more", report.finding_count - report.findings.size()));
  }
  if (quiet) return;
  for (const std::string& note : report.notes) print_result("  note: " + note);
}

int run(const Arguments& arguments, const Invocation& invocation) {
  VerifyOptions options;
  if (arguments.open) options.level = VerifyLevel::open;
  if (arguments.full) options.level = VerifyLevel::full;
  options.key = arguments.key.read();
  options.worker.library = arguments.library;
  options.worker.scratch = arguments.scratch;
  options.worker.stop = invocation.stop;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    if (invocation.stop.stop_requested()) throw Interrupted();
  };
  json rows = json::array();
  int status = 0;
  for (const fs::path& path : expand(arguments.paths, invocation)) {
    Outcome outcome{.path = path, .report = {}, .error = {}};
    try {
      outcome.report = verify_one(path, options, invocation);
    } catch (const Error& error) {
      outcome.error = error;
    }
    if (invocation.json) {
      rows.push_back(to_json(outcome));
    } else {
      print(outcome, invocation.quiet);
    }
    // A failed verification outranks a file that could not be verified; else the first counts.
    int exit = outcome.exit();
    if (status == 0 || exit == exit_status(Errc::unverified)) status = exit;
  }
  if (invocation.json) print_json(rows, invocation);
  return status;
}

}  // namespace

Run declare_verify(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("FILE", arguments->paths,
                 "Copies, or folders of copies; in a bucket a folder has a '/' at its end")
      ->required();
  app.add_flag("--open", arguments->open, "Also open each with DuckDB and count its rows");
  app.add_flag("--full", arguments->full, "Also read every value with DuckDB");
  arguments->key.declare(app);
  app.add_option(
         "--scratch", arguments->scratch,
         "Folder for the working files of --open and --full (default: beside the copy), and for "
         "copies in buckets (default: $TMPDIR, /var/tmp)")
      ->check(CLI::ExistingDirectory.description("FOLDER"));
  app.add_option("--libduckdb", arguments->library, "The libduckdb.so to open copies with");
  app.footer(
      "Checks the hash, the headers, every used block, the WAL and whether it belongs; all that\n"
      "is found is listed. Exit status 18 if a copy is not good.");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
