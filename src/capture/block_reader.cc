#include "capture/block_reader.h"

#include "duckfile/block.h"

namespace duckback {

void BlockReader::read(std::uint64_t first, std::uint64_t count, std::vector<std::uint64_t>& bad) {
  if (sink_ != nullptr && buffer_.empty()) buffer_ = sink_->take_buffer();
  buffer_.resize(static_cast<std::size_t>(count * block_bytes_));
  std::size_t got = source_.read_at(block_offset(first, block_bytes_), buffer_);
  std::uint64_t unwritten = 0;  // where the run of blocks begins that the sink is to be given
  for (std::uint64_t i = 0; i < count; ++i) {
    bool there = (i + 1) * block_bytes_ <= got;
    ByteView block = ByteView(buffer_).subspan(i * block_bytes_, block_bytes_);
    bool held =
        there && sink_ != nullptr && sink_->holds(block_offset(first + i, block_bytes_), block);
    bool whole = held || (there && block_is_whole(block, cipher_, scratch_));
    if (!whole) bad.push_back(first + i);
    if (whole && !held) continue;
    write(first, count, unwritten, i);
    unwritten = i + 1;
  }
  write(first, count, unwritten, count);
}

// Blocks [from, to) of the `count` that were read, counted from `first`.
void BlockReader::write(std::uint64_t first, std::uint64_t count, std::uint64_t from,
                        std::uint64_t to) {
  if (sink_ == nullptr || from == to) return;
  std::uint64_t offset = block_offset(first + from, block_bytes_);
  if (to - from == count) {
    write_(offset, std::exchange(buffer_, {}));
    return;
  }
  auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(from * block_bytes_);
  write_(offset, Bytes(begin, begin + static_cast<std::ptrdiff_t>((to - from) * block_bytes_)));
}

bool BlockReader::read_raw(std::uint64_t id) {
  Bytes buffer(block_bytes_);
  if (source_.read_at(block_offset(id, block_bytes_), buffer) < buffer.size()) return false;
  if (sink_ != nullptr) write_(block_offset(id, block_bytes_), std::move(buffer));
  return true;
}

}  // namespace duckback
