#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/snapshot_details.h"
#include "repo/repository.h"

namespace duckback {

struct FoundSnapshot {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
};

// All snapshots, oldest first; `database`: only of this path or name, as it was given or resolved.
// One that is damaged is handed to `damaged`, and left out.
std::vector<FoundSnapshot> read_snapshots(
    const Repository& repository, const std::string& database = {},
    const std::function<void(const SnapshotName&, const Error&)>& damaged = {});

// The one that `reference` means: an id or the beginning of one, `latest`, `latest~N`, a tag, or
// `@TIME` (UTC unless it says otherwise), the newest not after it. Of several databases one must be
// named, except by id. Throws Errc::no_snapshot with what there is.
FoundSnapshot find_snapshot(const Repository& repository, const std::string& reference,
                            const std::string& database = {});

}  // namespace duckback
