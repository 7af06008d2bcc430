#include "capture/capture.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "capture/opaque.h"
#include "capture/round.h"
#include "duckfile/free_list.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Tries of a live round that end with the same damaged block, before it counts as damaged and not
// as being written just then.
constexpr int kSameDamageTries = 2;
constexpr int kUnreadableTries = 50;

// Where nobody can tell what a newer writer does, nothing is certified.
std::optional<std::string> reason_against_certifying(const LiveDatabase& database) {
  const MainHeader& main = database.main();
  if (database.opaque()) return "the database is encrypted and its key is not given";
  if (is_network_filesystem(database.file().path())) {
    return "the database is on a network filesystem, where other machines can write unseen";
  }
  StorageVersion version = storage_version(main, database.slots().header());
  if (!version.known) {
    return fmt::format("storage version {} is newer than this duckback knows", version.number);
  }
  return std::nullopt;
}

class Capture {
 public:
  Capture(const fs::path& path, ImageSink& sink, const CaptureOptions& options)
      : path_(path),
        sink_(sink),
        options_(options),
        started_(Clock::now()),
        deadline_(started_ + options.timeout) {
    open();
  }

  Image run();

 private:
  void open();
  std::optional<Image> try_cold();
  std::optional<Image> try_live();
  std::optional<Target> choose_target();
  Target choose_cold_target(LiveWal& checkpoint_wal, std::vector<std::string>& warnings);
  void look_for_young_blocks();
  void await_change();
  void check_foreign_wal();
  Image finish(const Round& round, Grade grade);
  Image start_image() const;
  [[noreturn]] void throw_busy() const;
  [[noreturn]] void throw_damaged(const std::vector<DamagedBlock>& blocks,
                                  std::uint64_t count) const;
  [[noreturn]] void throw_truncated(const BlockMap& map, const DatabaseHeader& header) const;
  bool in_time() const { return Clock::now() < deadline_; }
  bool may_take_whole() const {
    return options_.whole_if_unreadable && !options_.require_certified;
  }

  const fs::path& path_;
  ImageSink& sink_;
  const CaptureOptions& options_;
  Clock::time_point started_;
  Clock::time_point deadline_;
  std::optional<LiveDatabase> database_;
  std::optional<CaptureState> state_;
  std::string unreadable_state_;
  std::optional<std::string> not_certifiable_;
  std::vector<std::string> warnings_;
  std::uint64_t first_iteration_ = 0;
  std::uint64_t seen_iteration_ = 0;
  std::uint64_t checkpoints_waited_ = 0;
  std::uint64_t replaced_ = 0;
  std::uint32_t rounds_before_ = 0;
  int unreadable_ = 0;
  int same_damage_ = 0;
  std::uint64_t damaged_id_ = 0;
  std::optional<Process> writer_;
};

void Capture::open() {
  if (state_) rounds_before_ += state_->rounds;
  state_.reset();
  database_.emplace(path_, options_.key);
  state_.emplace(CaptureState{*database_, sink_, options_, deadline_, Bitmap(), 0, 0});
  unreadable_state_.clear();
  try {
    if (!database_->opaque()) database_->slots();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || !may_take_whole()) throw;
    unreadable_state_ = error.what();
    return;
  }
  not_certifiable_ = reason_against_certifying(*database_);
  if (not_certifiable_ && options_.require_certified) {
    throw Error(Errc::unsupported, "no certified copy of {} is possible: {}", path_.string(),
                *not_certifiable_);
  }
  if (!database_->opaque()) {
    seen_iteration_ = first_iteration_ = database_->slots().header().iteration;
    look_for_young_blocks();
  }
}

Image Capture::run() {
  for (;;) {
    if (std::optional<Process> holder = find_lock_holder(database_->file(), LockKind::writing))
      writer_ = holder;
    if (database_->opaque() || !unreadable_state_.empty()) {
      Image image = start_image();
      image.unreadable = unreadable_state_;
      std::optional<Grade> grade = capture_opaque(*state_, image);
      if (!grade) throw_busy();
      image.grade = *grade;
      image.rounds = state_->rounds;
      image.elapsed = Clock::now() - started_;
      return image;
    }
    if (std::optional<Image> image = try_cold()) return *image;
    if (std::optional<Image> image = try_live()) return *image;
    if (!in_time()) throw_busy();
    state_->check_stop();
    await_change();
  }
}

Target Capture::choose_cold_target(LiveWal& checkpoint_wal, std::vector<std::string>& warnings) {
  try {
    return cold_target(*database_, checkpoint_wal, options_.allow_damaged, warnings);
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || !may_take_whole()) throw;
    return whole_wal_target(*database_, checkpoint_wal, error.what());
  }
}

// The database was closed for as long as it was read.
std::optional<Image> Capture::try_cold() {
  const File& file = database_->file();
  auto nobody_writes = [&](const Stillness& still) {
    LockState lock = look_at_lock(file, LockKind::writing);
    if (lock.holder || !lock.known || !database_->in_place()) return false;
    Openers openers = find_openers(still.database);
    if (!openers.writers.empty()) return false;
    // Processes that may not be looked at could have lost their lock; a file at rest says they do
    // not write.
    return openers.all_seen || still.unchanged_for() >= 2s;
  };
  if (is_network_filesystem(file.path())) return std::nullopt;
  Stillness before = database_->stillness();
  if (!nobody_writes(before)) return std::nullopt;

  auto still_so = [&] { return database_->stillness() == before && nobody_writes(before); };
  std::vector<std::string> warnings;
  LiveWal checkpoint_wal(database_->siblings().wal_checkpoint, database_->main().encryption,
                         database_->cipher());
  std::optional<Round> round;
  try {
    Target target = choose_cold_target(checkpoint_wal, warnings);
    state_->whole_file = may_take_whole();
    round.emplace(*state_, std::move(target));
    if (!round->complete() && !options_.allow_damaged) {
      throw_truncated(round->map(), round->target().header());
    }
    round->run_cold();
  } catch (const Error& error) {
    // A writer came meanwhile, so that what was read does not belong together.
    if (error.code() == Errc::corrupt && !still_so()) return std::nullopt;
    throw;
  }
  if (!still_so()) return std::nullopt;
  if (round->damaged_count() > 0 && !options_.allow_damaged) {
    throw_damaged(round->damaged(), round->damaged_count());
  }
  warnings_.insert(warnings_.end(), warnings.begin(), warnings.end());
  return finish(*round, Grade::cold);
}

std::optional<Image> Capture::try_live() {
  if (!database_->in_place()) {
    // Swapped for a new file; between the two there may be none.
    ++replaced_;
    if (stat_path(path_) || !in_time()) open();
    return std::nullopt;
  }
  std::optional<Target> target;
  try {
    target = choose_target();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || !may_take_whole()) throw;
    if (++unreadable_ > kUnreadableTries) unreadable_state_ = error.what();
    return std::nullopt;
  }
  if (!target) return std::nullopt;
  if (!database_->main_header_stands()) {
    // DuckDB upgrades a file from storage 64 in place.
    open();
    return std::nullopt;
  }
  std::optional<Round> round;
  try {
    // The free list moved while it was read, or it is damaged: then it stays so.
    state_->whole_file = may_take_whole() && unreadable_ >= kUnreadableTries;
    round.emplace(*state_, *target);
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || ++unreadable_ > kUnreadableTries) throw;
    return std::nullopt;
  }
  if (round->unreadable().empty()) unreadable_ = 0;
  if (!round->complete()) {
    // DuckDB 1.5 counts blocks given out while it writes the free list, which may not be in the
    // file yet: the next header tells.
    if (!in_time()) throw_truncated(round->map(), target->header());
    return std::nullopt;
  }
  Round::End end = round->run_live();
  if (end == Round::End::lost || !database_->in_place()) return std::nullopt;
  if (round->damaged_count() > 0 && !options_.allow_damaged) {
    bool same = same_damage_ > 0 && round->damaged().front().id == damaged_id_;
    damaged_id_ = round->damaged().front().id;
    same_damage_ = same ? same_damage_ + 1 : 1;
    if (same_damage_ >= kSameDamageTries) throw_damaged(round->damaged(), round->damaged_count());
    return std::nullopt;
  }
  return finish(*round, end == Round::End::certified ? Grade::certified : Grade::quiet);
}

std::optional<Target> Capture::choose_target() {
  Target target;
  if (std::optional<Slots> point = database_->find_clean_point()) {
    const WalContent& wal = database_->wal().content();
    check_wal_identifier(*database_, *wal.header, database_->siblings().wal);
    target.slots = *point;
    target.clean_wal = database_->wal().file();
    std::uint64_t end = wal.committed_end;
    std::uint64_t commits = wal.commits;
    // Any prefix is a committed state. Commits from before we began are in the WAL of the first
    // generation, or (made during its checkpoint) of the second; later a prefix without row groups
    // will do, which spares the free area.
    if (wal.has_row_groups && point->header().iteration >= first_iteration_ + 2) {
      end = wal.end_before_row_groups;
      commits = wal.commits_before_row_groups;
    }
    add_wal(target, database_->wal(), end, commits);
    return target;
  }
  target.slots = database_->slots();
  bool committed = database_->follow_wal() && database_->wal().scan().header &&
                   (database_->wal().content().commits > 0 || database_->wal().content().marker);
  if (committed || !database_->in_place()) {
    check_foreign_wal();
    return std::nullopt;
  }
  return target;
}

// A WAL that stays and belongs to another database is refused, instead of waiting for it to go.
void Capture::check_foreign_wal() {
  const LiveWal& wal = database_->wal();
  if (!wal.file() || !wal.in_place() || !wal.content().header) return;
  // A new file takes the database's place before its WAL comes.
  if (!database_->in_place()) return;
  check_wal_identifier(*database_, *wal.content().header, database_->siblings().wal);
}

// The header before the active one says which blocks are new; what it points to may be gone
// already.
void Capture::look_for_young_blocks() {
  Slots slots = database_->slots();
  for (const std::optional<DatabaseHeader>& header : slots.headers) {
    try {
      read_free_list(database_->file(), *header, database_->cipher(),
                     {.free_block =
                          [&](std::uint64_t id) {
                            if (id >= state_->young.size()) {
                              std::uint64_t in_file =
                                  database_->file().stat().bytes / header->block_bytes;
                              if (id >= in_file) return;
                              state_->young.resize(in_file);
                            }
                            state_->young.set(id);
                          },
                      .multi_use_block = nullptr,
                      .metadata_block = nullptr});
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;  // Only a hint: an old list may be overwritten.
    }
  }
}

// Between two tries: a checkpoint may come or end.
void Capture::await_change() {
  std::this_thread::sleep_for(500us);
  state_->report({0, 0, 0, state_->rounds, "a moment without a checkpoint"});
  if (!database_->in_place()) return;
  std::uint64_t iteration = database_->slots().header().iteration;
  if (iteration == seen_iteration_) return;
  checkpoints_waited_ += iteration > seen_iteration_ ? iteration - seen_iteration_ : 1;
  seen_iteration_ = iteration;
  look_for_young_blocks();
}

Image Capture::start_image() const {
  Image image;
  image.path = resolve_path(path_);
  image.source = database_->file().stat();
  image.main = database_->main();
  image.writer = writer_;
  image.warnings = warnings_;
  if (not_certifiable_) image.warnings.push_back("not certified: " + *not_certifiable_);
  image.elapsed = Clock::now() - started_;
  return image;
}

Image Capture::finish(const Round& round, Grade grade) {
  const Target& target = round.target();
  Image image = start_image();
  image.grade = grade == Grade::certified && not_certifiable_ ? Grade::quiet : grade;
  image.file_bytes =
      block_offset(round.image_end(), target.header().block_bytes) + round.tail_bytes();
  image.wal_bytes = target.wal_bytes();
  image.wal_commits = target.wal_commits;
  image.header = target.header();
  image.blocks = round.blocks();
  image.free_blocks = round.map().free_blocks;
  image.damaged = round.damaged();
  image.damaged_blocks = round.damaged_count() + round.map().used_beyond_file;
  image.wal_damaged = target.wal_damaged;
  image.wal_unreadable = target.wal_unreadable;
  image.unreadable = round.unreadable();
  if (std::uint64_t beyond = round.map().used_beyond_file; beyond > 0) {
    image.warnings.push_back(fmt::format(
        "the file is truncated: its header counts {} of {}, and {} of those in use {} "
        "behind its end ({} bytes)",
        count_of(target.header().block_count, "block"), format_bytes(target.header().block_bytes),
        beyond, beyond == 1 ? "is" : "are", image.source.bytes));
  }
  if (image.grade == Grade::cold && target.wal_commits > 0 && !target.wal_identifier) {
    image.warnings.push_back(
        "that the WAL beside the database belongs to it cannot be proven: files of this storage "
        "version "
        "carry nothing that says so");
  }
  image.rounds = rounds_before_ + state_->rounds;
  image.checkpoints_seen = state_->checkpoints_seen + checkpoints_waited_;

  std::array<std::uint8_t, kSlotBytes> main = image.main.raw;
  if (target.wal_identifier && *target.wal_identifier != image.main.identifier) {
    main = with_identifier(image.main, *target.wal_identifier);
    image.identifier_repaired = true;
    image.warnings.push_back(
        "the identifier in the main header is not the WAL's, as DuckDB leaves it when it upgrades "
        "a file from "
        "storage 64; DuckDB would refuse to open the pair after a crash. The copy has it repaired");
  }
  const Slot& slot = target.slots.active_raw();
  std::copy(main.begin(), main.end(), image.head.begin());
  std::copy(slot.begin(), slot.end(), image.head.begin() + kSlotBytes);
  std::copy(slot.begin(), slot.end(), image.head.begin() + 2 * kSlotBytes);
  return image;
}

void Capture::throw_busy() const {
  std::string who =
      writer_ ? fmt::format("it is held by {}", to_text(*writer_)) : "no lock on it was seen";
  std::string what =
      fmt::format("{}, {} seen", count_of(rounds_before_ + state_->rounds, "round"),
                  count_of(state_->checkpoints_seen + checkpoints_waited_, "checkpoint"));
  if (options_.require_certified)
    what += ", and --require-certified refuses one that is only quiet";
  if (replaced_ > 0) what += fmt::format(", the file was replaced {}", count_of(replaced_, "time"));
  throw Error(
      Errc::busy,
      "no consistent image of {} within {} ({}; {}). Try again with a longer "
      "`duckback copy --timeout` or at a calmer time; "
      "or let the application help: a connection of it runs BEGIN; UPDATE any_table SET c = c "
      "WHERE false; "
      "keeps that transaction open while duckback runs, and then ROLLBACK: no checkpoint can start "
      "meanwhile, and other commits go on",
      path_.string(), format_duration(Clock::now() - started_), who, what);
}

void Capture::throw_damaged(const std::vector<DamagedBlock>& blocks, std::uint64_t count) const {
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(blocks.size(), 5); ++i) {
    list +=
        fmt::format("{}block {} (offset {})", i == 0 ? "" : ", ", blocks[i].id, blocks[i].offset);
  }
  if (count > 5) list += fmt::format(" and {} more", count - 5);
  throw Error(Errc::corrupt,
              "{} is damaged: {} {} not match {} checksum, possibly where nothing refers to it. "
              "Your older copies "
              "are the way back; to keep a copy of what is there, use "
              "`duckback copy --allow-damaged`",
              path_.string(), list, count == 1 ? "does" : "do", count == 1 ? "its" : "their");
}

void Capture::throw_truncated(const BlockMap& map, const DatabaseHeader& header) const {
  throw Error(
      Errc::corrupt,
      "{} is truncated: its header counts {} of {}, and {} of those in use {} behind the end of "
      "the file ({} bytes), possibly where nothing refers to them. Your older copies are the "
      "way back; to keep a copy of what is there, use `duckback copy --allow-damaged`",
      path_.string(), count_of(header.block_count, "block"), format_bytes(header.block_bytes),
      map.used_beyond_file, map.used_beyond_file == 1 ? "is" : "are",
      database_->file().stat().bytes);
}

}  // namespace

std::string_view name_of(Grade grade) {
  switch (grade) {
    case Grade::certified:
      return "certified";
    case Grade::quiet:
      return "quiet";
    case Grade::cold:
      return "cold";
  }
  return "quiet";
}

Image capture(const fs::path& path, ImageSink& sink, const CaptureOptions& options) {
  return Capture(path, sink, options).run();
}

}  // namespace duckback
