// Input: the JSON of a snapshot, which is sealed right. What can be read must be the same when it
// is written again.

#include "repo/snapshot.h"

#include "ops/snapshot_details.h"
#include "store/memory_store.h"
#include "test/fuzz/fuzz.h"
#include "test/support/repo_objects.h"

using namespace duckback;

namespace {

const std::string kTrash =
    "trash/snapshots/0123456789abcdef/20261122T234501250Z-00112233445566778899aabbccddeeff";

SnapshotName name_of_the_only(Store& store) {
  std::vector<SnapshotName> names = list_trashed_snapshots(store);
  DUCKBACK_ASSERT(names.size() == 1);
  return names.front();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Sealer sealer(test::kRepository, std::nullopt);
  MemoryStore store;
  put_document(store, sealer, kTrash, {reinterpret_cast<const char*>(data), size});
  fuzz::allow_error([&] {
    Snapshot snapshot = read_snapshot(store, sealer, name_of_the_only(store));
    for (const MapRef* map : {&snapshot.file, &snapshot.wal}) {
      DUCKBACK_ASSERT(map->root.has_value() == (map->levels > 0));
      DUCKBACK_ASSERT(map->levels <= kMapLevelsMost);
    }
    SnapshotName name = name_snapshot("0123456789abcdef", snapshot);
    put_snapshot(store, sealer, name, snapshot);
    Snapshot again = read_snapshot(store, sealer, name);
    DUCKBACK_ASSERT(again.time == snapshot.time && again.database == snapshot.database);
    DUCKBACK_ASSERT(again.file == snapshot.file && again.wal == snapshot.wal);
    DUCKBACK_ASSERT(again.head == snapshot.head && again.tags == snapshot.tags);
    DUCKBACK_ASSERT(again.details == snapshot.details);
    DUCKBACK_ASSERT(identity_of(again) == identity_of(snapshot));

    SnapshotDetails details = parse_details(snapshot.details);
    std::string text = to_json(details);
    DUCKBACK_ASSERT(to_json(parse_details(text)) == text);
    if (details.source) (void)details.source->shows_no_change_since(*details.source);
  });
  return 0;
}
