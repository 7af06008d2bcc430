#include "ops/restore.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "base/task_group.h"
#include "duckdb/worker.h"
#include "duckfile/header.h"
#include "io/lock_holder.h"
#include "io/uncached_writer.h"
#include "ops/publish.h"
#include "repo/chunk_reader.h"
#include "repo/damage.h"
#include "repo/map.h"

namespace duckback {
namespace {

// What one task restores: neighbours in a pack are fetched together, and those in the file written
// together. On ext4 writes to one file wait for each other: 1 GiB written with O_DIRECT takes 0.73
// s in blocks of 256 KiB, 0.58 s in runs of 4 MiB, with one thread or with eight.
constexpr std::uint64_t kTaskBytes = 4 << 20;

fs::path with_suffix(const fs::path& path, std::string_view suffix) {
  fs::path result = path;
  result += suffix;
  return result;
}

std::array<std::uint8_t, 12> begin_of(const File& file) {
  std::array<std::uint8_t, 12> begin{};
  file.read_at(0, begin);
  return begin;
}

constexpr std::array<std::string_view, 3> kWalSuffixes = {".wal", ".wal.checkpoint",
                                                          ".wal.recovery"};

// Where a map's chunks go: a file, from an offset on.
class MapWriter {
 public:
  // With `compare`, what already holds the right bytes is not fetched, and what the map does not
  // hold becomes a hole.
  MapWriter(const File& file, std::uint64_t begin, const MapRef& map, bool compare)
      : file_(file), writer_(file), begin_(begin), map_(map), compare_(compare) {}

  void write(const Repository& repository, const ChunkReader& reader, std::size_t threads,
             const RestoreOptions& options) {
    TaskGroup group(threads, 2 * threads);
    std::uint64_t next = 0;  // the first place not seen
    walk_map(
        map_, [&](const ChunkId& id) { return reader.read(id); },
        [&](const ChunkId&, std::uint32_t) {
          if (options.stop.stop_requested()) throw Interrupted();
          return true;
        },
        [&](std::uint64_t number, const ChunkId&, const MapLeaf& leaf) {
          std::vector<Piece> pieces;
          leaf.for_each([&](std::size_t at, const MapEntry& entry) {
            std::uint64_t place = number * kMapFanOut + at;
            check_place(place);
            if (compare_) make_hole(next, place);
            next = place + 1;
            if (options.leave_out && options.leave_out(entry.chunk)) return;
            if (!pieces.empty() && bytes_between(pieces.front().place, place) > kTaskBytes) {
              queue(group, repository, reader, std::exchange(pieces, {}), options);
            }
            pieces.push_back({entry.chunk, place});
          });
          if (!pieces.empty()) queue(group, repository, reader, std::move(pieces), options);
        });
    group.wait();
    if (compare_) make_hole(next, places());
  }

  // Reads and proves what write() would fetch, and changes nothing.
  void prove(const Repository& repository, const ChunkReader& reader, std::size_t threads,
             const RestoreOptions& options) {
    proving_ = true;
    write(repository, reader, threads, options);
    proving_ = false;
  }

  std::uint64_t written_bytes() const { return written_; }

 private:
  struct Piece {
    ChunkId chunk;
    std::uint64_t place;
  };

  std::uint64_t body() const { return map_.bytes > begin_ ? map_.bytes - begin_ : 0; }
  std::uint64_t places() const {
    return map_.chunk_bytes == 0 ? 0 : (body() + map_.chunk_bytes - 1) / map_.chunk_bytes;
  }
  std::uint64_t offset_of(std::uint64_t place) const { return begin_ + place * map_.chunk_bytes; }
  std::uint64_t bytes_of(std::uint64_t place) const {
    return std::min(map_.chunk_bytes, body() - place * map_.chunk_bytes);
  }

  // From the begin of the first to the end of the last.
  std::uint64_t bytes_between(std::uint64_t first, std::uint64_t last) const {
    return (last - first) * map_.chunk_bytes + bytes_of(last);
  }

  void check_place(std::uint64_t place) const {
    if (place < places()) return;
    throw Error(Errc::damaged, "the snapshot's map holds place {} of {}", place, places());
  }

  void make_hole(std::uint64_t from, std::uint64_t to) const {
    if (from < to && !proving_) file_.punch_hole(offset_of(from), (to - from) * map_.chunk_bytes);
  }

  void queue(TaskGroup& group, const Repository& repository, const ChunkReader& reader,
             std::vector<Piece> pieces, const RestoreOptions& options) {
    group.run([this, &repository, &reader, &options, pieces = std::move(pieces)] {
      if (options.stop.stop_requested()) throw Interrupted();
      std::vector<Piece> needed;
      Bytes old;
      for (const Piece& piece : pieces) {
        if (!compare_ || !holds(repository, piece, old)) needed.push_back(piece);
      }
      if (!needed.empty()) fetch(reader, needed);
      for (const Piece& piece : pieces) done(piece.place, options);
    });
  }

  // Puts them together in memory, then writes each run without a gap at once.
  void fetch(const ChunkReader& reader, const std::vector<Piece>& pieces) {
    std::uint64_t first = pieces.front().place;
    thread_local Bytes run;
    run.resize(bytes_between(first, pieces.back().place));
    auto at = [&](std::uint64_t place) { return (place - first) * map_.chunk_bytes; };
    std::unordered_map<ChunkId, std::vector<std::uint64_t>> places;
    for (const Piece& piece : pieces) places[piece.chunk].push_back(piece.place);
    std::vector<ChunkId> ids;
    for (const auto& [id, where] : places) ids.push_back(id);
    reader.read(ids, [&](const ChunkId& id, const Bytes& chunk) {
      for (std::uint64_t place : places.at(id)) {
        if (chunk.size() != bytes_of(place)) {
          throw Error(Errc::damaged, "chunk {} has {} bytes, place {} needs {}", id.hex(),
                      chunk.size(), place, bytes_of(place));
        }
        std::copy(chunk.begin(), chunk.end(), run.begin() + static_cast<std::ptrdiff_t>(at(place)));
      }
    });
    if (proving_) return;
    for (std::size_t begin = 0, end = 1; begin < pieces.size(); begin = end++) {
      while (end < pieces.size() && pieces[end].place == pieces[end - 1].place + 1) ++end;
      std::uint64_t bytes = bytes_between(pieces[begin].place, pieces[end - 1].place);
      writer_.write_at(offset_of(pieces[begin].place),
                       ByteView(run).subspan(at(pieces[begin].place), bytes));
      written_ += bytes;
    }
  }

  bool holds(const Repository& repository, const Piece& piece, Bytes& old) const {
    old.resize(bytes_of(piece.place));
    return file_.read_at(offset_of(piece.place), old) == old.size() &&
           repository.namer().chunk_id(old) == piece.chunk;
  }

  void done(std::uint64_t place, const RestoreOptions& options) {
    std::lock_guard lock(mutex_);
    done_ += bytes_of(place);
    if (options.progress) options.progress(done_, body());
  }

  const File& file_;
  UncachedWriter writer_;
  std::uint64_t begin_;
  const MapRef& map_;
  bool compare_;
  bool proving_ = false;
  std::atomic<std::uint64_t> written_ = 0;
  std::mutex mutex_;  // for done_ and the report of it
  std::uint64_t done_ = 0;
};

class Restore {
 public:
  Restore(const Repository& repository, const Snapshot& snapshot, const RestoreOptions& options)
      : repository_(repository),
        snapshot_(snapshot),
        options_(options),
        details_(parse_details(snapshot.details)),
        index_(repository.store(), repository.sealer()),
        reader_(repository.store(), repository.sealer(), repository.namer(), index_),
        with_wal_(snapshot.wal.bytes > 0 && !options.without_wal),
        stamp_(format_local_stamp(std::chrono::system_clock::now())) {}

  RestoreResult run() {
    auto began = std::chrono::steady_clock::now();
    if (looks_like_address(options_.target.string())) {
      throw Error(Errc::invalid, "{}: a snapshot is restored to a file of this machine",
                  options_.target.string());
    }
    result_.target = target_ = fs::absolute(options_.target);
    DUCKBACK_ASSERT(!options_.leave_out || !options_.delta);
    check_target();
    remove_leftovers(target_);
    warn();
    if (there_already_) {
      result_.wal_bytes = with_wal_ ? snapshot_.wal.bytes : 0;
    } else {
      try {
        options_.delta&& old_ ? onto() : beside();
      } catch (const Error& error) {
        note_damage();
        if (error.code() != Errc::damaged) throw;
        throw error.within(fmt::format(
            "snapshot {} of {} is damaged (`duckback check --read-data` says what else is; the "
            "next backup stores anew what the database still has of it)",
            snapshot_.id.substr(0, 8), snapshot_.database));
      }
    }
    result_.file_bytes = snapshot_.file.bytes;
    result_.elapsed = std::chrono::steady_clock::now() - began;
    return std::move(result_);
  }

 private:
  // What a restore finds damaged, backups must not rely on.
  void note_damage() const {
    try {
      note_damaged_packs(repository_, reader_);
    } catch (const Error&) {
      // Of a repository that cannot be written snapshots are restored too, and that one is damaged
      // is what the caller is told.
    }
  }

  void check_target() {
    std::optional<FileStat> there = stat_path(target_);
    std::optional<FileStat> folder = stat_path(folder_of(target_));
    if (!folder || !S_ISDIR(folder->mode)) {
      throw Error(Errc::not_found, "folder {} does not exist; make it first",
                  folder_of(target_).string());
    }
    if (there && !S_ISREG(there->mode)) {
      throw Error(Errc::refused, "{} is no file; name the database file", target_.string());
    }
    if (there) target_ = resolve_path(target_);
    claim_.emplace(target_);
    old_ = stat_path(target_);  // only now: another restore may have made it
    if (!old_) return;
    refuse_open_target();
    unfinished_ = is_unfinished(begin_of(File::open_read(target_)));
    if (options_.delta || unfinished_) return;
    there_already_ = !options_.settle && holds_snapshot();
    if (!there_already_ && !options_.force) {
      throw Error(Errc::refused,
                  "{} exists: --force keeps it under another name and puts the snapshot in its "
                  "place, --delta changes it into the snapshot, --to names another place",
                  target_.string());
    }
  }

  // Asked again just before it is changed, for reading the repository takes its time.
  void refuse_open_target() const {
    std::optional<FileStat> there = stat_path(target_);
    if (!there) return;
    if (std::optional<Process> user = user_of(*there)) {
      throw Error(Errc::conflict,
                  "{} is open in {}: what that writes later would be lost. Stop it first",
                  target_.string(), to_text(*user));
    }
  }

  // A restore that was killed when all was done but to say so: the same command succeeds.
  bool holds_snapshot() const {
    File file = File::open_read(target_);
    std::array<std::uint8_t, kBlockStart> begin{};
    if (file.read_at(0, begin) != begin.size() || begin != head()) return false;
    std::optional<FileStat> wal = stat_path(with_suffix(target_, ".wal"));
    if (stat_path(with_suffix(target_, ".wal.checkpoint"))) return false;
    if (wal.has_value() != with_wal_ || !holds_map(file, kBlockStart, snapshot_.file)) return false;
    return !wal || holds_map(File::open_read(with_suffix(target_, ".wal")), 0, snapshot_.wal);
  }

  bool holds_map(const File& file, std::uint64_t begin, const MapRef& map) const {
    bool same = file.size() == map.bytes;
    Bytes piece;
    walk_map(
        map, [&](const ChunkId& id) { return reader_.read(id); },
        [&](const ChunkId&, std::uint32_t) {
          if (options_.stop.stop_requested()) throw Interrupted();
          return same;
        },
        [&](std::uint64_t number, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t at, const MapEntry& entry) {
            if (!same) return;
            std::uint64_t offset = begin + (number * kMapFanOut + at) * map.chunk_bytes;
            piece.resize(std::min(map.chunk_bytes, map.bytes - std::min(map.bytes, offset)));
            piece.resize(file.read_at(offset, piece));
            same = repository_.namer().chunk_id(piece) == entry.chunk;
          });
        });
    return same;
  }

  std::optional<Process> user_of(const FileStat& there) const {
    if (auto holder = find_lock_holder(File::open_read(target_), LockKind::any)) return holder;
    Openers openers = find_openers(there);
    return openers.writers.empty() ? std::nullopt : std::optional(openers.writers.front());
  }

  void warn() {
    if (details_.damaged()) {
      warn(fmt::format("the snapshot is of a damaged database ({}); an older one may be better",
                       details_.damage()));
    }
    constexpr std::uint64_t kEveryDuckDbReads = 64;
    if (details_.storage_version > kEveryDuckDbReads && !details_.needs.empty()) {
      warn(fmt::format("the database needs {} or newer: an older one refuses to open it",
                       details_.needs));
    }
    if (details_.failed) {
      warn(fmt::format(
          "the snapshot failed its verification when it was made ({}); an older one may be better",
          *details_.failed));
    }
    if (options_.without_wal && snapshot_.wal.bytes > 0) {
      warn(fmt::format("without its WAL ({}) the database lacks {} of the snapshot",
                       format_bytes(snapshot_.wal.bytes), what_the_wal_holds()));
    }
  }

  std::string what_the_wal_holds() const {
    if (!details_.wal_unreadable.empty()) return "the last commits, nobody knows how many,";
    if (details_.wal_commits == 1) return "the last commit";
    return "the last " + count_of(details_.wal_commits, "commit");
  }

  void warn(const std::string& text) {
    result_.warnings.push_back(text);
    if (options_.warning) options_.warning(text);
  }

  std::string unfinished_text() const {
    return fmt::format(
        "a restore of snapshot {} was stopped here; run the same `duckback restore` again",
        snapshot_.id.substr(0, 8));
  }

  // More than cores: they wait for the disk, or for a server.
  std::size_t threads() const {
    if (options_.threads > 0) return options_.threads;
    unsigned least = repository_.store().is_remote() ? 8 : 1;
    return std::max(least, 2 * std::thread::hardware_concurrency());
  }

  void step(const std::string& what) const {
    if (options_.step) options_.step(what);
  }

  std::array<std::uint8_t, kBlockStart> head() const {
    Bytes bytes = reader_.read(snapshot_.head);
    if (bytes.size() != kBlockStart) {
      throw Error(Errc::damaged, "the snapshot's headers have {} bytes, not {}", bytes.size(),
                  kBlockStart);
    }
    std::array<std::uint8_t, kBlockStart> head{};
    std::copy(bytes.begin(), bytes.end(), head.begin());
    return head;
  }

  // The file may have been cut off inside its headers.
  void write_head(const File& file) const {
    std::array<std::uint8_t, kBlockStart> bytes = head();
    file.write_at(0, ByteView(bytes).first(std::min(kBlockStart, snapshot_.file.bytes)));
  }

  void check_space(std::uint64_t needed) const {
    fs::path folder = folder_of(target_);
    std::uint64_t free = free_space(folder);
    if (free >= needed) return;
    throw Error(Errc::no_space, "restoring needs up to {}, and {} has {} free",
                format_bytes(needed), folder.string(), format_bytes(free));
  }

  // Free blocks become holes.
  std::uint64_t needed_bytes() const {
    if (details_.blocks == 0) return snapshot_.file.bytes;
    return std::min(snapshot_.file.bytes,
                    kBlockStart + details_.blocks * snapshot_.file.chunk_bytes);
  }

  RestoreOptions quiet() const {
    RestoreOptions options;
    options.stop = options_.stop;
    return options;
  }

  std::optional<StagedFile> stage_wal() const {
    if (!with_wal_) return std::nullopt;
    TempFile temp = TempFile::beside(with_suffix(target_, ".wal"));
    temp.file().truncate(snapshot_.wal.bytes);
    MapWriter(temp.file(), 0, snapshot_.wal, false).write(repository_, reader_, threads(), quiet());
    temp.file().sync();
    return StagedFile{std::move(temp), snapshot_.wal.bytes, {}};
  }

  // A new file, which takes the name when it is complete.
  void beside() {
    check_space(needed_bytes() + snapshot_.wal.bytes);
    step(fmt::format("restoring {}", target_.string()));
    TempFile temp = TempFile::beside(target_);
    temp.file().truncate(snapshot_.file.bytes);
    MapWriter writer(temp.file(), kBlockStart, snapshot_.file, false);
    writer.write(repository_, reader_, threads(), options_);
    write_head(temp.file());
    temp.file().sync();
    result_.written_bytes = writer.written_bytes() + kBlockStart;
    // Not inside the braces below: g++ 12 destroys members twice where a later one throws.
    std::optional<StagedFile> wal = stage_wal();
    FileSink::Staged staged{.database = {std::move(temp), snapshot_.file.bytes, {}},
                            .wal = std::move(wal)};
    if (options_.settle && staged.wal) settle(staged);
    result_.wal_bytes = staged.wal ? staged.wal->bytes : 0;

    refuse_open_target();
    if (!old_ && stat_path(target_)) refuse_new_target();
    if (old_) {
      staged.database.temp.file().take_access_of(*old_);
      if (staged.wal) staged.wal->temp.file().take_access_of(*old_);
    }
    keep_old();
    if (!publish(staged, target_, old_.has_value(), unfinished_text())) refuse_new_target();
  }

  [[noreturn]] void refuse_new_target() const {
    throw Error(Errc::conflict, "{} appeared meanwhile; nothing was put in its place",
                target_.string());
  }

  // Gives what is at the target a second name, so that it stays when the first one is taken. What a
  // stopped restore left is no database worth keeping.
  void keep_old() {
    bool with_database = stat_path(target_) && !unfinished_;
    choose_stamp(with_database);
    if (with_database) keep(target_, kept_name(""));
    for (std::string_view suffix : kWalSuffixes) {
      fs::path old = with_suffix(target_, suffix);
      if (stat_path(old)) keep(old, with_database ? kept_name(suffix) : kept_wal_name(suffix));
    }
    if (!result_.kept.empty()) sync_folder(folder_of(target_));
  }

  void keep(const fs::path& old, const fs::path& kept) {
    std::optional<FileStat> there = stat_path(kept);
    if (there && there->same_file(*stat_path(old))) {
      result_.kept.push_back(kept);
      return;
    }
    std::error_code failed;
    fs::create_hard_link(old, kept, failed);
    if (failed) {
      File copy = File::create(kept);
      copy.copy_from(File::open_read(old));
      copy.sync();
    }
    result_.kept.push_back(kept);
  }

  fs::path kept_name(std::string_view suffix) const {
    return with_suffix(target_, fmt::format(".pre-restore-{}{}", stamp_, suffix));
  }
  // Of a WAL without its database: no name at which DuckDB would look for one, and delete it.
  fs::path kept_wal_name(std::string_view suffix) const {
    return with_suffix(target_, fmt::format("{}.pre-restore-{}", suffix, stamp_));
  }

  // The names of a stamp are those of one state: a restore that was stopped after it gave some is
  // gone on with, others are left alone.
  void choose_stamp(bool with_database) {
    if (with_database && continue_stamp()) return;
    std::string first = stamp_;
    for (int i = 2; stamp_is_taken(); ++i) stamp_ = fmt::format("{}-{}", first, i);
  }

  bool continue_stamp() {
    std::string prefix = kept_name("").filename().string();
    prefix.resize(prefix.size() - stamp_.size());
    FileStat database = *stat_path(target_);
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(target_))) {
      std::string name = entry.path().filename().string();
      if (!name.starts_with(prefix)) continue;
      std::optional<FileStat> there = stat_path(entry.path());
      if (!there || !there->same_file(database)) continue;
      stamp_ = name.substr(prefix.size());
      return true;
    }
    return false;
  }

  bool stamp_is_taken() const {
    if (stat_path(kept_name(""))) return true;
    return std::any_of(kWalSuffixes.begin(), kWalSuffixes.end(), [&](std::string_view suffix) {
      return stat_path(kept_name(suffix)) || stat_path(kept_wal_name(suffix));
    });
  }

  void settle(FileSink::Staged& staged) {
    if (details_.encrypted) {
      warn("the WAL was not folded in: DuckDB cannot be trusted to write an encrypted database");
      return;
    }
    step("folding the WAL in");
    TempFolder scratch = TempFolder::beside(target_);
    fs::path database = scratch.path() / target_.filename();
    File::create(database).copy_from(staged.database.temp.file());
    File::create(with_suffix(database, ".wal")).copy_from(staged.wal->temp.file());
    WorkerOptions worker;
    worker.library = options_.library;
    worker.scratch = scratch.path();
    worker.stop = options_.stop;
    SettledDatabase done = settle_database(database, false, worker);
    if (done.replayed.tables != done.settled.tables) {
      throw Error(Errc::unverified,
                  "folding the WAL in changed tables or row counts; restore without --settle");
    }
    staged.database.temp = TempFile::adopt(database, target_);
    staged.database.temp.file().sync();
    staged.wal.reset();
  }

  // The database at the target becomes the snapshot, but only if all that differs can be had: a
  // database is not given up for a snapshot that is damaged. From the first change to the last it
  // has no main header, and its old WAL is moved aside only then: killed anywhere, DuckDB opens
  // neither, and the same command goes on.
  void onto() {
    if (options_.settle) {
      throw Error(Errc::invalid, "--settle goes with a new file, not with --delta");
    }
    std::array<std::uint8_t, kBlockStart> image_head = head();
    std::optional<StagedFile> wal = stage_wal();
    File file = File::open_write(target_);
    check_begin(file);
    if (!is_unfinished(begin_of(file))) prove_what_differs(file);
    step(fmt::format("changing {} into the snapshot", target_.string()));
    refuse_open_target();
    remove_file(sidecar_path(target_));
    file.write_at(0, unfinished_header(unfinished_text()));
    file.sync();
    choose_stamp(false);
    for (std::string_view suffix : kWalSuffixes) {
      fs::path old = with_suffix(target_, suffix);
      if (!stat_path(old)) continue;
      fs::path kept = kept_wal_name(suffix);
      rename_file(old, kept);
      result_.kept.push_back(kept);
    }
    sync_folder(folder_of(target_));

    file.truncate(snapshot_.file.bytes);
    MapWriter writer(file, kBlockStart, snapshot_.file, true);
    writer.write(repository_, reader_, threads(), options_);
    file.write_at(kSlotBytes, ByteView(image_head).subspan(kSlotBytes));
    file.sync();
    if (wal) {
      wal->temp.file().take_access_of(*old_);
      wal->temp.rename_to(with_suffix(target_, ".wal"));
      sync_folder(folder_of(target_));
    }
    file.write_at(0, ByteView(image_head).first(kSlotBytes));
    file.sync();
    result_.written_bytes = writer.written_bytes() + kBlockStart;
    result_.wal_bytes = wal ? wal->bytes : 0;
  }

  void prove_what_differs(const File& file) const {
    step("proving what differs");
    try {
      MapWriter(file, kBlockStart, snapshot_.file, true)
          .prove(repository_, reader_, threads(), quiet());
    } catch (const Error& error) {
      if (error.code() != Errc::damaged) throw;
      throw error.within(
          fmt::format("{} is as it was, for the snapshot is damaged", target_.string()));
    }
  }

  // It is a database, or was while a --delta was stopped.
  void check_begin(const File& file) const {
    std::array<std::uint8_t, 12> begin = begin_of(file);
    if (is_unfinished(begin) || std::memcmp(begin.data() + 8, "DUCK", 4) == 0) return;
    throw Error(Errc::refused, "{} is no DuckDB database; --delta changes nothing else",
                target_.string());
  }

  const Repository& repository_;
  const Snapshot& snapshot_;
  const RestoreOptions& options_;
  SnapshotDetails details_;
  Index index_;
  ChunkReader reader_;
  bool with_wal_;
  bool unfinished_ = false;     // a restore was stopped at the target
  bool there_already_ = false;  // or was just done
  std::string stamp_;
  fs::path target_;
  std::optional<Claim> claim_;   // on the target
  std::optional<FileStat> old_;  // at the target when this began
  RestoreResult result_;
};

}  // namespace

RestoreResult restore(const Repository& repository, const Snapshot& snapshot,
                      const RestoreOptions& options) {
  return Restore(repository, snapshot, options).run();
}

}  // namespace duckback
