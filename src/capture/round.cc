#include "capture/round.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "capture/mutation.h"
#include "duckfile/free_list.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Between two looks at the header slots: at 1 MiB about half a millisecond goes by, less than any
// checkpoint with its two fsyncs takes. Where nobody writes, longer runs are faster.
constexpr std::uint64_t kLiveRunBytes = 1 << 20;
constexpr std::uint64_t kColdRunBytes = 2 << 20;
// By several threads: what one has read is still in its core's cache when it is hashed.
constexpr std::uint64_t kParallelRunBytes = 512 << 10;
// Buffers on their way to the sink.
constexpr std::size_t kQueuedMost = 4;
// Of a block that is not whole; a live one may be torn for as long as a write takes.
constexpr int kTries = 100;
// So that a file full of damage does not fill the memory.
constexpr std::size_t kSuspectsMost = 4096;
constexpr auto kQuietTime = 2s;
constexpr auto kPollPause = 1ms;

// All blocks are in use, and any may be metadata: so a live round reads all of them in its gap,
// where no checkpoint can have begun, and no free list is needed to prove them.
BlockMap whole_file_map(std::uint64_t file_bytes, const DatabaseHeader& header) {
  std::uint64_t in_file =
      file_bytes < kBlockStart ? 0 : (file_bytes - kBlockStart) / header.block_bytes;
  BlockMap map{.used = Bitmap(in_file), .metadata = Bitmap(in_file)};
  map.total_blocks = in_file;
  map.used.set_all();
  map.metadata.set_all();
  return map;
}

}  // namespace

void CaptureState::check_stop() const {
  if (options.stop.stop_requested()) throw Interrupted();
}

void CaptureState::report(const CaptureProgress& progress) const {
  if (options.progress) options.progress(progress);
}

void CaptureState::write_blocks(std::uint64_t offset, Bytes&& blocks) {
  if (sink.threads() == 1) {
    sink.write_blocks(offset, std::move(blocks));
    return;
  }
  if (!workers) workers = std::make_unique<TaskGroup>(sink.threads(), kQueuedMost);
  auto shared = std::make_shared<Bytes>(std::move(blocks));
  workers->run([this, offset, shared] { sink.write_blocks(offset, std::move(*shared)); });
}

void CaptureState::drain() {
  if (workers) workers->wait();
}

Round::Round(CaptureState& state, Target target)
    : state_(state),
      database_(state.database),
      target_(std::move(target)),
      reader_(database_.file(), target_.header().block_bytes, database_.cipher(), &state_.sink,
              [&state](std::uint64_t offset, Bytes&& blocks) {
                state.write_blocks(offset, std::move(blocks));
              }) {
  latest_ = target_.header().iteration;
  std::uint64_t file_bytes = database_.file().stat().bytes;
  try {
    map_ = read_block_map(database_.file(), file_bytes, target_.header(), database_.cipher());
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || !state.whole_file) throw;
    unreadable_ = error.what();
    map_ = whole_file_map(file_bytes, target_.header());
  }
}

void Round::begin() {
  ++state_.rounds;
  state_.check_stop();
  pending_ = std::move(map_.used);
  if (live_) {
    provisional_ = ProvisionalBlocks(pending_.size());
    if (state_.young.size() < pending_.size()) state_.young.resize(pending_.size());
  }
  std::uint64_t last = pending_.previous(pending_.size());
  image_end_ = last < pending_.size() ? last + 1 : 0;
  blocks_ = pending_.count();
  std::array<std::uint8_t, kBlockStart> head;
  std::copy(database_.main().raw.begin(), database_.main().raw.end(), head.begin());
  const Slot& slot = target_.slots.active_raw();
  std::copy(slot.begin(), slot.end(), head.begin() + kSlotBytes);
  std::copy(slot.begin(), slot.end(), head.begin() + 2 * kSlotBytes);
  if (mutated("carry_over")) used_ = pending_;
  if (mutated("carry_over") && state_.carried.size() > 0) {
    for (std::uint64_t id = 0; id < pending_.size(); ++id) {
      if (state_.carried.test(id)) pending_.reset(id);
    }
    return;
  }
  std::uint64_t block_bytes = target_.header().block_bytes;
  state_.drain();
  if (!live_ && state_.whole_file) measure_tail();
  state_.sink.begin(block_offset(image_end_, block_bytes) + tail_bytes_, block_bytes, head);
}

Round::End Round::run_live() {
  if (!complete()) return End::lost;
  before_ = database_.stillness();
  begin();
  End end = read_gap() && read_pending() ? wait_for_proof() : End::lost;
  if (end == End::lost && mutated("carry_over")) carry_over();
  if (end == End::certified && mutated("wal_after_blocks")) mutate_wal();
  state_.drain();
  return end;
}

// What the mutation run switches on: the WAL's end chosen after the blocks were read,
void Round::mutate_wal() {
  if (!database_.follow_wal()) return;
  const WalContent& content = database_.wal().scan();
  if (!content.header) return;
  target_.wal.clear();
  target_.wal_commits = 0;
  add_wal(target_, database_.wal(), content.committed_end, content.commits);
  read_wal(target_, &state_.sink);
}

// and blocks of a lost round kept for the next one without reading them again.
void Round::carry_over() {
  state_.carried = used_;
  for (std::uint64_t id = 0; id < state_.carried.size(); ++id) {
    if (pending_.test(id) || map_.metadata.test(id)) state_.carried.reset(id);
  }
}

Round::End Round::run_cold() {
  live_ = false;
  begin();
  read_wal(target_, &state_.sink);
  if (const ByteSource* clone = state_.sink.clone(database_.file())) {
    read_clone(*clone);
    return End::cold;
  }
  if (target_.with_free_area) read_free_area();
  read_cold();
  if (tail_bytes_ > 0) read_tail();
  state_.drain();
  return End::cold;
}

// Nothing is proven on the way, so several threads may read, each run after run.
void Round::read_cold() {
  std::size_t threads = state_.sink.threads();
  if (threads == 1) {
    read_pending();
    return;
  }
  while (pending_.next(0) < pending_.size()) {
    TaskGroup readers(threads, threads);
    for (std::size_t i = 0; i < threads; ++i) readers.run([this] { read_cold_runs(); });
    readers.wait();
    read_suspects(kTries);
  }
}

void Round::read_cold_runs() {
  BlockReader reader(database_.file(), target_.header().block_bytes, database_.cipher(),
                     &state_.sink, [this](std::uint64_t offset, Bytes&& blocks) {
                       state_.sink.write_blocks(offset, std::move(blocks));
                     });
  std::vector<std::uint64_t> bad;
  while (std::optional<ColdRun> run = next_cold_run()) {
    state_.check_stop();
    bad.clear();
    reader.read(run->first, run->count, bad);
    std::lock_guard lock(mutex_);
    suspects_.insert(suspects_.end(), bad.begin(), bad.end());
    blocks_done_ += run->count;
    report();
  }
}

// Where the file may be cut off, what is left of its last block is kept too.
void Round::measure_tail() {
  if (complete() && unreadable_.empty()) return;
  std::uint64_t file_bytes = database_.file().size();
  if (file_bytes <= kBlockStart) return;
  tail_bytes_ = (file_bytes - kBlockStart) % target_.header().block_bytes;
  if (tail_bytes_ > 0) image_end_ = blocks_in(file_bytes);
}

void Round::read_tail() {
  Bytes tail(tail_bytes_);
  std::uint64_t offset = block_offset(image_end_, target_.header().block_bytes);
  tail.resize(database_.file().read_at(offset, tail));
  state_.write_blocks(offset, std::move(tail));
}

// Takes it from those pending. None if all are taken, or if there are too many suspects.
std::optional<Round::ColdRun> Round::next_cold_run() {
  std::uint64_t most = std::max<std::uint64_t>(1, kParallelRunBytes / target_.header().block_bytes);
  std::lock_guard lock(mutex_);
  std::uint64_t first = pending_.next(cold_from_);
  if (first == pending_.size() || suspects_.size() > kSuspectsMost) return std::nullopt;
  std::uint64_t end = first;
  while (end - first < most && pending_.test(end)) pending_.reset(end++);
  cold_from_ = end;
  return ColdRun{first, end - first};
}

// What has to be read between the choice of the target and a clean point of its generation: the
// WAL, the metadata blocks, and the free area if the WAL refers to blocks in it.
bool Round::read_gap() {
  Digest first = read_wal(target_, &state_.sink);
  const ByteSource* clone = state_.sink.clone(database_.file());
  if (clone == nullptr) {
    for (std::uint64_t id = map_.metadata.next(0); id < map_.metadata.size();
         id = map_.metadata.next(id + 1)) {
      if (pending_.test(id) && !read_run(id, 1)) return false;
    }
    if (!read_suspects(20)) return false;
    if (target_.with_free_area) read_free_area();
  }
  if (!target_.clean_wal) metadata_ = hash_metadata();
  gap_read_ = true;
  std::optional<Slots> point = database_.find_clean_point();
  sealed_ = point && seals(*point);
  if (target_.clean_wal && !sealed_) return false;
  if (read_wal(target_, nullptr) != first || !target_.wal_is_whole()) return false;
  if (sealed_) provisional_.clear();
  if (clone != nullptr) read_clone(*clone);
  return true;
}

// A clean point of the target's generation, with the WAL that was there at its choice: a writer
// that died and came back in between may have put another in its place.
bool Round::seals(const Slots& point) const {
  return point.header().iteration == target_.header().iteration &&
         (!target_.clean_wal || target_.clean_wal == database_.wal().file());
}

// Blocks outside the used set that exist and are whole may be what the WAL refers to; it cannot
// refer to others, for they were complete before its commit.
void Round::read_free_area() {
  std::uint64_t block_bytes = target_.header().block_bytes;
  std::uint64_t in_file = blocks_in(database_.file().size());
  std::uint64_t most = std::max<std::uint64_t>(1, kColdRunBytes / block_bytes);
  // In the gap nothing is proven yet.
  auto in_use = [&](std::uint64_t id) { return pending_.test(id) || provisional_.test(id); };
  std::vector<std::uint64_t> bad;
  for (std::uint64_t id = 0; id < in_file;) {
    if (in_use(id)) {
      ++id;
      continue;
    }
    state_.check_stop();
    std::uint64_t count = 1;
    while (count < most && id + count < in_file && !in_use(id + count)) ++count;
    bad.clear();
    reader_.read(id, count, bad);
    blocks_ += count - bad.size();
    for (std::uint64_t last = id + count; last > id; --last) {
      if (std::find(bad.begin(), bad.end(), last - 1) == bad.end()) {
        image_end_ = std::max(image_end_, last);
        break;
      }
    }
    id += count;
  }
}

std::uint64_t Round::blocks_in(std::uint64_t file_bytes) const {
  return file_bytes > kBlockStart ? (file_bytes - kBlockStart) / target_.header().block_bytes : 0;
}

// The clone holds everything as it was at one moment: its blocks are only verified.
void Round::read_clone(const ByteSource& clone) {
  if (target_.with_free_area) image_end_ = std::max(image_end_, blocks_in(clone.size()));
  BlockReader reader(clone, target_.header().block_bytes, database_.cipher(), nullptr);
  std::uint64_t most = std::max<std::uint64_t>(1, kColdRunBytes / target_.header().block_bytes);
  std::vector<std::uint64_t> bad;
  for (std::uint64_t id = pending_.next(0); id < pending_.size(); id = pending_.next(id)) {
    state_.check_stop();
    std::uint64_t count = 1;
    while (count < most && pending_.test(id + count)) ++count;
    if (state_.options.verify_blocks) reader.read(id, count, bad);
    for (std::uint64_t one : bad) file_damage(one, true);
    bad.clear();
    blocks_done_ += count;
    for (std::uint64_t end = id + count; id < end; ++id) {
      pending_.reset(id);
      if (live_ && !sealed_) provisional_.set(id);
    }
    report();
  }
}

bool Round::read_run(std::uint64_t first, std::uint64_t count) {
  state_.check_stop();
  if (suspects_.size() > kSuspectsMost && !read_suspects(kTries)) return false;
  std::size_t bad_before = suspects_.size();
  reader_.read(first, count, suspects_);
  blocks_done_ += count;
  if (live_ && !poll()) return false;
  // Only now: a header that came while they were read counts against them while they were pending.
  for (std::uint64_t id = first, bad = bad_before; id < first + count; ++id) {
    if (bad < suspects_.size() && suspects_[bad] == id) {
      ++bad;
      continue;
    }
    pending_.reset(id);
    if (live_) provisional_.set(id);
  }
  report();
  return true;
}

bool Round::read_pending() {
  // The first round goes through the file in order: most databases change slowly, and a hash of the
  // image can be taken on the way. Once a target was lost, what was new lately is read first, and
  // then backwards: DuckDB gives out the lowest free block, so that the old mass lies at the
  // beginning.
  state_.drain();
  state_.sink.expect(pending_);
  bool in_order = !live_ || state_.rounds == 1 || state_.sink.in_order();
  if (in_order) return read_forwards(false) && read_suspects(kTries);
  return read_forwards(true) && read_backwards() && read_suspects(kTries);
}

bool Round::read_forwards(bool only_young) {
  auto wanted = [&](std::uint64_t id) {
    return pending_.test(id) && (!only_young || state_.young.test(id));
  };
  std::uint64_t most = run_blocks();
  std::uint64_t from = 0;
  for (std::uint64_t id = pending_.next(0); id < pending_.size(); id = pending_.next(from)) {
    from = id + 1;
    if (!wanted(id)) continue;
    std::uint64_t count = 1;
    while (count < most && wanted(id + count)) ++count;
    if (!read_run(id, count)) return false;
    from = id + count;
  }
  return true;
}

bool Round::read_backwards() {
  std::uint64_t most = run_blocks();
  std::uint64_t end = pending_.size();
  for (std::uint64_t id = pending_.previous(end); id < pending_.size();
       id = pending_.previous(end)) {
    std::uint64_t count = 1;
    while (count < most && id > 0 && pending_.test(id - 1)) {
      --id;
      ++count;
    }
    if (!read_run(id, count)) return false;
    end = id;
  }
  return true;
}

std::uint64_t Round::run_blocks() const {
  return std::max<std::uint64_t>(
      1, (live_ ? kLiveRunBytes : kColdRunBytes) / target_.header().block_bytes);
}

// Reads again what was not whole: it may have been torn by a writer. What stays so is damaged.
bool Round::read_suspects(int tries) {
  std::sort(suspects_.begin(), suspects_.end());
  suspects_.erase(std::unique(suspects_.begin(), suspects_.end()), suspects_.end());
  for (int i = 0; i < tries && !suspects_.empty(); ++i) {
    if (!live_ && i > 0) break;
    if (i > 0 && Clock::now() > state_.deadline) break;
    if (i > 0) std::this_thread::sleep_for(2ms);
    state_.check_stop();
    std::vector<std::uint64_t> again;
    std::swap(again, suspects_);
    for (std::uint64_t id : again) {
      std::size_t before = suspects_.size();
      reader_.read(id, 1, suspects_);
      if (live_ && suspects_.size() == before) {
        if (!poll()) return false;
        pending_.reset(id);
        provisional_.set(id);
      }
      if (!live_) pending_.reset(id);
    }
    if (live_ && !poll()) return false;
  }
  std::vector<std::uint64_t> damaged;
  std::swap(damaged, suspects_);
  for (std::uint64_t id : damaged) {
    bool readable = reader_.read_raw(id);
    pending_.reset(id);
    provisional_.set(id);
    file_damage(id, readable);
  }
  return true;
}

void Round::file_damage(std::uint64_t id, bool readable) {
  if (!readable) --blocks_;
  ++damaged_count_;
  if (damaged_.size() < kDamagedMost) {
    damaged_.push_back({.id = id, .offset = block_offset(id, target_.header().block_bytes)});
  }
}

// Looks at the header slots and settles what can be settled. False if the target cannot be reached
// any more.
bool Round::poll() {
  if (!database_.in_place()) return false;
  if (!observe(database_.slots())) return false;
  std::optional<Slots> point = database_.find_clean_point();
  if (point && point->header().iteration == latest_) {
    if (gap_read_ && seals(*point)) sealed_ = true;
    if (sealed_) provisional_.clear();
  }
  return true;
}

// A new header: blocks it calls free may have been written anew since the checkpoint before. Those
// not yet read, or read and not yet proven, are lost; the other provisional ones are proven.
bool Round::observe(const Slots& now) {
  const DatabaseHeader& header = now.header();
  if (header.iteration == latest_) {
    return latest_ != target_.header().iteration || now.active_raw() == target_.slots.active_raw();
  }
  // A header that was missed, or another file's.
  if (header.iteration != latest_ + 1) return false;
  if (!sealed_) return false;
  ++state_.checkpoints_seen;
  std::uint64_t lost = 0;
  try {
    read_free_list(database_.file(), header, database_.cipher(),
                   {.free_block =
                        [&](std::uint64_t id) {
                          if (pending_.test(id) || provisional_.test(id)) ++lost;
                          state_.young.set(id);
                        },
                    .multi_use_block = nullptr,
                    .metadata_block = nullptr});
  } catch (const Error& error) {
    // Moving on while we read it: the same as a missed header.
    if (error.code() != Errc::corrupt) throw;
    return false;
  }
  if (database_.slots().header().iteration != header.iteration) return false;
  if (lost > 0 && !mutated("ignore_free_lists")) return false;
  latest_ = header.iteration;
  provisional_.clear();
  return true;
}

Round::End Round::wait_for_proof() {
  Stillness still = database_.stillness();
  Clock::time_point still_since = Clock::now();
  for (;;) {
    if (sealed_ && provisional_.empty()) return End::certified;
    if (!poll()) return End::lost;
    Stillness now = database_.stillness();
    if (!(now == still)) {
      still = now;
      still_since = Clock::now();
    }
    bool committed_wal =
        database_.follow_wal() && database_.wal().scan().header &&
        (database_.wal().content().commits > 0 || database_.wal().content().marker);
    // At rest by having been watched, or by the file's times if nothing changed since before the
    // first read.
    bool at_rest = Clock::now() - still_since >= kQuietTime ||
                   (still == before_ && still.unchanged_for() >= kQuietTime);
    if (!committed_wal && at_rest && !state_.options.require_certified) {
      if (sealed_ || hash_metadata() == metadata_) return End::quiet;
      return End::lost;
    }
    if (Clock::now() > state_.deadline) return End::lost;
    state_.check_stop();
    report(committed_wal ? "a moment without a checkpoint" : "the database to rest");
    std::this_thread::sleep_for(kPollPause);
  }
}

Digest Round::hash_metadata() const {
  Blake3 hash;
  Bytes block(target_.header().block_bytes);
  for (std::uint64_t id = map_.metadata.next(0); id < map_.metadata.size();
       id = map_.metadata.next(id + 1)) {
    std::size_t got = database_.file().read_at(block_offset(id, block.size()), block);
    hash.update(ByteView(block).first(got));
  }
  return hash.digest();
}

void Round::report(std::string_view waiting_for) {
  state_.report({.blocks_done = std::min(blocks_done_, blocks_),
                 .blocks_total = blocks_,
                 .bytes_done = blocks_done_ * target_.header().block_bytes,
                 .round = state_.rounds,
                 .waiting_for = waiting_for});
}

}  // namespace duckback
