#include "repo/collector.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "repo/chunk_writer.h"
#include "repo/damage.h"
#include "repo/index_upkeep.h"
#include "repo/session.h"

namespace duckback {
namespace {

// Packs below this size are put together when there are more than a few.
constexpr std::uint64_t kSmallPackBytes = kPackBytes / 8;
constexpr std::size_t kSmallPacksMost = 32;
constexpr std::size_t kIndexFilesMost = 16;

bool is_small(const IndexFile& file) { return file.entries() < kIndexEntriesMost / 2; }

struct PackUse {
  PackInfo info;
  std::uint64_t live_chunks = 0;
  std::uint64_t live_bytes = 0;
  bool listed = false;   // by an index
  bool present = false;  // the object exists
  SystemTime modified{};

  std::uint64_t dead_bytes() const {
    std::uint64_t needed = live_chunks == 0 ? 0 : live_bytes + pack_overhead(live_chunks);
    return info.bytes - std::min(info.bytes, needed);
  }
};

class Collector {
 public:
  Collector(const Repository& repository, const PruneOptions& options)
      : repository_(repository), options_(options), store_(repository.store()) {}

  PruneReport run() {
    if (options_.dry_run) {
      now_ = std::chrono::system_clock::now();
    } else {
      session_.emplace(repository_, "prune");
      now_ = session_->began();
      remove_dead_sessions(repository_, now_ - options_.session_lifetime, *session_);
    }
    if (options_.now && !options_.dry_run) {
      report_.waits_for = session_that_waits(SystemTime::max());
      if (!report_.waits_for.empty()) return report_;
    }
    marks_ = list_marks(store_);
    damaged_ = list_damage_notes(store_);
    // Before the index, so that what they need is in it.
    read_snapshots();
    Index index(store_, repository_.sealer(), marks_.packs());
    list_packs(index);
    walk(index);
    use_packs(index);
    mark(index);
    rescue();
    remove();
    if (!options_.dry_run) {
      tidy_index();
      // Others than those of sessions: of files and objects that were being made.
      store_.remove_leftovers(now_ - options_.session_lifetime);
    }
    for (const auto& [id, pack] : packs_) report_.dead_bytes += pack.dead_bytes();
    return report_;
  }

 private:
  void step(const std::string& what) const {
    if (options_.step) options_.step(what);
    if (options_.stop.stop_requested()) throw Interrupted();
  }

  std::chrono::milliseconds grace() const {
    return options_.now ? std::chrono::milliseconds(0) : options_.grace;
  }
  // By the store's clock; now: what was there when this run began.
  bool old(SystemTime modified) const { return options_.now || now_ - modified >= grace(); }

  // Those in trash after the others: one that is forgotten meanwhile is among them.
  void read_snapshots() {
    step("reading the snapshots");
    for (const SnapshotName& name : list_snapshots(store_)) {
      std::optional<Snapshot> snapshot = read(name);
      if (!snapshot) continue;
      snapshots_.emplace(name.key, std::move(*snapshot));
    }
    for (const SnapshotName& name : list_trashed_snapshots(store_)) {
      if (old(name.modified)) {
        expired_.push_back(name);
      } else if (std::optional<Snapshot> snapshot = read(name)) {
        forgotten_.push_back(std::move(*snapshot));
      }
    }
  }

  // What live snapshots reach, and, apart, what forgotten ones do that may still come back.
  void walk(const Index& index) {
    step("walking the snapshots");
    ChunkReader reader(store_, repository_.sealer(), repository_.namer(), index);
    while (!walk_live(index, reader)) {
    }
    for (const auto& [key, snapshot] : snapshots_) walked_.insert(key);
    report_.snapshots = walked_.size();
    kept_.emplace(index, missing_, damaged_);
    for (const Snapshot& snapshot : forgotten_) {
      as_far_as_it_goes([&] { reach(snapshot, reader, *kept_, options_.stop); });
    }
    as_far_as_it_goes([&] { kept_->finish(); });
  }

  // False if it is to be done again, without snapshots that are gone: if this run stood still, they
  // may have been forgotten and pruned since they were read.
  bool walk_live(const Index& index, const ChunkReader& reader) {
    live_.emplace(index, missing_, damaged_);
    try {
      for (const auto& [key, snapshot] : snapshots_) reach(snapshot, reader, *live_, options_.stop);
      live_->finish();
      return true;
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
      auto gone = [this](const auto& one) { return !store_.exists(one.first); };
      if (std::erase_if(snapshots_, gone) == 0) throw;
      return false;
    }
  }

  // What a forgotten one lacks cannot be lost any more.
  template <class Body>
  static void as_far_as_it_goes(Body body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
    }
  }

  std::optional<Snapshot> read(const SnapshotName& name) const {
    try {
      Snapshot snapshot = read_snapshot(store_, repository_.sealer(), name);
      snapshot.details.clear();  // There may be thousands, and this is most of one.
      return snapshot;
    } catch (const Error& error) {
      if (error.code() == Errc::not_found) return std::nullopt;  // Forgotten meanwhile.
      if (error.code() != Errc::damaged) throw;
      if (name.trashed) return std::nullopt;  // It cannot come back.
      throw Error(Errc::damaged,
                  "{}; nothing was pruned, for what it needs is not known. `duckback check` names "
                  "what is damaged; `duckback forget` can give the snapshot up",
                  error.what());
    }
  }

  // The packs that the index names, and those that are there. Listed after the index was opened, so
  // that what it names and is not there is missing.
  void list_packs(const Index& index) {
    for (const auto& file : index.files()) {
      for (const PackInfo& info : file->packs()) {
        packs_[info.id].info = info;
        packs_[info.id].listed = true;
      }
    }
    store_.list("packs/", [&](const ObjectInfo& object) {
      std::optional<std::string> id = pack_id_of(object.key);
      if (!id) return;
      PackUse& pack = packs_[*id];
      pack.present = true;
      pack.modified = object.modified;
      if (!pack.listed) {
        pack.info.id = *id;
        pack.info.bytes = object.bytes;
      }
      ++report_.packs;
    });
    for (const auto& [id, pack] : packs_) {
      if (!pack.present) missing_.insert(id);
    }
  }

  void use_packs(const Index& index) {
    for (std::size_t file = 0; file < index.files().size(); ++file) {
      index.files()[file]->for_each([&](std::uint64_t number, const ChunkPlace& place) {
        PackUse& pack = packs_[place.pack->id];
        std::uint64_t bytes = place.chunk.stored + kTagBytes;
        if (live_->test(file, number)) {
          ++pack.live_chunks;
          pack.live_bytes += bytes;
          ++report_.live_chunks;
          report_.live_bytes += bytes;
        } else if (kept_->test(file, number)) {
          kept_packs_.insert(place.pack->id);
        }
      });
    }
  }

  // Packs without life get a mark; those with little are put together in new ones first.
  void mark(const Index& index) {
    std::set<std::string> marked = ids_of(marks_.marks);
    std::set<std::string> buried = ids_of(marks_.tombstones);
    std::vector<PackUse*> repack;
    std::vector<PackUse*> small;
    for (auto& [id, pack] : packs_) {
      if (!pack.present) {
        // An index that was put late lists it again; if nothing needs it, it is as good as removed.
        bool needed = pack.live_chunks > 0 || kept_packs_.contains(id);
        if (!needed && !buried.contains(id) && !options_.dry_run) put_tombstone(repository_, id);
        continue;
      }
      // What is damaged stays where it is, for it could not be read.
      if (damaged_.contains(id) && pack.live_chunks > 0) continue;
      if (buried.contains(id) && pack.live_chunks > 0) {
        // Of a prune that was stopped: no backup looks into it, so what is live moves.
        repack.push_back(&pack);
        continue;
      }
      if (marked.contains(id)) continue;
      if (!pack.listed && !old(pack.modified)) continue;  // Of a backup that is running.
      if (pack.live_chunks == 0) {
        mark_one(pack);
      } else if (pack.dead_bytes() * 100 >
                 pack.info.bytes * static_cast<std::uint64_t>(options_.unused_most_percent)) {
        repack.push_back(&pack);
      } else if (pack.info.bytes < kSmallPackBytes) {
        small.push_back(&pack);
      }
    }
    if (small.size() > kSmallPacksMost) repack.insert(repack.end(), small.begin(), small.end());
    if (repack.empty()) return;
    report_.repacked_packs = repack.size();
    if (options_.dry_run) return;
    step("repacking " + count_of(repack.size(), "pack"));
    copy_live_chunks(index, repack);
    for (PackUse* pack : repack) {
      pack->live_chunks = pack->live_bytes = 0;
      mark_one(*pack);
    }
  }

  void copy_live_chunks(const Index& index, const std::vector<PackUse*>& packs) {
    std::set<std::string> absent = marks_.packs();
    absent.insert(missing_.begin(), missing_.end());
    absent.insert(damaged_.begin(), damaged_.end());
    // What a pack holds that just got its mark is not kept there.
    absent.insert(newly_marked_.begin(), newly_marked_.end());
    for (const PackUse* pack : packs) absent.insert(pack->info.id);
    Index others(store_, repository_.sealer(), absent);
    ChunkReader reader(store_, repository_.sealer(), repository_.namer(), index);
    ChunkWriter writer(store_, repository_.sealer(), repository_.namer(), others,
                       Compression::normal);
    for (const PackUse* pack : packs) {
      if (options_.stop.stop_requested()) throw Interrupted();
      std::vector<ChunkId> ids;
      PackDirectory directory =
          read_pack_directory(store_, repository_.sealer(), pack->info.id, pack->info.bytes);
      for (const PackedChunk& chunk : directory.chunks) {
        if (live_->holds(chunk.id)) ids.push_back(chunk.id);
      }
      reader.read(ids, [&](const ChunkId& id, const Bytes& chunk) {
        writer.put(id, chunk, pack->info.kind);
      });
    }
    writer.flush();
  }

  void mark_one(const PackUse& pack) {
    ++report_.marked_packs;
    report_.marked_bytes += pack.info.bytes;
    newly_marked_.push_back(pack.info.id);
    if (!options_.dry_run) put_mark(repository_, pack.info.id);
  }

  // A marked pack that is needed came back into use.
  void rescue() {
    for (const Mark& mark : marks_.marks) {
      auto pack = packs_.find(mark.pack_id);
      if (pack == packs_.end() || pack->second.live_chunks == 0) continue;
      ++report_.rescued_packs;
      rescued_.insert(mark.pack_id);
      if (!options_.dry_run) remove_mark(store_, mark.pack_id);
    }
  }

  void remove() {
    std::vector<std::string> due;
    for (const Mark& mark : marks_.marks) {
      if (rescued_.contains(mark.pack_id) || kept_packs_.contains(mark.pack_id)) continue;
      if (old(mark.modified)) {
        due.push_back(mark.pack_id);
      } else {
        ++report_.waiting_packs;
      }
    }
    if (options_.now) {
      for (const std::string& id : newly_marked_) {
        if (!kept_packs_.contains(id)) due.push_back(id);
      }
    }
    if (options_.dry_run) {
      for (const std::string& id : due) count_removed(id);
      report_.removed_snapshots = expired_.size();
      return;
    }
    leave_changed(due);
    if (std::string other = session_that_waits(newest_mark_of(due)); !other.empty()) {
      report_.waits_for = other;
      report_.waiting_packs += due.size();
      return;
    }
    std::vector<std::string> expired;
    for (const SnapshotName& name : expired_) expired.push_back(name.key);
    remove_all(store_, expired);
    report_.removed_snapshots = expired_.size();
    if (due.empty()) return;
    report_.waits_for = what_came_back();
    if (report_.waits_for.empty()) {
      step("removing " + count_of(due.size(), "pack"));
      remove_packs(due);
    } else {
      report_.waiting_packs += due.size();
    }
  }

  // What was made or brought back since the walk may need what is due.
  std::string what_came_back() const {
    // An undelete that began after this finds no more in trash than is left; one before it may be
    // about to bring back what went a moment ago.
    for (const SessionInfo& session : list_sessions(repository_)) {
      if (session.what == "undelete" || session.what.empty()) return describe(session);
    }
    for (const SnapshotName& name : list_snapshots(store_)) {
      if (!walked_.contains(name.key)) return "a snapshot that was made meanwhile";
    }
    // Of two packs with the same chunk the walk may have chosen this one.
    for (const std::string& id : list_damage_notes(store_)) {
      if (!damaged_.contains(id)) return "a pack that was found damaged meanwhile";
    }
    return "";
  }

  // Another prune may have rescued a pack since the walk, and what came after relies on it; or a
  // snapshot came back from trash and was forgotten anew.
  void leave_changed(std::vector<std::string>& due) {
    std::map<std::string, SystemTime> now;
    for (const Mark& mark : list_marks(store_).marks) now[mark.pack_id] = mark.modified;
    std::map<std::string, SystemTime> before;
    for (const Mark& mark : marks_.marks) before[mark.pack_id] = mark.modified;
    std::erase_if(due, [&](const std::string& id) {
      return !now.contains(id) || (before.contains(id) && before[id] != now[id]);
    });
    std::map<std::string, SystemTime> trashed;
    for (const SnapshotName& name : list_trashed_snapshots(store_)) {
      trashed[name.key] = name.modified;
    }
    std::erase_if(expired_, [&](const SnapshotName& name) {
      return !trashed.contains(name.key) || trashed[name.key] != name.modified;
    });
  }

  SystemTime newest_mark_of(const std::vector<std::string>& due) const {
    if (options_.now) return SystemTime::max();
    SystemTime newest{};
    for (const Mark& mark : marks_.marks) {
      if (std::find(due.begin(), due.end(), mark.pack_id) != due.end()) {
        newest = std::max(newest, mark.modified);
      }
    }
    return newest;
  }

  // Not younger than `time`; one that began in the future did so before the clock was set back.
  static bool may_precede(const SessionInfo& session, SystemTime time, SystemTime now) {
    return session.began <= time || session.began > now;
  }

  // One that may precede the mark: it may rely on the pack.
  std::string session_that_waits(SystemTime mark) {
    std::vector<SessionInfo> sessions = list_sessions(repository_);
    SystemTime now = session_->now();
    for (const SessionInfo& session : sessions) {
      if (session.id != session_->id() && may_precede(session, mark, now)) return describe(session);
    }
    return "";
  }

  static std::string describe(const SessionInfo& session) {
    return fmt::format("a {} on {} (pid {}) since {}: sessions/{}",
                       session.what.empty() ? "session" : session.what,
                       session.host.empty() ? "an unknown host" : session.host, session.pid,
                       format_utc(session.began), session.id);
  }

  void remove_packs(const std::vector<std::string>& due) {
    std::set<std::string> gone(due.begin(), due.end());
    for_each_at_once(store_, due.size(),
                     [&](std::size_t i) { put_tombstone(repository_, due[i]); });
    // Another prune may have chosen otherwise among packs with the same chunks. Both look only when
    // their own tombstones are there: so one of two sees those of the other.
    if (chose_otherwise()) {
      report_.waits_for = "another prune";
      report_.waiting_packs += due.size();
      return;
    }
    // One with a tombstone that is there, of a prune that was stopped, may be kept for trash.
    for (const Mark& tombstone : marks_.tombstones) {
      auto pack = packs_.find(tombstone.pack_id);
      if (pack == packs_.end() || !pack->second.present) gone.insert(tombstone.pack_id);
    }
    // Opened anew: repacking put files since.
    unlist(Index(store_, repository_.sealer()), gone);
    std::vector<std::string> packs;
    for (const std::string& id : due) packs.push_back(pack_key(id));
    remove_all(store_, packs);
    remove_marks(store_, due);
    for (const std::string& id : due) {
      count_removed(id);
      packs_[id].present = false;
    }
  }

  // Puts indexes without the packs `gone` in the place of those that list one.
  void unlist(const Index& index, const std::set<std::string>& gone) {
    std::vector<const IndexFile*> small;
    for (const auto& file : index.files()) {
      bool lists = std::any_of(file->packs().begin(), file->packs().end(),
                               [&](const PackInfo& pack) { return gone.contains(pack.id); });
      if (!lists) continue;
      if (is_small(*file)) {
        small.push_back(file.get());
      } else {
        // Large ones put together would each name all their packs.
        merge_indexes(store_, repository_.sealer(), {file.get()}, gone);
      }
    }
    merge_indexes(store_, repository_.sealer(), small, gone);
  }

  bool chose_otherwise() const {
    std::vector<Mark> tombstones = list_marks(store_).tombstones;
    bool live = std::any_of(tombstones.begin(), tombstones.end(), [&](const Mark& tombstone) {
      auto pack = packs_.find(tombstone.pack_id);
      return pack != packs_.end() && pack->second.present && pack->second.live_chunks > 0;
    });
    // Without a session of its own none waited for it.
    return live || !session_->exists();
  }

  void count_removed(const std::string& id) {
    auto pack = packs_.find(id);
    if (pack == packs_.end() || !pack->second.present) return;
    ++report_.removed_packs;
    report_.removed_bytes += pack->second.info.bytes;
    pack->second.info.bytes = pack->second.live_bytes = 0;
  }

  // What an index that was put late may list again, though it is not there and nothing needs it.
  std::set<std::string> removed_for_long() const {
    std::set<std::string> gone;
    for (const Mark& tombstone : marks_.tombstones) {
      auto pack = packs_.find(tombstone.pack_id);
      if (pack == packs_.end() || pack->second.present || pack->second.live_chunks > 0) continue;
      if (now_ - tombstone.modified >= options_.grace) gone.insert(tombstone.pack_id);
    }
    return gone;
  }

  // Few index files, no superseded ones, no tombstones that nothing needs.
  void tidy_index() {
    std::vector<SessionInfo> sessions = list_sessions(repository_);
    SystemTime now = session_->now();
    Index index(store_, repository_.sealer());
    std::set<std::string> gone = removed_for_long();
    std::vector<const IndexFile*> small;
    std::set<std::string> listed;
    for (const auto& file : index.files()) {
      if (is_small(*file)) small.push_back(file.get());
      for (const PackInfo& pack : file->packs()) listed.insert(pack.id);
    }
    if (small.size() > kIndexFilesMost) {
      merge_indexes(store_, repository_.sealer(), small, gone);
    } else {
      unlist(index, gone);
    }
    // A reader that began before they were superseded may still need them.
    remove_superseded(store_, index, now_ - grace());
    for (const Mark& tombstone : marks_.tombstones) {
      // Whoever began before it may still put an index that lists the pack.
      bool awaited = std::any_of(sessions.begin(), sessions.end(), [&](const SessionInfo& session) {
        return session.id != session_->id() && may_precede(session, tombstone.modified, now);
      });
      if (now_ - tombstone.modified >= options_.grace && !awaited &&
          !listed.contains(tombstone.pack_id)) {
        remove_tombstone(store_, tombstone.pack_id);
      }
    }
    for (const std::string& id : damaged_) {
      bool there = packs_.contains(id) && packs_.at(id).present;
      if (!there && !listed.contains(id)) remove_damage_note(store_, id);
    }
  }

  const Repository& repository_;
  const PruneOptions& options_;
  Store& store_;
  std::optional<Session> session_;
  SystemTime now_;
  Marks marks_;
  std::set<std::string> damaged_;  // have a note
  std::optional<Liveness> live_;
  std::optional<Liveness> kept_;
  std::map<std::string, Snapshot> snapshots_;  // by key
  std::vector<Snapshot> forgotten_;
  std::set<std::string> walked_;  // keys
  std::vector<SnapshotName> expired_;
  std::map<std::string, PackUse> packs_;
  std::set<std::string> missing_;  // listed, and not there
  std::set<std::string> kept_packs_;
  std::set<std::string> rescued_;
  std::vector<std::string> newly_marked_;
  PruneReport report_;
};

}  // namespace

Liveness::Liveness(const Index& index, std::set<std::string> missing, std::set<std::string> damaged)
    : index_(index), missing_(std::move(missing)), damaged_(std::move(damaged)) {
  for (const auto& file : index.files()) live_.emplace_back(file->entries());
}

std::pair<int, std::string_view> Liveness::rank_of(const PackInfo& pack) const {
  int rank = missing_.contains(pack.id)   ? 3
             : damaged_.contains(pack.id) ? 2
             : index_.absent(pack.id)     ? 1
                                          : 0;
  return {rank, pack.id};
}

std::optional<Liveness::Spot> Liveness::locate(const ChunkId& id) const {
  std::optional<Spot> spot;
  std::pair<int, std::string_view> best;
  for (std::size_t file = 0; file < index_.files().size(); ++file) {
    index_.files()[file]->find(id, [&](std::uint64_t number, const ChunkPlace& place) {
      std::pair<int, std::string_view> rank = rank_of(*place.pack);
      if (spot && best <= rank) return;
      best = rank;
      spot = Spot{file, number};
    });
  }
  return spot;
}

void Liveness::add(const ChunkId& id) {
  if (added_.empty()) added_.reserve(kAddedMost);
  added_.push_back(id);
  if (added_.size() == kAddedMost) set_added();
}

void Liveness::set_added() {
  std::sort(added_.begin(), added_.end());
  added_.erase(std::unique(added_.begin(), added_.end()), added_.end());
  struct Best {
    const PackInfo* pack = nullptr;
    std::uint32_t file = 0;
    std::uint32_t number = 0;
  };
  std::vector<Best> best(added_.size());
  for (std::uint32_t file = 0; file < index_.files().size(); ++file) {
    index_.files()[file]->find_all(
        added_, [&](std::size_t n, std::uint64_t number, const ChunkPlace& place) {
          if (best[n].pack != nullptr && rank_of(*best[n].pack) <= rank_of(*place.pack)) return;
          best[n] = {place.pack, file, static_cast<std::uint32_t>(number)};
        });
  }
  for (std::size_t n = 0; n < added_.size(); ++n) {
    if (best[n].pack != nullptr) {
      live_[best[n].file].set(best[n].number);
    } else if (!not_found_) {
      not_found_ = added_[n];
    }
  }
  added_.clear();
}

void Liveness::finish() {
  set_added();
  added_.shrink_to_fit();
  if (not_found_) throw Error(Errc::damaged, "chunk {} is in no index", not_found_->hex());
}

bool Liveness::set(const ChunkId& id) {
  std::optional<Spot> spot = locate(id);
  if (!spot) throw Error(Errc::damaged, "chunk {} is in no index", id.hex());
  if (live_[spot->file].test(spot->number)) return false;
  live_[spot->file].set(spot->number);
  return true;
}

bool Liveness::holds(const ChunkId& id) const {
  std::optional<Spot> spot = locate(id);
  return spot && live_[spot->file].test(spot->number);
}

void reach(const Snapshot& snapshot, const ChunkReader& reader, Liveness& live,
           const std::stop_token& stop) {
  live.set(snapshot.head);
  for (const MapRef* map : {&snapshot.file, &snapshot.wal}) {
    walk_map(
        *map, [&](const ChunkId& id) { return reader.read(id); },
        [&](const ChunkId& node, std::uint32_t) {
          if (stop.stop_requested()) throw Interrupted();
          return live.set(node);
        },
        [&](std::uint64_t, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t, const MapEntry& entry) { live.add(entry.chunk); });
        });
  }
}

PruneReport prune(const Repository& repository, const PruneOptions& options) {
  return Collector(repository, options).run();
}

}  // namespace duckback
