#pragma once

#include "ops/find_snapshot.h"

namespace duckback {

// A snapshot in trash. `error` instead of the rest, if it cannot be read.
struct TrashedSnapshot {
  SnapshotName name;  // `modified`: when it was forgotten
  Snapshot snapshot;
  SnapshotDetails details;
  std::string error;
};

// What can be brought back, oldest first.
std::vector<TrashedSnapshot> list_trash(const Repository& repository);

// Brings back those that `ids` begin, or all if there are none. Throws Errc::no_snapshot before
// anything is changed if one is not in trash; later, if a prune removed one meanwhile, or
// Errc::damaged if some of its chunks are gone, with those before it brought back.
std::vector<SnapshotName> undelete(const Repository& repository,
                                   const std::vector<std::string>& ids);

}  // namespace duckback
