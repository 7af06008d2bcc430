#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "repo/map.h"
#include "repo/sealer.h"
#include "store/store.h"

namespace duckback {

class Session;

// One database at one time (docs/format.md, "Snapshots").
struct Snapshot {
  std::string id;        // 32 hex digits
  std::string original;  // the id it had before it was rewritten; its own if it never was
  SystemTime time;       // when the capture began, to the millisecond
  std::string host;
  std::string database;  // its path, or its name
  bool named = false;
  std::vector<std::string> tags;
  bool pinned = false;
  ChunkId head;  // the first bytes of the file, before the first block
  MapRef file;
  MapRef wal;
  std::uint64_t added_bytes = 0;  // stored for it
  std::uint64_t added_chunks = 0;
  std::string parent;          // the id of the snapshot it was compared to, or ""
  std::string details = "{}";  // a JSON object, of a layer above
};

// What a database's id is made of: host and path, or the name.
std::string identity_of(const Snapshot& snapshot);

// A snapshot's object, by what its key tells.
struct SnapshotName {
  std::string key;          // "snapshots/DB/TIME-ID" or "trash/snapshots/DB/TIME-ID"
  std::string database_id;  // DB
  std::string id;
  SystemTime time;
  bool trashed = false;
  SystemTime modified;  // the store's clock; when it was put there
};

SnapshotName name_snapshot(std::string_view database_id, const Snapshot& snapshot);
// Oldest first; of one database if it is given. What has no name of a snapshot is left out.
std::vector<SnapshotName> list_snapshots(Store& store, std::string_view database_id = {});
std::vector<SnapshotName> list_trashed_snapshots(Store& store);

// Puts it, under a name that is random: the commit of a backup.
void put_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name,
                  const Snapshot& snapshot);
// The same under a name that another process may choose, too: throws Errc::conflict if it is there.
void create_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name,
                     const Snapshot& snapshot);
// Throws Errc::damaged, Errc::not_found if it is gone.
Snapshot read_snapshot(Store& store, const Sealer& sealer, const SnapshotName& name);
// Moves it to trash and back. Both can be repeated; killed in between, both exist for a while.
SnapshotName trash_snapshot(Store& store, const SnapshotName& name);
// `session`, for which a prune waits, is one to "undelete", and older than `name` is known. Throws
// Errc::no_snapshot, and brings nothing back, if a prune removed it meanwhile: what it needs may be
// gone then.
SnapshotName restore_snapshot(const Session& session, const SnapshotName& name);

// A JSON object in a section of its own (docs/format.md, "Sealed documents").
void put_document(Store& store, const Sealer& sealer, std::string_view key,
                  const std::string& json);
std::string read_document(Store& store, const Sealer& sealer, std::string_view key);

}  // namespace duckback
