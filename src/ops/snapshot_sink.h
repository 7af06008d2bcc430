#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bitmap.h"
#include "base/task_group.h"
#include "capture/capture.h"
#include "repo/chunk_writer.h"
#include "repo/map.h"

namespace duckback {

// Turns an image into chunks and maps of a repository. Blocks are compared with those of the
// snapshot before (`parent`) by fingerprint; what differs is stored, by as many threads as there
// are cores. Blocks that an earlier round stored are not stored again.
// Memory: kInFlightMost buffers of the capture's size, the writer's packs, two bits a block; the
// entries of changed blocks are in a file without a name.
class SnapshotSink : public ImageSink {
 public:
  struct Parent {
    MapRef file;
    MapRef wal;
    ReadChunk read;
  };
  SnapshotSink(ChunkWriter& writer, const Namer& namer, std::optional<Parent> parent,
               std::size_t threads);
  ~SnapshotSink() override;

  void begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) override;
  Bytes take_buffer() override;
  void write_blocks(std::uint64_t offset, Bytes&& blocks) override;
  void write_wal(std::uint64_t offset, ByteView bytes) override;

  struct Stored {
    ChunkId head;
    MapRef file;
    MapRef wal;
    std::uint64_t changed_blocks = 0;
  };
  // Everything is in the writer then, not yet flushed.
  Stored finish(const Image& image);

 private:
  static constexpr std::size_t kInFlightMost = 8;
  static constexpr std::uint64_t kWalPieceBytes = 1 << 20;

  class Places;
  // Bytes of the file that a task has at hand.
  struct InFlight {
    std::uint64_t begin;
    std::uint64_t end;
    bool operator==(const InFlight&) const = default;
  };

  bool may_begin(const InFlight& next) const;
  void store(std::uint64_t offset, const Bytes& blocks);
  void store_wal_piece();

  ChunkWriter& writer_;
  const Namer& namer_;
  std::optional<Parent> parent_;
  std::unique_ptr<Places> file_;
  std::unique_ptr<Places> wal_;
  Bytes wal_piece_;
  std::uint64_t wal_bytes_ = 0;

  std::mutex mutex_;  // for the two below
  std::condition_variable buffer_done_;
  std::vector<InFlight> in_flight_;
  std::vector<Bytes> spare_;

  TaskGroup group_;  // the last member: its tasks use the others
};

}  // namespace duckback
