#pragma once

#include <vector>

#include "base/byte_source.h"
#include "capture/capture.h"
#include "duckfile/crypto.h"

namespace duckback {

// Reads runs of blocks, verifies them and hands the whole ones to the sink. One thread; the memory
// of what it has read is of the size of a run.
class BlockReader {
 public:
  using WriteBlocks = std::function<void(std::uint64_t offset, Bytes&& blocks)>;
  // `sink` is null if it already has the blocks (a clone). `write` is how they are given to it.
  BlockReader(const ByteSource& source, std::uint64_t block_bytes, const BlockCipher* cipher,
              ImageSink* sink, WriteBlocks write = nullptr)
      : source_(source),
        block_bytes_(block_bytes),
        cipher_(cipher),
        sink_(sink),
        write_(std::move(write)) {}

  // Blocks [first, first + count), which the sink is given unless it holds them. Those that are not
  // whole are not, but appended to `bad`.
  void read(std::uint64_t first, std::uint64_t count, std::vector<std::uint64_t>& bad);
  // Gives the block to the sink as it is. False if the file ends before it does.
  bool read_raw(std::uint64_t id);

 private:
  void write(std::uint64_t first, std::uint64_t count, std::uint64_t from, std::uint64_t to);
  const ByteSource& source_;
  std::uint64_t block_bytes_;
  const BlockCipher* cipher_;
  ImageSink* sink_;
  WriteBlocks write_;
  Bytes buffer_;
  Bytes scratch_;
};

}  // namespace duckback
