#include "ops/sync_repository.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "ops/damaged_snapshots.h"
#include "repo/chunk_reader.h"
#include "repo/chunk_writer.h"
#include "repo/damage.h"
#include "repo/reliance.h"
#include "repo/session.h"

namespace duckback {
namespace {

// A snapshot of one database that both have.
struct Pair {
  Snapshot from;
  SnapshotName to_name;
  Snapshot to;
};

class Sync {
 public:
  Sync(const Repository& from, const Repository& to, const SyncOptions& options)
      : from_(from), to_(to), options_(options), reliance_(to.store()) {}

  SyncReport run() {
    refuse_same_place();
    if (!options_.dry_run) {
      Index index(to_.store(), to_.sealer());
      note_missing_packs(to_, index, list_packs(to_.store(), index).missing);
    }
    auto unreadable = [](const SnapshotName&, const Error&) {};
    std::vector<FoundSnapshot> all_there = read_snapshots(to_, {}, unreadable);
    lossy_ = damaged_snapshots(to_, all_there);
    std::map<std::string, FoundSnapshot> there;  // by their first id
    for (FoundSnapshot& one : all_there) there.emplace(one.snapshot.original, std::move(one));
    auto damaged = [this](const SnapshotName&, const Error& error) {
      report_.damaged.push_back(error);
    };
    std::vector<FoundSnapshot> all = read_snapshots(from_, options_.database, damaged);
    // After them, so that what they need is in it.
    index_.emplace(from_.store(), from_.sealer());
    for (FoundSnapshot& one : all) {
      std::optional<Pair>& before = newest_[identity_of(one.snapshot)];
      auto found = there.find(one.snapshot.original);
      try {
        if (found != there.end()) {
          keep(one, found->second, before);
        } else if (options_.dry_run) {
          report_.copied.push_back(std::move(one));
        } else {
          step("copying", one.snapshot);
          before = copy(one, before);
        }
      } catch (const Error& error) {
        if (error.code() != Errc::damaged) throw;
        report_.damaged.push_back(
            error.within(fmt::format("snapshot {}", one.snapshot.id.substr(0, 8))));
      }
    }
    return std::move(report_);
  }

 private:
  // A copy of it elsewhere is another repository.
  void refuse_same_place() const {
    std::string from = from_.store().name();
    std::string to = to_.store().name();
    std::error_code none;
    if (from_.config().id != to_.config().id || (from != to && !fs::equivalent(from, to, none))) {
      return;
    }
    throw Error(Errc::refused, "{} and {} are the same repository", from, to);
  }

  void step(std::string_view what, const Snapshot& snapshot) const {
    if (!options_.step) return;
    options_.step(fmt::format("{} {} of {}, {}", what, snapshot.id.substr(0, 8), snapshot.database,
                              format_utc(snapshot.time)));
  }

  // One that both have. What it is the next one's `before` for must be whole there.
  void keep(const FoundSnapshot& one, const FoundSnapshot& there, std::optional<Pair>& before) {
    if (lossy_.contains(there.name.id)) {
      before.reset();
      if (!options_.dry_run) {
        step("healing", one.snapshot);
        heal(one, there);
      }
      report_.healed.push_back(there);
    } else {
      ++report_.there;
    }
    before = Pair{one.snapshot, there.name, there.snapshot};
  }

  Pair copy(const FoundSnapshot& one, const std::optional<Pair>& before) {
    Session session(to_, "sync");
    Index index(to_.store(), to_.sealer(), reliance_.absent());
    ChunkWriter writer(to_.store(), to_.sealer(), to_.namer(), index, options_.compression);
    Pair pair{one.snapshot, {}, store(one.snapshot, before, index, writer)};
    Snapshot& snapshot = pair.to;
    snapshot.added_bytes = writer.stats().stored_bytes;
    snapshot.added_chunks = writer.stats().chunks;
    snapshot.parent = before ? before->to.id : "";
    reliance_.rely_on(writer.relied_on(), before ? before->to_name.key : "");
    commit(session, pair);
    report_.added_bytes += snapshot.added_bytes;
    report_.copied.push_back({pair.to_name, snapshot, one.details});
    return pair;
  }

  // Stores anew what the target lost of a snapshot that it has: the same bytes have the same ids.
  void heal(const FoundSnapshot& one, const FoundSnapshot& there) {
    Session session(to_, "sync");
    Index index(to_.store(), to_.sealer(), reliance_.absent());
    ChunkWriter writer(to_.store(), to_.sealer(), to_.namer(), index, options_.compression);
    Snapshot stored = store(one.snapshot, std::nullopt, index, writer);
    report_.added_bytes += writer.stats().stored_bytes;
    reliance_.rely_on(writer.relied_on(), there.name.key);
    if (!reliance_.holds()) throw changed();
    const Snapshot& was = there.snapshot;
    if (stored.head == was.head && stored.file == was.file && stored.wal == was.wal) return;
    throw Error(Errc::damaged, "{} and {} have different bytes for it", from_.store().name(),
                to_.store().name());
  }

  // `snapshot` with what the target calls its head and its maps, all of it durable there.
  Snapshot store(Snapshot snapshot, const std::optional<Pair>& before, const Index& index,
                 ChunkWriter& writer) {
    ChunkReader reader(from_.store(), from_.sealer(), from_.namer(), *index_);
    ChunkReader reader_there(to_.store(), to_.sealer(), to_.namer(), index);
    snapshot.head = writer.put(reader.read(snapshot.head), ObjectKind::map_pack);
    for (MapRef Snapshot::*map : {&Snapshot::file, &Snapshot::wal}) {
      std::optional<MapReader> old;
      std::optional<MapReader> old_there;
      if (before && (before->from.*map).chunk_bytes == (snapshot.*map).chunk_bytes) {
        old.emplace(before->from.*map, [&](const ChunkId& id) { return reader.read(id); });
        old_there.emplace(before->to.*map,
                          [&](const ChunkId& id) { return reader_there.read(id); });
      }
      snapshot.*map = copy_map(snapshot.*map, reader, writer, old, old_there);
    }
    writer.flush();
    return snapshot;
  }

  MapRef copy_map(const MapRef& map, const ChunkReader& reader, ChunkWriter& writer,
                  std::optional<MapReader>& old, std::optional<MapReader>& old_there) {
    MapBuilder builder(map.chunk_bytes, map.bytes,
                       [&](ByteView node) { return writer.put(node, ObjectKind::map_pack); });
    walk_map(
        map, [&](const ChunkId& id) { return reader.read(id); },
        [&](const ChunkId&, std::uint32_t) {
          if (options_.stop.stop_requested()) throw Interrupted();
          return true;
        },
        [&](std::uint64_t number, const ChunkId& node, const MapLeaf& leaf) {
          if (old && old->leaf_id(number) == node) {
            if (std::optional<ChunkId> same = old_there->leaf_id(number)) {
              builder.add_leaf(number, *same);
              return;
            }
          }
          std::shared_ptr<const MapLeaf> was = old ? old->leaf(number) : nullptr;
          std::shared_ptr<const MapLeaf> there = old_there ? old_there->leaf(number) : nullptr;
          builder.add_leaf(number, copy_leaf(leaf, was.get(), there.get(), reader, writer));
        });
    return builder.finish();
  }

  // Places that hold what they held in the snapshot before are as they are there.
  MapLeaf copy_leaf(const MapLeaf& leaf, const MapLeaf* was, const MapLeaf* there,
                    const ChunkReader& reader, ChunkWriter& writer) {
    std::unordered_map<ChunkId, MapEntry> copied;
    std::vector<ChunkId> wanted;
    auto unchanged = [&](std::size_t place, const MapEntry& entry) -> const MapEntry* {
      const MapEntry* before = was == nullptr ? nullptr : was->find(place);
      if (before == nullptr || before->chunk != entry.chunk) return nullptr;
      return there == nullptr ? nullptr : there->find(place);
    };
    leaf.for_each([&](std::size_t place, const MapEntry& entry) {
      if (unchanged(place, entry) == nullptr && copied.try_emplace(entry.chunk).second) {
        wanted.push_back(entry.chunk);
      }
    });
    reader.read(wanted, [&](const ChunkId& id, const Bytes& chunk) {
      if (options_.stop.stop_requested()) throw Interrupted();
      copied[id] = {to_.namer().fingerprint(chunk), writer.put(chunk, ObjectKind::data_pack)};
    });
    MapLeaf result;
    leaf.for_each([&](std::size_t place, const MapEntry& entry) {
      const MapEntry* same = unchanged(place, entry);
      result.add(place, same != nullptr ? *same : copied.at(entry.chunk));
    });
    return result;
  }

  Error changed() const {
    return Error(Errc::conflict,
                 "{} was pruned, or snapshots in it were forgotten, while one was copied to it; "
                 "run it again, and it goes on where it was",
                 to_.store().name());
  }

  // As a backup does it (docs/format.md, "A backup").
  void commit(Session& session, Pair& pair) {
    if (!reliance_.holds()) throw changed();
    if (session.age() > options_.grace / 2 || !session.exists()) {
      throw Error(Errc::conflict,
                  "copying one snapshot took longer than half of prune's grace time ({}), by the "
                  "store's clock; run it again, and it goes on where it was",
                  format_duration(options_.grace));
    }
    pair.to_name = name_snapshot(to_.namer().database_id(identity_of(pair.to)), pair.to);
    create_snapshot(to_.store(), to_.sealer(), pair.to_name, pair.to);
    if (session.exists() && reliance_.holds()) return;
    to_.store().remove(pair.to_name.key);
    throw changed();
  }

  const Repository& from_;
  const Repository& to_;
  const SyncOptions& options_;
  std::optional<Index> index_;                         // of the source
  std::map<std::string, std::optional<Pair>> newest_;  // by database
  std::set<std::string> lossy_;                        // ids in the target
  Reliance reliance_;                                  // on what is in the target
  SyncReport report_;
};

}  // namespace

SyncReport sync_repository(const Repository& from, const Repository& to,
                           const SyncOptions& options) {
  return Sync(from, to, options).run();
}

}  // namespace duckback
