#include "ops/snapshot_stats.h"

#include "base/error.h"
#include "repo/collector.h"

namespace duckback {
namespace {

// What one snapshot reaches, each chunk once.
template <class Visit>
void for_each_chunk(const Snapshot& snapshot, const Index& index, const ChunkReader& reader,
                    const std::stop_token& stop, Visit visit) {
  Liveness own(index);
  reach(snapshot, reader, own, stop);
  own.finish();
  for (std::size_t file = 0; file < index.files().size(); ++file) {
    const Bitmap& live = own.of(file);
    for (std::uint64_t n = live.next(0); n < live.size(); n = live.next(n + 1)) {
      visit(file, n, index.files()[file]->at(n).chunk.stored + std::uint64_t{kTagBytes});
    }
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
  read_snapshots(repository, database);  // refuses one that has none
  std::vector<FoundSnapshot> all = read_snapshots(repository);
  Index index(repository.store(), repository.sealer());
  ChunkReader reader(repository.store(), repository.sealer(), repository.namer(), index);
  std::vector<Bitmap> once;
  for (const auto& file : index.files()) once.emplace_back(file->entries());
  std::vector<Bitmap> shared = once;  // by two snapshots or more
  for (const FoundSnapshot& one : all) {
    for_each_chunk(one.snapshot, index, reader, stop,
                   [&](std::size_t file, std::uint64_t number, std::uint64_t bytes) {
                     if (once[file].test(number)) {
                       shared[file].set(number);
                     } else {
                       once[file].set(number);
                       stats.needed_bytes += bytes;
                     }
                   });
    stats.logical_bytes += one.snapshot.file.bytes + one.snapshot.wal.bytes;
  }
  for (FoundSnapshot& one : all) {
    if (!is_of_database(one.snapshot, database)) continue;
    SnapshotCost cost;
    cost.logical_bytes = one.snapshot.file.bytes + one.snapshot.wal.bytes;
    for_each_chunk(one.snapshot, index, reader, stop,
                   [&](std::size_t file, std::uint64_t number, std::uint64_t bytes) {
                     cost.stored_bytes += bytes;
                     if (!shared[file].test(number)) cost.unique_bytes += bytes;
                   });
    cost.found = std::move(one);
    stats.snapshots.push_back(std::move(cost));
  }
  return stats;
}

}  // namespace duckback
