#pragma once

#include <functional>
#include <stop_token>

#include "base/bitmap.h"
#include "repo/chunk_reader.h"
#include "repo/mark.h"
#include "repo/repository.h"

namespace duckback {

struct PruneOptions {
  bool dry_run = false;
  // A mark becomes a removal after this long, by the store's clock.
  std::chrono::milliseconds grace{};
  // Remove at once what is not needed. Refused while another session is open.
  bool now = false;
  // Packs with more dead bytes than this, in percent of their size, are repacked.
  int unused_most_percent = 50;
  // Sessions not heard of for this long are taken for dead, and so is who left what is no object.
  std::chrono::milliseconds session_lifetime = std::chrono::hours(7 * 24);
  std::function<void(const std::string&)> step;
  std::stop_token stop;
};

struct PruneReport {
  std::uint64_t snapshots = 0;
  std::uint64_t live_chunks = 0;
  std::uint64_t live_bytes = 0;    // stored
  std::uint64_t dead_bytes = 0;    // in packs that stay
  std::uint64_t packs = 0;         // before
  std::uint64_t marked_packs = 0;  // newly
  std::uint64_t marked_bytes = 0;
  std::uint64_t waiting_packs = 0;  // marked earlier, not removed yet
  std::uint64_t rescued_packs = 0;
  std::uint64_t repacked_packs = 0;
  std::uint64_t removed_packs = 0;
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_snapshots = 0;  // forgotten ones, for good
  // Why nothing was removed though something could be, "" otherwise.
  std::string waits_for;
};

// Frees what no snapshot needs, in two phases, beside running backups (docs/format.md, "Prune").
// Several at once do no harm. Throws Errc::damaged, having changed nothing, if a snapshot or a map
// cannot be read: what it needs is not known then.
PruneReport prune(const Repository& repository, const PruneOptions& options);

// Which chunks snapshots reach: one bit an index entry. A chunk that is in several packs is live in
// one: if it can be not in a `missing` one, not in a `damaged` one, and not in one that the index
// treats as absent, and of these in that of the lowest id, so that two collectors choose the same.
class Liveness {
 public:
  explicit Liveness(const Index& index, std::set<std::string> missing = {},
                    std::set<std::string> damaged = {});
  // True the first time. Throws Errc::damaged if it is in no index.
  bool set(const ChunkId& id);
  // The same where nobody waits for the answer: done together with many others, by finish() at the
  // latest. One by one, each would read a page of every index file.
  void add(const ChunkId& id);
  // Throws Errc::damaged if something added was in no index; all else is set then, too.
  void finish();
  bool holds(const ChunkId& id) const;
  bool test(std::size_t file, std::uint64_t number) const { return live_[file].test(number); }
  const Bitmap& of(std::size_t file) const { return live_[file]; }

 private:
  static constexpr std::size_t kAddedMost = 1 << 18;  // 8 MiB, and 6 MiB while they are located

  struct Spot {
    std::size_t file;
    std::uint64_t number;
  };
  std::optional<Spot> locate(const ChunkId& id) const;
  // Lower is chosen before higher.
  std::pair<int, std::string_view> rank_of(const PackInfo& pack) const;
  void set_added();

  const Index& index_;
  std::set<std::string> missing_;
  std::set<std::string> damaged_;
  std::vector<Bitmap> live_;  // an index file each
  std::vector<ChunkId> added_;
  std::optional<ChunkId> not_found_;  // of those added
};

// Everything that the snapshot reaches; live.finish() when all are done.
void reach(const Snapshot& snapshot, const ChunkReader& reader, Liveness& live,
           const std::stop_token& stop);

}  // namespace duckback
