#include "capture/block_reader.h"

#include "duckfile/block.h"

namespace duckback {

void BlockReader::read(std::uint64_t first, std::uint64_t count, std::vector<std::uint64_t>& bad) {
  Bytes buffer = sink_ != nullptr ? sink_->take_buffer() : std::move(own_buffer_);
  buffer.resize(static_cast<std::size_t>(count * block_bytes_));
  std::size_t got = source_.read_at(block_offset(first, block_bytes_), buffer);
  std::size_t bad_before = bad.size();
  for (std::uint64_t i = 0; i < count; ++i) {
    bool there = (i + 1) * block_bytes_ <= got;
    ByteView block = ByteView(buffer).subspan(i * block_bytes_, block_bytes_);
    if (!there || !block_is_whole(block, cipher_, scratch_)) bad.push_back(first + i);
  }
  if (sink_ == nullptr) {
    own_buffer_ = std::move(buffer);
    return;
  }
  if (bad.size() == bad_before) {
    sink_->write_blocks(block_offset(first, block_bytes_), std::move(buffer));
    return;
  }
  std::size_t next_bad = bad_before;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (next_bad < bad.size() && bad[next_bad] == first + i) {
      ++next_bad;
      continue;
    }
    auto begin = buffer.begin() + static_cast<std::ptrdiff_t>(i * block_bytes_);
    sink_->write_blocks(block_offset(first + i, block_bytes_),
                        Bytes(begin, begin + static_cast<std::ptrdiff_t>(block_bytes_)));
  }
}

bool BlockReader::read_raw(std::uint64_t id) {
  Bytes buffer(block_bytes_);
  if (source_.read_at(block_offset(id, block_bytes_), buffer) < buffer.size()) return false;
  if (sink_ != nullptr) sink_->write_blocks(block_offset(id, block_bytes_), std::move(buffer));
  return true;
}

}  // namespace duckback
