#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "capture/capture.h"
#include "repo/chunk_writer.h"
#include "repo/map.h"

namespace duckback {

// Turns an image into chunks and maps of a repository. Blocks are compared with those of the
// snapshot before (`parent`) by fingerprint; what differs is stored, by as many threads as the
// capture gives it. Blocks that an earlier round stored are not stored again.
// Memory: a spare buffer of the capture's size a thread, the writer's packs, two bits a block; the
// entries of changed blocks are in a file without a name.
class SnapshotSink : public ImageSink {
 public:
  struct Parent {
    MapRef file;
    MapRef wal;
    ReadChunk read;
    // Every block of it was whole.
    bool verified = false;
  };
  SnapshotSink(ChunkWriter& writer, const Namer& namer, std::optional<Parent> parent,
               std::size_t threads);
  ~SnapshotSink() override;

  std::size_t threads() const override { return threads_; }
  void begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) override;
  bool holds(std::uint64_t offset, ByteView block) override;
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
  static constexpr std::uint64_t kWalPieceBytes = 1 << 20;

  class Places;

  std::uint64_t place_of(std::uint64_t offset) const;
  void store_wal_piece();

  ChunkWriter& writer_;
  const Namer& namer_;
  std::optional<Parent> parent_;
  std::size_t threads_;
  std::unique_ptr<Places> file_;
  std::unique_ptr<Places> wal_;
  Bytes wal_piece_;
  std::uint64_t wal_bytes_ = 0;

  std::mutex mutex_;  // for spare_
  std::vector<Bytes> spare_;
};

}  // namespace duckback
