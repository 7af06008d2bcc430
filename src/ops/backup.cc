#include "ops/backup.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "io/host.h"
#include "ops/snapshot_sink.h"
#include "repo/chunk_reader.h"
#include "repo/reliance.h"
#include "repo/session.h"

namespace duckback {
namespace {

constexpr int kTries = 3;

// The newest snapshot of the same database, to compare with.
struct Parent {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
};

class Backup {
 public:
  Backup(const Repository& repository, const BackupOptions& options)
      : repository_(repository),
        options_(options),
        began_(std::chrono::steady_clock::now()),
        reliance_(repository.store()) {
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

    Index index(repository_.store(), repository_.sealer(), reliance_.absent());
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
    return commit(session, began, writer.relied_on());
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
    return commit(session, began, {});
  }

  bool commit(Session& session, SystemTime began, std::set<std::string> relied_on) {
    reliance_.rely_on(std::move(relied_on), parent_ ? parent_->name.key : "");
    if (!reliance_.holds()) return false;
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
    // of what is gone. If its session is there, and what it relies on, nothing is.
    if (session.exists() && reliance_.holds()) return true;
    repository_.store().remove(result_.name.key);
    return false;
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
  Reliance reliance_;
  BackupResult result_;
};

}  // namespace

BackupResult backup(const Repository& repository, const BackupOptions& options) {
  return Backup(repository, options).run();
}

}  // namespace duckback
