#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace duckback {

// A set of block ids below a fixed size. Memory: one bit each where members and others are mixed
// (67 M blocks, 1 TB of 16 KiB: 8 MiB), next to nothing where 32,768 in a row are alike: most of a
// large database is.
// Ids outside are never members; setting one is ignored, for sizes are those of a file and ids
// come from bytes.
class Bitmap {
 public:
  explicit Bitmap(std::uint64_t size = 0)
      : size_(size), pages_((size + kPageBits - 1) / kPageBits) {}

  std::uint64_t size() const { return size_; }
  bool test(std::uint64_t id) const {
    if (id >= size_) return false;
    const Page& page = pages_[id / kPageBits];
    return page.words.empty() ? page.members != 0 : (page.words[word_of(id)] & bit_of(id)) != 0;
  }
  void set(std::uint64_t id) {
    if (id >= size_ || test(id)) return;
    Page& page = open(id / kPageBits);
    page.words[word_of(id)] |= bit_of(id);
    if (++page.members == bits_in(id / kPageBits)) page.words = {};
  }
  void reset(std::uint64_t id) {
    if (!test(id)) return;
    Page& page = open(id / kPageBits);
    page.words[word_of(id)] &= ~bit_of(id);
    if (--page.members == 0) page.words = {};
  }
  void clear() { std::fill(pages_.begin(), pages_.end(), Page()); }
  void set_all() {
    for (std::uint64_t n = 0; n < pages_.size(); ++n) pages_[n] = {{}, bits_in(n)};
  }
  // Keeps its members below `size`; new ids are not members.
  void resize(std::uint64_t size) {
    std::uint64_t kept = std::min(size, size_);
    std::uint64_t last = kept / kPageBits;
    if (kept % kPageBits != 0) {
      open(last);
      std::uint64_t page_end = std::min(size_, (last + 1) * kPageBits);
      for (std::uint64_t id = next(kept); id < page_end; id = next(id + 1)) reset(id);
    }
    pages_.resize((size + kPageBits - 1) / kPageBits);
    size_ = size;
    if (kept % kPageBits == 0) return;
    Page& page = pages_[last];
    bool alike = page.members == 0 || page.members == bits_in(last);
    page.words.resize(alike ? 0 : (bits_in(last) + 63) / 64);
  }
  std::uint64_t count() const {
    std::uint64_t total = 0;
    for (const Page& page : pages_) total += page.members;
    return total;
  }
  // The first member at or after `from`, else size().
  std::uint64_t next(std::uint64_t from) const {
    for (std::uint64_t n = from / kPageBits; from < size_; from = ++n * kPageBits) {
      const Page& page = pages_[n];
      if (page.members == 0) continue;
      if (page.words.empty()) return from;
      std::uint64_t mask = ~std::uint64_t{0} << (from % 64);
      for (std::size_t at = word_of(from); at < page.words.size(); ++at, mask = ~std::uint64_t{0}) {
        std::uint64_t word = page.words[at] & mask;
        if (word != 0) {
          return n * kPageBits + at * 64 + static_cast<std::uint64_t>(std::countr_zero(word));
        }
      }
    }
    return size_;
  }

  // The last member before `end`, else size().
  std::uint64_t previous(std::uint64_t end) const {
    for (std::uint64_t before = std::min(end, size_); before > 0;) {
      std::uint64_t last = before - 1;
      std::uint64_t n = last / kPageBits;
      const Page& page = pages_[n];
      before = n * kPageBits;
      if (page.members == 0) continue;
      if (page.words.empty()) return last;
      std::uint64_t mask = ~std::uint64_t{0} >> (63 - last % 64);
      for (std::size_t at = word_of(last) + 1; at-- > 0; mask = ~std::uint64_t{0}) {
        std::uint64_t word = page.words[at] & mask;
        if (word != 0) {
          return n * kPageBits + at * 64 + 63 - static_cast<std::uint64_t>(std::countl_zero(word));
        }
      }
    }
    return size_;
  }

 private:
  static constexpr std::uint64_t kPageBits = 32'768;
  // All alike while it has no words.
  struct Page {
    std::vector<std::uint64_t> words;
    std::uint32_t members = 0;
  };

  static std::size_t word_of(std::uint64_t id) { return id % kPageBits / 64; }
  static std::uint64_t bit_of(std::uint64_t id) { return std::uint64_t{1} << (id % 64); }
  std::uint32_t bits_in(std::uint64_t page) const {
    return static_cast<std::uint32_t>(std::min(kPageBits, size_ - page * kPageBits));
  }
  // A page whose members are about to be not all alike.
  Page& open(std::uint64_t number) {
    Page& page = pages_[number];
    if (!page.words.empty()) return page;
    std::uint32_t bits = bits_in(number);
    page.words.assign((bits + 63) / 64, page.members == 0 ? 0 : ~std::uint64_t{0});
    if (page.members != 0 && bits % 64 != 0) {
      page.words.back() = (std::uint64_t{1} << (bits % 64)) - 1;
    }
    return page;
  }

  std::uint64_t size_;
  std::vector<Page> pages_;
};

}  // namespace duckback
