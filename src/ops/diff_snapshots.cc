#include "ops/diff_snapshots.h"

#include <algorithm>

#include "base/error.h"
#include "duckfile/header.h"
#include "repo/chunk_reader.h"

namespace duckback {
namespace {

// `begin`: where the first place is in the file.
MapDifference diff(const ChunkReader& reader, const MapRef& before, const MapRef& after,
                   std::uint64_t begin, const std::stop_token& stop) {
  MapDifference difference;
  std::uint64_t body = after.bytes > begin ? after.bytes - begin : 0;
  diff_maps(
      before, after, [&](const ChunkId& id) { return reader.read(id); },
      [&](std::uint64_t place, const MapEntry* old, const MapEntry* now) {
        if (stop.stop_requested()) throw Interrupted();
        if (now == nullptr) {
          ++difference.removed;
          return;
        }
        ++(old == nullptr ? difference.added : difference.changed);
        std::uint64_t offset = place * after.chunk_bytes;
        difference.bytes += std::min(after.chunk_bytes, body - std::min(body, offset));
      });
  return difference;
}

}  // namespace

SnapshotDifference diff_snapshots(const Repository& repository, const Snapshot& before,
                                  const Snapshot& after, const std::stop_token& stop) {
  Index index(repository.store(), repository.sealer());
  ChunkReader reader(repository.store(), repository.sealer(), repository.namer(), index);
  SnapshotDifference difference;
  difference.headers = before.head != after.head;
  if (before.file.root && after.file.root && before.file.chunk_bytes != after.file.chunk_bytes) {
    difference.comparable = false;
    MapRef nothing;
    difference.file = diff(reader, nothing, after.file, kBlockStart, stop);
    difference.file.removed = diff(reader, before.file, nothing, kBlockStart, stop).removed;
  } else {
    difference.file = diff(reader, before.file, after.file, kBlockStart, stop);
  }
  difference.wal = diff(reader, before.wal, after.wal, 0, stop);
  return difference;
}

}  // namespace duckback
