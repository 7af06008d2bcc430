#pragma once

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <vector>

#include "base/bitmap.h"
#include "base/hash.h"
#include "capture/capture.h"
#include "ops/file_sink.h"
#include "store/part_sender.h"

namespace duckback {

// A file of a copy that is in a store, but for its name.
struct SentFile {
  std::unique_ptr<Upload> upload;
  std::uint64_t bytes = 0;
  Digest blake3{};
};

// Is told how much of a file is sent.
using Sending = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Sends an image to a store while it is captured, in parts of one size. Blocks wait for the rest of
// their part in a file without a name, so that the capture goes on as fast as the disk, and memory
// stays that of a few parts; space on the disk is given back part by part. Where there is little of
// it, the capture waits for the network. A part that is another one in a later round is sent again.
// The first part, with the headers, goes last.
class UploadSink : public ImageSink {
 public:
  struct Options {
    fs::path scratch;                           // where that file is
    std::optional<std::uint64_t> part_bytes{};  // for tests
    std::optional<std::uint64_t> space{};       // the same: how much of the disk may be used
    Sending sending{};                          // of finish()
    UploadStart start{};
  };
  UploadSink(Store& store, std::string key, Options options);
  ~UploadSink() override;

  void begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) override;
  void expect(const Bitmap& blocks) override;
  bool in_order() const override { return space_ < file_bytes_; }
  void write_blocks(std::uint64_t offset, Bytes&& blocks) override;
  void write_wal(std::uint64_t offset, ByteView bytes) override;

  struct Staged {
    SentFile database;
    std::optional<StagedFile> wal;  // beside the scratch file, not sent
  };
  // Once. Empty if what was sent cannot become the image (its headers were repaired in the end):
  // then it has to be captured to a file.
  std::optional<Staged> finish(const Image& image);

 private:
  struct Part {
    std::uint64_t missing = kUnknown;  // bytes that are yet to come
    std::uint64_t held = 0;            // bytes in the scratch file
    bool sent = false;                 // as it is in this round
  };
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

  void stop_worker();
  void end_worker();
  void work();
  std::optional<std::size_t> next_ready() const;
  void process(std::size_t number, std::uint64_t end);
  Bytes read_part(std::size_t number, std::uint64_t end) const;
  void hash_part(std::size_t number, ByteView bytes);
  void send_part(std::size_t number, Bytes bytes);
  void for_each_part(std::uint64_t offset, std::uint64_t bytes,
                     const std::function<void(Part&, std::uint64_t bytes)>& visit);
  bool waits_for_network() const;

  Store& store_;
  const std::string key_;
  const Options options_;
  File scratch_;
  std::uint64_t space_ = 0;
  std::uint64_t part_bytes_ = 0;
  std::unique_ptr<PartSender> sender_;
  std::vector<std::optional<Digest>> sent_;  // in this and earlier rounds

  std::uint64_t file_bytes_ = 0;
  std::uint64_t block_bytes_ = 0;
  std::array<std::uint8_t, kBlockStart> head_{};
  Blake3 hash_;

  std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  std::size_t hashed_ = 0;  // parts, from the beginning
  std::vector<Part> parts_;
  std::uint64_t held_ = 0;
  bool expected_ = false;
  bool working_ = false;
  bool ending_ = false;
  bool ended_ = false;

  WalStage wal_;
  std::shared_future<void> worker_;
};

// Sends a file as it is.
SentFile send_file(Store& store, const std::string& key, const StagedFile& file,
                   const Sending& sending = nullptr, const UploadStart& start = {});

}  // namespace duckback
