#include "cli/snapshot_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace duckback {

using nlohmann::json;

namespace {

json or_null(const std::optional<std::string>& text) { return text ? json(*text) : json(nullptr); }

}  // namespace

json to_json(const Snapshot& snapshot, const SnapshotDetails& details) {
  json tables = nullptr;
  if (details.tables) {
    tables = json::array();
    for (const Sidecar::Table& table : *details.tables) {
      tables.push_back({{"schema", table.schema}, {"table", table.table}, {"rows", table.rows}});
    }
  }
  return {{"id", snapshot.id},
          {"time", format_utc_ms(snapshot.time)},
          {"host", snapshot.host},
          {"database", snapshot.database},
          {"named", snapshot.named},
          {"tags", snapshot.tags},
          {"pinned", snapshot.pinned},
          {"original", snapshot.original},
          {"bytes", snapshot.file.bytes},
          {"wal_bytes", snapshot.wal.bytes},
          {"wal_commits", details.wal_commits},
          {"added_bytes", snapshot.added_bytes},
          {"added_chunks", snapshot.added_chunks},
          {"parent", snapshot.parent},
          {"certification", details.certification},
          {"storage_version", details.storage_version},
          {"needs", details.needs},
          {"encrypted", details.encrypted},
          {"blocks", details.blocks},
          {"free_blocks", details.free_blocks},
          {"iteration", details.iteration},
          {"damaged_blocks", details.damaged_blocks},
          {"damage", details.damaged() ? json(details.damage()) : json(nullptr)},
          {"verified", or_null(details.verified)},
          {"failed", or_null(details.failed)},
          {"library_version", or_null(details.library_version)},
          {"tables", tables}};
}

std::string database_title(const Snapshot& snapshot) {
  return snapshot.named ? snapshot.database
                        : fmt::format("{} on {}", snapshot.database, snapshot.host);
}

}  // namespace duckback
