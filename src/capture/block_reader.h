#pragma once

#include <vector>

#include "base/byte_source.h"
#include "capture/capture.h"
#include "duckfile/crypto.h"

namespace duckback {

// Reads runs of blocks, verifies them and hands the whole ones to the sink.
class BlockReader {
 public:
  // `sink` is null if it already has the blocks (a clone).
  BlockReader(const ByteSource& source, std::uint64_t block_bytes, const BlockCipher* cipher,
              ImageSink* sink)
      : source_(source), block_bytes_(block_bytes), cipher_(cipher), sink_(sink) {}

  // Blocks [first, first + count). Those that are not whole are not given to the sink but appended
  // to `bad`.
  void read(std::uint64_t first, std::uint64_t count, std::vector<std::uint64_t>& bad);
  // Gives the block to the sink as it is. False if the file ends before it does.
  bool read_raw(std::uint64_t id);

 private:
  const ByteSource& source_;
  std::uint64_t block_bytes_;
  const BlockCipher* cipher_;
  ImageSink* sink_;
  Bytes own_buffer_;
  Bytes scratch_;
};

}  // namespace duckback
