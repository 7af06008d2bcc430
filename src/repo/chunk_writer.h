#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_set>

#include "base/task_group.h"
#include "repo/id_table.h"
#include "repo/index.h"

namespace duckback {

// What a ChunkWriter added.
struct ChunkStats {
  std::uint64_t chunks = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;  // of packs and indexes
  std::uint64_t packs = 0;
};

// Stores chunks that the repository does not have, in packs of about kPackBytes; nothing counts
// before flush(). Safe to use from many threads, which compress side by side while one of its own
// puts packs, two where the store is remote; memory: a pack that is put (three, where it is
// remote), and one a kind that is filled.
class ChunkWriter {
 public:
  ChunkWriter(Store& store, const Sealer& sealer, const Namer& namer, const Index& index,
              Compression compression);

  // Stores `chunk` unless it is known, under the id that it has.
  void put(const ChunkId& id, ByteView chunk, ObjectKind kind);
  ChunkId put(ByteView chunk, ObjectKind kind) {
    ChunkId id = namer_.chunk_id(chunk);
    put(id, chunk, kind);
    return id;
  }
  // Puts what is left and the index: all chunks are durable, and can be found. One thread.
  void flush();

  ChunkStats stats() const;
  // The ids of the index objects put.
  std::vector<std::string> put_indexes() const;
  // Packs that hold chunks given to put(): those it was found in, and those made.
  std::set<std::string> relied_on() const;

 private:
  bool known(const ChunkId& id);
  PackBuilder new_pack(ObjectKind kind);
  void begin_put(PackBuilder builder);
  void count_miss();
  void put_pack(PackBuilder builder);
  void put_index();

  Store& store_;
  const Sealer& sealer_;
  const Namer& namer_;
  const Index& index_;
  Compression compression_;

  mutable std::mutex mutex_;         // for the eight below
  std::unordered_set<ChunkId> new_;  // in no index file yet
  IndexBuilder index_builder_;
  std::vector<std::unique_ptr<IndexFile>> put_;  // index files of this writer
  IdTable put_ids_;                              // of the chunks in them
  std::optional<IdTable> index_ids_;             // in the index, once that pays
  std::uint64_t misses_ = 0;
  std::set<std::string> relied_on_;
  ChunkStats stats_;
  std::vector<Bytes> spare_;  // memory of packs that were put, until flush(): new costs page faults

  std::mutex packing_;  // for the packs that are filled; before mutex_
  std::optional<PackBuilder> data_;
  std::optional<PackBuilder> maps_;

  TaskGroup putting_;  // the last member: its tasks use the others
};

}  // namespace duckback
