#pragma once

#include "base/hash.h"
#include "io/temp_file.h"

namespace duckback {

// A file of a copy, complete and durable, but for its name.
struct StagedFile {
  TempFile temp;
  std::uint64_t bytes = 0;
  Digest blake3{};
};

// The WAL of an image while it is captured: a temporary file, hashed on the way. Made when the
// first bytes come.
class WalStage {
 public:
  // As of ImageSink::write_wal(). `beside`: where the file is made.
  void write(const fs::path& beside, std::uint64_t offset, ByteView bytes);
  // The file, of as many bytes; not durable yet. Once.
  StagedFile take(std::uint64_t bytes);

 private:
  std::optional<TempFile> temp_;
  Blake3 hash_;
  std::uint64_t bytes_ = 0;
};

}  // namespace duckback
