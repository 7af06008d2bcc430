#include "ops/backup.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "io/birth_time.h"
#include "io/host.h"
#include "ops/scratch_database.h"
#include "ops/snapshot_sink.h"
#include "repo/chunk_reader.h"
#include "repo/collector.h"
#include "repo/damage.h"
#include "repo/index_upkeep.h"
#include "repo/leftovers.h"
#include "repo/reliance.h"
#include "repo/session.h"

namespace duckback {
namespace {

constexpr int kTries = 3;
constexpr std::string_view kUnproven = "the snapshot was made, but could not be verified";

// The newest snapshot of the same database, to compare with.
struct Parent {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
};

// Packs that a backup which fails put, and no index tells of, are found through its session.
class UnindexedPacks {
 public:
  UnindexedPacks(Session& session, const ChunkWriter& writer)
      : session_(session), writer_(writer) {}
  ~UnindexedPacks() {
    if (!indexed_ && writer_.stats().packs > 0) session_.leave();
  }
  UnindexedPacks(const UnindexedPacks&) = delete;
  void indexed() { indexed_ = true; }

 private:
  Session& session_;
  const ChunkWriter& writer_;
  bool indexed_ = false;
};

class Backup {
 public:
  Backup(const Repository& repository, const BackupOptions& options)
      : repository_(repository),
        options_(options),
        began_(std::chrono::steady_clock::now()),
        reliance_(repository.store()) {
    source_ = resolve_database(options.source);
    snapshot_.host = host_name();
    snapshot_.named = options.name.has_value();
    snapshot_.database = options.name ? *options.name : source_.string();
    snapshot_.tags = options.tags;
    if (!is_utf8(snapshot_.database)) {
      throw Error(
          Errc::invalid,
          "{}: its path is no UTF-8, so it could not be told from others; call it something "
          "with --name",
          printable(snapshot_.database));
    }
    database_id_ = repository.namer().database_id(identity_of(snapshot_));
  }

  BackupResult run() {
    if (options_.verify != VerifyLevel::blocks) prepare_verify();
    Session session(repository_, "backup");
    for (int i = 1;; ++i) {
      if (make(session)) break;
      if (i == kTries) {
        throw Error(Errc::conflict,
                    "what this backup of {} builds on was removed by a prune {} times while it "
                    "ran; run it again when no prune is at work",
                    options_.source, kTries);
      }
      step("beginning anew: what this backup builds on was marked by a prune, or is damaged");
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
    result_ = {};
    parent_ = find_parent();
    std::optional<SourceLook> look = look_at_source(options_.source);
    if (std::uint64_t packs = index_leftovers(repository_, session); packs > 0) {
      step(fmt::format("going on with {} of a backup that was stopped", count_of(packs, "pack")));
    }
    Index index(repository_.store(), repository_.sealer(), reliance_.absent());
    ChunkReader reader(repository_.store(), repository_.sealer(), repository_.namer(), index);
    // In a bucket this would cost more than all the rest; there the notes have to do.
    PackListing packs;
    if (!repository_.store().is_remote()) packs = list_packs(repository_.store(), index);
    // Known now, they count as absent from the next try on.
    if (note_missing_packs(repository_, index, packs.missing)) return false;
    bool whole = parent_ && parent_is_whole(index, reader, std::move(packs));
    if (whole && may_reuse_parent(look)) return reuse_parent(session, began);
    ChunkWriter writer(repository_.store(), repository_.sealer(), repository_.namer(), index,
                       options_.compression);
    UnindexedPacks unindexed(session, writer);
    std::optional<SnapshotSink::Parent> parent;
    if (whole) {
      parent = {.file = parent_->snapshot.file,
                .wal = parent_->snapshot.wal,
                .read = [&reader](const ChunkId& id) { return reader.read(id); },
                .verified = parent_->details.verified && !parent_->details.damaged()};
    }
    SnapshotSink sink(writer, repository_.namer(), std::move(parent), threads());
    step(fmt::format("reading {}", options_.source));
    std::optional<Taken> taken = take(sink, reader);
    if (!taken) return false;
    writer.flush();
    unindexed.indexed();
    const Image& image = taken->image;
    const SnapshotSink::Stored& stored = taken->stored;

    ChunkStats stats = writer.stats();
    snapshot_.head = stored.head;
    snapshot_.file = stored.file;
    snapshot_.wal = stored.wal;
    snapshot_.added_bytes = stats.stored_bytes;
    snapshot_.added_chunks = stats.chunks;
    result_.changed_blocks = stored.changed_blocks;
    result_.warnings = image.warnings;
    if (parent_ && !whole) {
      result_.warnings.push_back(fmt::format(
          "the repository lacks something that the snapshot before ({}) needs; what this database "
          "still has of it was stored anew. `duckback check` names what is damaged",
          parent_->snapshot.id.substr(0, 8)));
    }
    result_.details = describe_image(image);
    if (image.header) result_.details.verified = "blocks";
    result_.details.source = look;
    result_.details.born_ns = birth_ns(source_).value_or(0);
    // Each backup puts an index: what prune does with many, who never prunes needs too.
    if (!add_files(index, writer.put_indexes())) return false;
    tidy_ = levels_are_full(index);
    warn_of_loss();
    if (has_bytes_of_parent()) inherit_proof();
    verify(session);
    return commit(session, began, writer.relied_on());
  }

  struct Taken {
    Image image;
    SnapshotSink::Stored stored;
  };

  // Nothing if what it is compared to turns out to be damaged: that is noted, so that the next try
  // takes nothing from there.
  std::optional<Taken> take(SnapshotSink& sink, const ChunkReader& reader) {
    try {
      Image image = capture(options_.source, sink,
                            {.timeout = options_.timeout,
                             .require_certified = options_.require_certified,
                             .verify_blocks = true,
                             .allow_damaged = true,
                             .whole_if_unreadable = true,
                             .key = options_.key,
                             .progress = options_.progress,
                             .stop = options_.stop});
      step("storing the rest");
      SnapshotSink::Stored stored = sink.finish(image);
      return Taken{std::move(image), stored};
    } catch (const Error& error) {
      if (error.code() != Errc::damaged || !note_damaged_packs(repository_, reader)) throw;
      return std::nullopt;
    }
  }

  // False if one has gone into another index already.
  static bool add_files(Index& index, const std::vector<std::string>& ids) {
    try {
      for (const std::string& id : ids) index.add_file(id);
      return true;
    } catch (const Error& error) {
      if (error.code() != Errc::conflict) throw;
      return false;
    }
  }

  // The snapshot is there: what goes wrong here is no more than a warning.
  void tidy_index(Session& session) {
    try {
      Store& store = repository_.store();
      Index index(store, repository_.sealer());
      merge_levels(store, repository_.sealer(), index);
      remove_superseded(store, index, session.began() - options_.grace);
    } catch (const Error& error) {
      result_.warnings.push_back(
          fmt::format("the snapshot is made, but its index was not tidied: {}", error.what()));
    }
  }

  void warn_of_loss() {
    if (!parent_ || !lost_most(parent_->details, result_.details)) return;
    result_.warnings.push_back(
        fmt::format("the database has {} in use, at the snapshot before ({}) it had {}; forget "
                    "keeps that one as "
                    "long as this is so",
                    format_bytes(result_.details.used_bytes()), parent_->snapshot.id.substr(0, 8),
                    format_bytes(parent_->details.used_bytes())));
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

  // Whether all that the parent needs is listed, in packs that are there and were not found
  // damaged. What did not change is not stored again, so a snapshot that is compared to one that
  // lacks something lacks it too.
  bool parent_is_whole(const Index& index, const ChunkReader& reader, PackListing packs) const {
    if (!index.find(parent_->snapshot.head)) return false;  // Its index is gone.
    std::set<std::string> damaged = list_damage_notes(repository_.store());
    std::set<std::string> bad = damaged;
    bad.insert(packs.missing.begin(), packs.missing.end());
    // Where an index is lost, its packs are in none.
    if (bad.empty() && packs.unlisted.empty()) return true;
    Liveness needed(index, std::move(packs.missing), std::move(damaged));
    try {
      reach(parent_->snapshot, reader, needed, options_.stop);
      needed.finish();
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
      return false;
    }
    bool whole = true;
    for (std::size_t file = 0; !bad.empty() && file < index.files().size(); ++file) {
      index.files()[file]->for_each([&](std::uint64_t number, const ChunkPlace& place) {
        if (needed.test(file, number) && bad.contains(place.pack->id)) whole = false;
      });
    }
    return whole;
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
    verify(session);
    return commit(session, began, {});
  }

  bool has_bytes_of_parent() const {
    return parent_ && parent_->snapshot.head == snapshot_.head &&
           parent_->snapshot.file == snapshot_.file && parent_->snapshot.wal == snapshot_.wal;
  }

  // What DuckDB once said of these bytes holds.
  void inherit_proof() {
    const SnapshotDetails& before = parent_->details;
    SnapshotDetails& now = result_.details;
    if (now.damaged() || !before.library_version) return;
    now.verified = before.verified;
    now.failed = before.failed;
    now.library_version = before.library_version;
    now.tables = before.tables;
  }

  // What would make it impossible, before anything is read or stored.
  void prepare_verify() {
    WorkerOptions worker;
    worker.library = options_.library;
    worker.stop = options_.stop;
    library_version_ = find_library(worker).version;
    std::uint64_t bytes = 0;
    for (const fs::path& path : {source_, fs::path(source_.string() + ".wal")}) {
      if (std::optional<FileStat> stat = stat_path(path)) bytes += stat->bytes;
    }
    find_scratch(options_.scratch, bytes);
  }

  // Before the snapshot is created, so that it never says more of itself than was proven; and with
  // what the repository gives back, so that it says it of the bytes that are stored.
  void verify(Session& session) {
    SnapshotDetails& details = result_.details;
    if (options_.verify == VerifyLevel::blocks) {
      if (details.failed) {
        result_.warnings.push_back(fmt::format(
            "it is as it was when its verification failed ({}): this snapshot is marked so too",
            *details.failed));
      }
      return;
    }
    if (details.damaged()) return warn_unopened("the database is damaged");
    if (details.encrypted && !options_.key) {
      return warn_unopened(
          "the database is encrypted and no key was given (--key-file, --key-env)");
    }
    std::optional<ScratchDatabase> database = give_back();
    if (database) open(*database, time_to_commit(session));
  }

  // Empty if there is no room for it. Whatever else comes in the way concerns the restoring of this
  // snapshot: then it must not be made.
  std::optional<ScratchDatabase> give_back() {
    step("giving the snapshot back to verify it");
    snapshot_.details = to_json(result_.details);
    ScratchOptions scratch{.scratch = options_.scratch,
                           .library = options_.library,
                           .key = options_.key,
                           .file_name = source_.filename().string(),
                           .stop = options_.stop};
    try {
      return std::optional<ScratchDatabase>(std::in_place, repository_, snapshot_, scratch);
    } catch (const Error& error) {
      if (error.code() == Errc::damaged) {
        throw error.within(
            "no snapshot was made, for the repository does not give back what was stored; "
            "`duckback check --read-data` says what else is damaged");
      }
      if (error.code() != Errc::no_space) {
        throw error.within("no snapshot was made, for it could not be given back to verify it");
      }
      result_.verify_error = error.within(kUnproven);
      return std::nullopt;
    }
  }

  // Prune's grace, and so the time for this, is limited.
  std::chrono::milliseconds time_to_commit(Session& session) const {
    auto left = (options_.grace / 2 - session.age()) * 9 / 10;
    return std::max(left, std::chrono::milliseconds(1));
  }

  void open(const ScratchDatabase& database, std::chrono::milliseconds timeout) {
    step("opening it with DuckDB");
    auto began = std::chrono::steady_clock::now();
    try {
      note_opened(database.open(options_.verify == VerifyLevel::full, timeout));
    } catch (const Error& error) {
      bool in_time = std::chrono::steady_clock::now() - began < timeout;
      if (error.code() == Errc::unsupported) {
        warn_unopened(fmt::format("this DuckDB cannot open it: {}", error.what()));
      } else if (error.code() == Errc::unverified && in_time) {
        note_failure(error);
      } else {
        result_.verify_error = error.within(kUnproven);
      }
    }
  }

  void note_opened(const OpenedDatabase& opened) {
    result_.opened = true;
    SnapshotDetails& details = result_.details;
    // The same bytes may have been proven further before.
    if (details.verified != name_of(VerifyLevel::full)) {
      details.verified = name_of(options_.verify);
    }
    details.failed.reset();
    details.library_version = opened.library_version;
    details.tables.emplace();
    for (const TableCount& table : opened.tables) {
      details.tables->push_back({table.schema, table.table, table.rows});
    }
  }

  void warn_unopened(const std::string& why) {
    result_.warnings.push_back(
        fmt::format("the snapshot was not opened to verify it, because {}", why));
  }

  void note_failure(const Error& error) {
    SnapshotDetails& details = result_.details;
    details.verified.reset();
    details.tables.reset();
    details.library_version = library_version_;
    details.failed = error.what();
    result_.verify_error =
        error.within("the snapshot was made, but failed its verification and is marked so");
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
    put_snapshot(repository_.store(), repository_.sealer(), result_.name, snapshot_);
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
  std::string library_version_;  // of the DuckDB to verify with
  Snapshot snapshot_;
  std::optional<Parent> parent_;
  Reliance reliance_;
  bool tidy_ = false;
  BackupResult result_;
};

}  // namespace

BackupResult backup(const Repository& repository, const BackupOptions& options) {
  return Backup(repository, options).run();
}

}  // namespace duckback
