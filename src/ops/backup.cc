#include "ops/backup.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "io/host.h"
#include "ops/snapshot_sink.h"
#include "repo/chunk_reader.h"
#include "repo/index_upkeep.h"
#include "repo/mark.h"
#include "repo/session.h"

namespace duckback {
namespace {

constexpr int kTries = 3;
// Packs that are asked for one by one; more are seen in a listing of all.
constexpr std::size_t kPacksAskedFor = 32;

// The newest snapshot of the same database, to compare with.
struct Parent {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
};

class Backup {
 public:
  Backup(const Repository& repository, const BackupOptions& options)
      : repository_(repository), options_(options), began_(std::chrono::steady_clock::now()) {
    source_ = resolve_path(options.source);
    snapshot_.host = host_name();
    snapshot_.named = options.name.has_value();
    snapshot_.database = options.name ? *options.name : source_.string();
    snapshot_.tags = options.tags;
    database_id_ = repository.namer().database_id(identity_of(snapshot_));
  }

  BackupResult run() {
    Session session(repository_, "backup");
    for (int i = 1;; ++i) {
      if (make(session)) break;
      if (i == kTries) {
        throw Error(Errc::conflict,
                    "what this backup of {} builds on was removed by a prune {} times while it "
                    "ran; run it again when no prune is at work",
                    options_.source, kTries);
      }
      step("beginning anew: a prune marked what this backup builds on");
    }
    if (tidy_) tidy_index(session);
    result_.snapshot = snapshot_;
    result_.elapsed = std::chrono::steady_clock::now() - began_;
    return std::move(result_);
  }

 private:
  // False if the repository changed under it, and nothing was made.
  bool make(Session& session) {
    SystemTime began = time_now();
    parent_ = find_parent();
    std::optional<SourceLook> look = look_at_source(options_.source);
    if (may_reuse_parent(look)) return reuse_parent(session, began);

    std::set<std::string> marked = list_marks(repository_.store()).packs();
    std::set<std::string> absent = marked;
    absent.insert(lost_packs_.begin(), lost_packs_.end());
    Index index(repository_.store(), repository_.sealer(), absent);
    ChunkReader reader(repository_.store(), repository_.sealer(), repository_.namer(), index);
    ChunkWriter writer(repository_.store(), repository_.sealer(), repository_.namer(), index,
                       options_.compression);
    std::optional<SnapshotSink::Parent> parent;
    if (parent_) {
      parent = {.file = parent_->snapshot.file,
                .wal = parent_->snapshot.wal,
                .read = [&reader](const ChunkId& id) { return reader.read(id); }};
    }
    SnapshotSink sink(writer, repository_.namer(), std::move(parent), threads());
    step(fmt::format("reading {}", options_.source));
    Image image = capture(options_.source, sink,
                          {.timeout = options_.timeout,
                           .require_certified = options_.require_certified,
                           .verify_blocks = true,
                           .allow_damaged = true,
                           .key = options_.key,
                           .progress = options_.progress,
                           .stop = options_.stop});
    step("storing the rest");
    SnapshotSink::Stored stored = sink.finish(image);
    writer.flush();

    ChunkStats stats = writer.stats();
    snapshot_.head = stored.head;
    snapshot_.file = stored.file;
    snapshot_.wal = stored.wal;
    snapshot_.added_bytes = stats.stored_bytes;
    snapshot_.added_chunks = stats.chunks;
    result_.changed_blocks = stored.changed_blocks;
    result_.warnings = image.warnings;
    result_.details = describe_image(image);
    if (image.header) result_.details.verified = "blocks";
    result_.details.source = look;
    // Each backup puts an index: what prune does with many, who never prunes needs too.
    for (const std::string& id : writer.put_indexes()) index.add_file(id);
    tidy_ = levels_are_full(index);
    return commit(session, began, marked, writer.relied_on());
  }

  // The snapshot is there: what goes wrong here is no more than a warning.
  void tidy_index(Session& session) {
    try {
      Store& store = repository_.store();
      std::set<std::string> removed;
      for (const Mark& tombstone : list_marks(store).tombstones) removed.insert(tombstone.pack_id);
      Index index(store, repository_.sealer());
      merge_levels(store, repository_.sealer(), index, removed);
      remove_superseded(store, index, session.began() - options_.grace);
    } catch (const Error& error) {
      result_.warnings.push_back(
          fmt::format("the snapshot is made, but its index was not tidied: {}", error.what()));
    }
  }

  std::optional<Parent> find_parent() const {
    std::vector<SnapshotName> names = list_snapshots(repository_.store(), database_id_);
    // One that cannot be read is for `check` to say; an older one will do to compare with.
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      try {
        Parent parent{*name, read_snapshot(repository_.store(), repository_.sealer(), *name), {}};
        parent.details = parse_details(parent.snapshot.details);
        return parent;
      } catch (const Error& error) {
        if (error.code() != Errc::damaged && error.code() != Errc::not_found) throw;
      }
    }
    return std::nullopt;
  }

  bool may_reuse_parent(const std::optional<SourceLook>& look) const {
    if (!parent_ || !look || !parent_->details.source || parent_->details.damaged()) return false;
    if (options_.require_certified && parent_->details.certification != "certified") return false;
    return look->shows_no_change_since(*parent_->details.source);
  }

  bool reuse_parent(Session& session, SystemTime began) {
    snapshot_.head = parent_->snapshot.head;
    snapshot_.file = parent_->snapshot.file;
    snapshot_.wal = parent_->snapshot.wal;
    snapshot_.added_bytes = snapshot_.added_chunks = 0;
    result_.details = parent_->details;
    result_.untouched = true;
    return commit(session, began, {}, {});
  }

  bool commit(Session& session, SystemTime began, const std::set<std::string>& marked_before,
              const std::set<std::string>& relied_on) {
    auto marked_since = [&] {
      std::set<std::string> marked = list_marks(repository_.store()).packs();
      return std::any_of(marked.begin(), marked.end(), [&](const std::string& pack) {
        return relied_on.contains(pack) && !marked_before.contains(pack);
      });
    };
    if (!relied_on.empty() && marked_since()) return false;
    if (lacks_any(relied_on)) return false;
    if (parent_ && !still_there(parent_->name)) return false;
    if (session.age() > options_.grace / 2 || !session.exists()) {
      throw Error(Errc::conflict,
                  "the backup of {} took longer than half of prune's grace time ({}), by the "
                  "store's clock; nothing was made. Run prune with a longer --grace",
                  options_.source, format_duration(options_.grace));
    }
    snapshot_.id = snapshot_.original = random_id();
    snapshot_.time = began;
    snapshot_.parent = parent_ ? parent_->snapshot.id : "";
    snapshot_.details = to_json(result_.details);
    result_.name = name_snapshot(database_id_, snapshot_);
    create_snapshot(repository_.store(), repository_.sealer(), result_.name, snapshot_);
    // A process that stood still just before, for days, or while the clock jumped, made a snapshot
    // of what is gone. As long as its session is there and sees no mark, nothing is.
    if (session.exists() && (relied_on.empty() || !marked_since())) return true;
    repository_.store().remove(result_.name.key);
    return false;
  }

  // An index may list a pack that is gone: one that was put, days late, by a process that stood
  // still while prune removed the pack and forgot it.
  bool lacks_any(const std::set<std::string>& packs) {
    std::set<std::string> lacking;
    if (packs.size() > kPacksAskedFor) {
      lacking = packs;
      repository_.store().list("packs/", [&](const ObjectInfo& object) {
        if (std::optional<std::string> id = pack_id_of(object.key)) lacking.erase(*id);
      });
    } else {
      for (const std::string& pack : packs) {
        if (!there(pack_key(pack))) lacking.insert(pack);
      }
    }
    lost_packs_.insert(lacking.begin(), lacking.end());
    return !lacking.empty();
  }

  bool still_there(const SnapshotName& name) const { return there(name.key); }

  bool there(const std::string& key) const {
    bool found = false;
    repository_.store().list(key, [&](const ObjectInfo& object) { found |= object.key == key; });
    return found;
  }

  SystemTime time_now() const {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }

  std::size_t threads() const {
    if (options_.threads > 0) return options_.threads;
    return std::max(1u, std::thread::hardware_concurrency());
  }

  void step(const std::string& what) const {
    if (options_.step) options_.step(what);
  }

  const Repository& repository_;
  const BackupOptions& options_;
  std::chrono::steady_clock::time_point began_;
  fs::path source_;
  std::string database_id_;
  Snapshot snapshot_;
  std::optional<Parent> parent_;
  std::set<std::string> lost_packs_;  // that an index lists, and that are not there
  bool tidy_ = false;
  BackupResult result_;
};

}  // namespace

BackupResult backup(const Repository& repository, const BackupOptions& options) {
  return Backup(repository, options).run();
}

}  // namespace duckback
