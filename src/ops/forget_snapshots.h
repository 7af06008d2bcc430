#pragma once

#include "ops/find_snapshot.h"
#include "ops/retention.h"

namespace duckback {

struct ForgetSnapshotsOptions {
  KeepPolicy policy;
  enum class GroupBy { database, host, tags };
  GroupBy group_by = GroupBy::database;  // what the rules judge together
  std::string database;                  // only of this one, as of read_snapshots()
  bool dry_run = false;
  SystemTime now = std::chrono::system_clock::now();
};

// What happens to one snapshot, and why.
struct SnapshotDecision {
  FoundSnapshot found;
  bool keep = true;
  std::vector<std::string> reasons;
  bool removed = false;
  std::string error;  // why it could not be removed
};

struct ForgetSnapshotsReport {
  std::vector<SnapshotDecision> decisions;  // oldest first
  std::vector<Error> unreadable;            // snapshots that no rule was asked about
};

// Moves the snapshots that the policy does not keep to trash, where they wait for prune. Never
// touched: pinned ones, the newest good one of each database, and all of a database whose newest is
// damaged, cannot be read, or needs what the repository has lost (as far as `check` found it). Nor,
// but by its id: the newest one from before the database was replaced by another, and from before
// it lost more than half of its used blocks, as it is now. Goes on after one that cannot be moved.
// Throws Errc::invalid for an empty policy.
ForgetSnapshotsReport forget_snapshots(const Repository& repository,
                                       const ForgetSnapshotsOptions& options);

// The same for those that `ids` begin, also unreadable ones. Throws, before anything is moved,
// Errc::no_snapshot, and Errc::refused for one that is never touched.
std::vector<SnapshotName> forget_snapshots(const Repository& repository,
                                           const std::vector<std::string>& ids, bool dry_run);

}  // namespace duckback
