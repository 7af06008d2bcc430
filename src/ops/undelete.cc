#include "ops/undelete.h"

#include "base/error.h"
#include "repo/session.h"

namespace duckback {

std::vector<TrashedSnapshot> list_trash(const Repository& repository) {
  std::vector<TrashedSnapshot> trash;
  for (const SnapshotName& name : list_trashed_snapshots(repository.store())) {
    TrashedSnapshot trashed{name, {}, {}, ""};
    try {
      trashed.snapshot = read_snapshot(repository.store(), repository.sealer(), name);
      trashed.details = parse_details(trashed.snapshot.details);
    } catch (const Error& error) {
      if (error.code() == Errc::not_found) continue;  // Pruned meanwhile.
      if (error.code() != Errc::damaged) throw;
      trashed.error = error.what();
    }
    trash.push_back(std::move(trashed));
  }
  return trash;
}

std::vector<SnapshotName> undelete(const Repository& repository,
                                   const std::vector<std::string>& ids) {
  Session session(repository, "undelete");
  std::vector<SnapshotName> names = list_trashed_snapshots(repository.store());
  std::vector<SnapshotName> chosen;
  for (const std::string& id : ids) chosen.push_back(find_name(names, id));
  if (ids.empty()) chosen = names;
  std::vector<SnapshotName> live;
  for (const SnapshotName& name : chosen) {
    live.push_back(restore_snapshot(session, name));
  }
  return live;
}

}  // namespace duckback
