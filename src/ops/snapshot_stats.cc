#include "ops/snapshot_stats.h"

#include "base/error.h"
#include "repo/collector.h"

namespace duckback {
namespace {

// Calls `visit` for every chunk that the snapshot reaches; below a node for which it returns false
// nothing is.
void reach_chunks(const Snapshot& snapshot, const ChunkReader& reader, const std::stop_token& stop,
                  const std::function<bool(const ChunkId&)>& visit) {
  visit(snapshot.head);
  for (const MapRef* map : {&snapshot.file, &snapshot.wal}) {
    walk_map(
        *map, [&](const ChunkId& id) { return reader.read(id); },
        [&](const ChunkId& node, std::uint32_t) {
          if (stop.stop_requested()) throw Interrupted();
          return visit(node);
        },
        [&](std::uint64_t, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t, const MapEntry& entry) { visit(entry.chunk); });
        });
  }
}

void count_objects(Store& store, RepositoryStats& stats) {
  store.list("", [&](const ObjectInfo& object) {
    ++stats.objects;
    stats.total_bytes += object.bytes;
    if (object.key.starts_with("packs/")) {
      ++stats.packs;
      stats.pack_bytes += object.bytes;
    } else if (object.key.starts_with("index/")) {
      ++stats.indexes;
      stats.index_bytes += object.bytes;
    }
  });
}

}  // namespace

RepositoryStats snapshot_stats(const Repository& repository, const std::string& database,
                               const std::stop_token& stop) {
  RepositoryStats stats;
  count_objects(repository.store(), stats);
  std::vector<FoundSnapshot> all = read_snapshots(repository);
  Index index(repository.store(), repository.sealer());
  ChunkReader reader(repository.store(), repository.sealer(), repository.namer(), index);
  auto stored_bytes = [&](const ChunkId& id) {
    std::optional<ChunkPlace> place = index.find(id);
    return place ? place->chunk.stored + std::uint64_t{kTagBytes} : 0;
  };

  Liveness once(index);
  Liveness shared(index);  // by two snapshots or more
  for (const FoundSnapshot& one : all) {
    Liveness own(index);
    reach_chunks(one.snapshot, reader, stop, [&](const ChunkId& id) {
      if (!own.set(id)) return false;
      if (once.set(id)) {
        stats.needed_bytes += stored_bytes(id);
      } else {
        shared.set(id);
      }
      return true;
    });
    stats.logical_bytes += one.snapshot.file.bytes + one.snapshot.wal.bytes;
  }
  for (FoundSnapshot& one : all) {
    if (!is_of_database(one.snapshot, database)) continue;
    SnapshotCost cost;
    cost.logical_bytes = one.snapshot.file.bytes + one.snapshot.wal.bytes;
    Liveness own(index);
    reach_chunks(one.snapshot, reader, stop, [&](const ChunkId& id) {
      if (!own.set(id)) return false;
      std::uint64_t bytes = stored_bytes(id);
      cost.stored_bytes += bytes;
      if (!shared.holds(id)) cost.unique_bytes += bytes;
      return true;
    });
    cost.found = std::move(one);
    stats.snapshots.push_back(std::move(cost));
  }
  return stats;
}

}  // namespace duckback
