#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <vector>

namespace duckback {

// Memory that begins at a page where it is large: what is in it can be written to a file around the
// page cache (io/uncached_writer.h).
template <class T>
struct PageAllocator {
  using value_type = T;
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kLargeBytes = 64 << 10;
  static constexpr std::size_t kMost = (std::size_t{1} << 46) / sizeof(T);  // more is no memory

  PageAllocator() = default;
  template <class Other>
  PageAllocator(const PageAllocator<Other>&) {}  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t count) {
    if (count > kMost) throw std::bad_alloc();
    std::size_t bytes = count * sizeof(T);
    void* at = bytes < kLargeBytes ? std::malloc(bytes)
                                   : std::aligned_alloc(kPage, (bytes + kPage - 1) & ~(kPage - 1));
    if (at == nullptr) throw std::bad_alloc();
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t) { std::free(at); }
  bool operator==(const PageAllocator&) const = default;
};

using Bytes = std::vector<std::uint8_t, PageAllocator<std::uint8_t>>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Unaligned little-endian access (the host is little-endian, as DuckDB's are).
template <class Int>
Int load_le(const std::uint8_t* from) {
  Int value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class Int>
void store_le(std::uint8_t* to, Int value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace duckback
