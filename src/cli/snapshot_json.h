#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ops/snapshot_details.h"
#include "repo/snapshot.h"

namespace duckback {

// A snapshot as every command prints it with --json; docs/json.md lists the members.
nlohmann::json to_json(const Snapshot& snapshot, const SnapshotDetails& details);

// Above a table of snapshots of one database.
std::string database_title(const Snapshot& snapshot);

}  // namespace duckback
