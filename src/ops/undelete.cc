#include "ops/undelete.h"

#include "base/error.h"
#include "repo/chunk_reader.h"
#include "repo/damage.h"
#include "repo/session.h"

namespace duckback {
namespace {

// A forget that stood still for days puts into trash what a prune has taken the packs of.
void check_whole(const Repository& repository, const SnapshotName& name) {
  Store& store = repository.store();
  Snapshot snapshot = read_snapshot(store, repository.sealer(), name);
  Index index(store, repository.sealer(),
              list_packs(store, Index(store, repository.sealer())).missing);
  ChunkReader reader(store, repository.sealer(), repository.namer(), index);
  std::set<ChunkId> nodes;
  auto need = [&](const ChunkId& id) {
    if (index.find(id)) return;
    throw Error(Errc::damaged, "snapshot {} cannot come back: chunk {} of it is gone",
                name.id.substr(0, 8), id.hex());
  };
  need(snapshot.head);
  for (const MapRef* map : {&snapshot.file, &snapshot.wal}) {
    walk_map(
        *map, [&](const ChunkId& id) { return reader.read(id); },
        [&](const ChunkId& node, std::uint32_t) {
          need(node);
          return nodes.insert(node).second;
        },
        [&](std::uint64_t, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t, const MapEntry& entry) { need(entry.chunk); });
        });
  }
}

}  // namespace

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
    try {
      check_whole(repository, name);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found) throw;  // Pruned meanwhile: said below.
    }
    live.push_back(restore_snapshot(session, name));
  }
  return live;
}

}  // namespace duckback
