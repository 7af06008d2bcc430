#include "cli/snapshot_table.h"

#include <map>
#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "cli/snapshot_json.h"
#include "ops/find_snapshot.h"

namespace duckback {
namespace {

using nlohmann::json;

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

std::string state(const FoundSnapshot& found) {
  if (found.details.damaged()) return "DAMAGED";
  if (found.details.failed) return "FAILED";
  return found.details.verified.value_or("never");
}

void print(const std::vector<FoundSnapshot>& snapshots) {
  std::map<std::string, std::vector<const FoundSnapshot*>> databases;
  for (const FoundSnapshot& one : snapshots) databases[identity_of(one.snapshot)].push_back(&one);
  for (const auto& [identity, group] : databases) {
    print_result(database_title(group.front()->snapshot));
    using Align = Table::Align;
    Table table{
        .columns = {Align::left, Align::left, Align::right, Align::right, Align::right,
                    Align::right, Align::left, Align::left, Align::left},
        .rows = {{"ID", "TIME", "SIZE", "USED", "ADDED", "FREE", "PROOF", "VERIFIED", "TAGS"}}};
    for (const FoundSnapshot* one : group) {
      const Snapshot& snapshot = one->snapshot;
      table.rows.push_back(
          {snapshot.id.substr(0, 8), format_local(snapshot.time),
           format_bytes(snapshot.file.bytes + snapshot.wal.bytes),
           format_bytes(one->details.used_bytes()), format_bytes(snapshot.added_bytes),
           std::to_string(one->details.free_blocks), one->details.certification, state(*one),
           join(snapshot.tags) + (snapshot.pinned ? " (pinned)" : "")});
    }
    print_table(table);
  }
}

}  // namespace

int print_snapshots(const Repository& repository, const std::string& database,
                    const Invocation& invocation) {
  int status = 0;
  std::vector<FoundSnapshot> snapshots =
      read_snapshots(repository, database, [&](const SnapshotName&, const Error& error) {
        print_warning(error.what());
        status = exit_status(Errc::damaged);
      });
  if (invocation.json) {
    json list = json::array();
    for (const FoundSnapshot& one : snapshots) list.push_back(to_json(one.snapshot, one.details));
    print_json(list, invocation);
    return status;
  }
  print(snapshots);
  if (snapshots.empty()) {
    print_note(fmt::format("no snapshots in {}; make one with `duckback backup DB`",
                           repository.store().name()));
  }
  return status;
}

}  // namespace duckback
