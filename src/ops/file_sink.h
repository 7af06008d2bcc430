#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bitmap.h"
#include "base/hash.h"
#include "capture/capture.h"
#include "ops/wal_stage.h"

namespace duckback {

// Writes an image into temporary files beside its destination. What arrives is hashed and written
// by two threads of its own while the capture reads on, and written out to the disk meanwhile, so
// that little is left to do at the end. Memory: kInFlightMost buffers of the capture's size.
class FileSink : public ImageSink {
 public:
  // A copy to publish is hashed and durable; one to work on is neither, and is not pushed to the
  // disk: 1 GiB costs 0.9 s less (bench, "logical copy").
  enum class Purpose { publish, scratch };
  explicit FileSink(const fs::path& destination, Purpose purpose = Purpose::publish);
  ~FileSink() override;

  void begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) override;
  Bytes take_buffer() override;
  void write_blocks(std::uint64_t offset, Bytes&& blocks) override;
  void write_wal(std::uint64_t offset, ByteView bytes) override;
  const ByteSource* clone(const File& database) override;

  struct Staged {
    StagedFile database;
    std::optional<StagedFile> wal;  // where the image has one
  };
  // Both files as the image says. The sink is done then.
  Staged finish(const Image& image);

 private:
  static constexpr std::size_t kInFlightMost = 6;
  static constexpr std::uint64_t kHoleMost = 16 << 20;
  // The smallest block; larger ones are several.
  static constexpr std::uint64_t kGrain = 16 * 1024;

  class Stage;
  struct Piece;

  void wait_until_idle();
  void write(const Piece& piece);
  void hash(const Piece& piece);
  void erase_stale();

  fs::path destination_;
  Purpose purpose_;
  TempFile database_;
  WalStage wal_;

  std::uint32_t round_ = 0;
  std::uint64_t announced_ = 0;
  bool cloned_ = false;
  std::array<std::uint8_t, kBlockStart> head_{};
  Bitmap written_;  // in this round
  Bitmap stale_;    // in earlier rounds
  Bytes before_;

  // The hash is taken on the way as long as the blocks come in order.
  Blake3 hash_;
  std::uint64_t hashed_ = 0;
  bool in_order_ = true;

  std::mutex mutex_;  // for the two below
  std::condition_variable buffer_done_;
  std::size_t in_flight_ = 0;
  std::vector<Bytes> spare_;

  std::unique_ptr<Stage> writer_;
  std::unique_ptr<Stage> hasher_;
};

// Stages the file at `temp` as it is: hashed and made durable.
StagedFile stage_file(TempFile temp);
// The BLAKE3 of a whole file.
Digest hash_file(const File& file);

}  // namespace duckback
