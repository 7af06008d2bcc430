#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/copy_json.h"
#include "cli/copy_table.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_table.h"
#include "ops/bucket_folder.h"

namespace duckback {
namespace {

// What is known about it by now, in a word and a time.
std::string verified(const CatalogCopy& copy) {
  const Sidecar& sidecar = copy.sidecar;
  if (copy.state == CatalogCopy::State::missing) return "MISSING";
  if (copy.state != CatalogCopy::State::present) return "CHANGED";
  if (sidecar.failed) return "FAILED " + format_local(sidecar.failed->time);
  if (sidecar.damaged_blocks > 0) return "DAMAGED";
  if (!sidecar.verified) return "never";
  return fmt::format("{} {}", sidecar.verified->level, format_local(sidecar.verified->time));
}

void print(const Catalog& catalog, const std::string& folder) {
  using Align = Table::Align;
  CopyTable table({{Align::left, "TIME"},
                   {Align::right, "SIZE"},
                   {Align::right, "SOURCE"},
                   {Align::left, "METHOD"},
                   {Align::left, "PROOF"},
                   {Align::left, "VERIFIED"},
                   {Align::left, "FILE"}});
  for (const CatalogCopy& copy : catalog.copies) {
    const Sidecar& sidecar = copy.sidecar;
    table.add(sidecar, {format_local(sidecar.time), format_bytes(copy.bytes),
                        format_bytes(sidecar.source_bytes + sidecar.source_wal_bytes),
                        sidecar.method, sidecar.certification, verified(copy), copy.name});
  }
  table.print();
  if (catalog.copies.empty()) print_note(fmt::format("no copies in {}", folder));
  if (!catalog.foreign.empty()) {
    if (!catalog.copies.empty()) print_result("");
    print_result("Databases not written by duckback:");
    Table foreign{.columns = {Align::right, Align::left}, .rows = {}};
    for (const ForeignDatabase& database : catalog.foreign) {
      foreign.rows.push_back({format_bytes(database.bytes), database.path.filename().string()});
    }
    print_table(foreign);
  }
  for (const CatalogCopy& copy : catalog.copies) {
    if (!copy.problem.empty()) {
      print_warning(fmt::format("{}: {}", copy.path.string(), copy.problem));
    }
  }
  for (const CatalogProblem& problem : catalog.problems) print_warning(problem.message);
}

}  // namespace

Run declare_list(CLI::App& app, const Invocation& invocation) {
  auto folder = std::make_shared<std::string>();
  auto password = std::make_shared<PasswordSource>();
  app.add_option(
         "DIR", *folder,
         "The folder that the copies are in (of a bucket: s3://BUCKET/FOLDER/), or a repository")
      ->required();
  password->declare(app, "");
  return [folder, password, &invocation] {
    if (is_repository(*folder, invocation.stop)) {
      RepoOption repo{.repo = *folder, .source = *password};
      return print_snapshots(repo.open(invocation), "", invocation);
    }
    Catalog catalog = is_in_bucket(*folder)
                          ? BucketFolder(parse_bucket_folder(*folder), invocation.stop).read()
                          : read_catalog(*folder);
    if (invocation.json) {
      print_json(to_json(catalog), invocation);
    } else {
      print(catalog, *folder);
    }
    return 0;
  };
}

}  // namespace duckback
