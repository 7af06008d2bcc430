#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace duckback {

// A set of block ids below a fixed size: one bit each, so 67 M blocks (1 TB of 16 KiB) cost 8 MiB.
// Ids outside are never members; setting one is ignored, for sizes are those of a file and ids
// come from bytes.
class Bitmap {
 public:
  explicit Bitmap(std::uint64_t size = 0) : size_(size), words_((size + 63) / 64) {}

  std::uint64_t size() const { return size_; }
  bool test(std::uint64_t id) const {
    return id < size_ && ((words_[id / 64] >> (id % 64)) & 1) != 0;
  }
  void set(std::uint64_t id) {
    if (id < size_) words_[id / 64] |= std::uint64_t{1} << (id % 64);
  }
  void reset(std::uint64_t id) {
    if (id < size_) words_[id / 64] &= ~(std::uint64_t{1} << (id % 64));
  }
  void clear() { std::fill(words_.begin(), words_.end(), 0); }
  void set_all() {
    std::fill(words_.begin(), words_.end(), ~std::uint64_t{0});
    if (size_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (size_ % 64)) - 1;
  }
  // Keeps its members below `size`; new ids are not members.
  void resize(std::uint64_t size) {
    words_.resize((size + 63) / 64);
    size_ = size;
    if (size_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (size_ % 64)) - 1;
  }
  std::uint64_t count() const {
    std::uint64_t total = 0;
    for (std::uint64_t word : words_) total += static_cast<std::uint64_t>(std::popcount(word));
    return total;
  }
  // The first member at or after `from`, else size().
  std::uint64_t next(std::uint64_t from) const {
    for (std::uint64_t at = from / 64; from < size_ && at < words_.size(); ++at) {
      std::uint64_t word = words_[at];
      if (at == from / 64) word &= ~std::uint64_t{0} << (from % 64);
      if (word != 0) return at * 64 + static_cast<std::uint64_t>(std::countr_zero(word));
    }
    return size_;
  }

  // The last member before `end`, else size().
  std::uint64_t previous(std::uint64_t end) const {
    for (std::uint64_t at = (std::min(end, size_) + 63) / 64; at-- > 0;) {
      std::uint64_t word = words_[at];
      if (end < (at + 1) * 64) word &= (std::uint64_t{1} << (end % 64)) - 1;
      if (word != 0) return at * 64 + 63 - static_cast<std::uint64_t>(std::countl_zero(word));
    }
    return size_;
  }

 private:
  std::uint64_t size_;
  std::vector<std::uint64_t> words_;
};

}  // namespace duckback
