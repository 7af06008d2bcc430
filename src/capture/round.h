#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "base/task_group.h"
#include "capture/block_reader.h"
#include "capture/target.h"
#include "duckfile/block_map.h"

namespace duckback {

// What all rounds of a capture share.
struct CaptureState {
  LiveDatabase& database;
  ImageSink& sink;
  const CaptureOptions& options;
  std::chrono::steady_clock::time_point deadline;
  // Blocks that a header of this capture called free: the ones in use among them will be freed
  // next, and are read first. Only an order, so nothing depends on it.
  Bitmap young;
  std::uint32_t rounds = 0;
  std::uint64_t checkpoints_seen = 0;
  // Where the free list cannot be read, take every block of the file.
  bool whole_file = false;
  Bitmap carried{};  // for the mutation "carry_over" only

  // Threads for a sink that takes several.
  std::unique_ptr<TaskGroup> workers{};

  void check_stop() const;
  void report(const CaptureProgress& progress) const;
  // Gives them to the sink now or, where it takes several threads, soon. Until drain() no block is
  // given twice.
  void write_blocks(std::uint64_t offset, Bytes&& blocks);
  // All blocks have been given to the sink.
  void drain();
};

// Blocks read and not yet proven. They lie close together, so that emptying the set costs little
// however many blocks the database has.
class ProvisionalBlocks {
 public:
  explicit ProvisionalBlocks(std::uint64_t size = 0) : bits_(size) {}
  bool empty() const { return end_ == 0; }
  bool test(std::uint64_t id) const { return bits_.test(id); }
  void set(std::uint64_t id) {
    bits_.set(id);
    begin_ = empty() ? id : std::min(begin_, id);
    end_ = std::max(end_, id + 1);
  }
  void clear() {
    for (std::uint64_t id = bits_.next(begin_); id < end_; id = bits_.next(id + 1)) bits_.reset(id);
    begin_ = end_ = 0;
  }

 private:
  Bitmap bits_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

// One try for one target: reads its blocks and keeps book of which are proven, by the rules of
// docs/capture.md. A block is pending (to be read), then provisional (read, not yet proven), then
// proven (neither).
class Round {
 public:
  enum class End { certified, quiet, cold, lost };

  Round(CaptureState& state, Target target);

  // The target was chosen at a clean point, or (quiet) at a moment without a committed WAL.
  End run_live();
  // Nobody has the database open for writing: no proof is kept, the caller compares before and
  // after.
  End run_cold();

  const Target& target() const { return target_; }
  // False if the file ends before blocks that the header uses: then nothing was read.
  bool complete() const { return map_.used_beyond_file == 0; }
  const BlockMap& map() const { return map_; }
  // Why every block of the file is taken; "" if the free list says which are in use.
  const std::string& unreadable() const { return unreadable_; }
  std::uint64_t image_end() const { return image_end_; }
  // Of a file that is cut off inside a block: what is left of that block, behind image_end().
  std::uint64_t tail_bytes() const { return tail_bytes_; }
  std::uint64_t blocks() const { return blocks_; }
  const std::vector<DamagedBlock>& damaged() const { return damaged_; }
  std::uint64_t damaged_count() const { return damaged_count_; }

 private:
  struct ColdRun {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };
  void begin();
  void mutate_wal();
  void carry_over();
  bool read_gap();
  bool seals(const Slots& point) const;
  bool read_pending();
  bool read_forwards(bool only_young);
  bool read_backwards();
  std::uint64_t run_blocks() const;
  bool read_suspects(int tries);
  void read_free_area();
  void read_clone(const ByteSource& clone);
  std::uint64_t blocks_in(std::uint64_t file_bytes) const;
  End wait_for_proof();
  bool read_run(std::uint64_t first, std::uint64_t count);
  void read_cold();
  void read_cold_runs();
  void measure_tail();
  void read_tail();
  std::optional<ColdRun> next_cold_run();
  bool poll();
  bool observe(const Slots& now);
  void file_damage(std::uint64_t id, bool readable);
  Digest hash_metadata() const;
  void report(std::string_view waiting_for = {});

  CaptureState& state_;
  LiveDatabase& database_;
  Target target_;
  BlockReader reader_;
  BlockMap map_;
  std::string unreadable_;
  Stillness before_;   // of a live round
  Digest metadata_{};  // hash of the metadata blocks at the end of the gap, where no clean point
                       // proves them
  Bitmap pending_;
  Bitmap used_;  // for the mutation "carry_over" only
  ProvisionalBlocks provisional_;
  std::vector<std::uint64_t> suspects_;  // read, but not whole
  std::uint64_t blocks_done_ = 0;
  std::uint64_t cold_from_ = 0;  // where the next run of read_cold() may begin
  std::mutex mutex_;          // while read_cold() has several threads: for these three and pending_
  std::uint64_t latest_ = 0;  // the newest iteration observed
  bool live_ = true;
  bool gap_read_ = false;  // the gap's blocks have been read
  bool sealed_ = false;    // and a clean point of the target's generation followed
  std::uint64_t image_end_ = 0;
  std::uint64_t tail_bytes_ = 0;
  std::uint64_t blocks_ = 0;
  std::vector<DamagedBlock> damaged_;
  std::uint64_t damaged_count_ = 0;
};

}  // namespace duckback
