#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace duckback {

using Bytes = std::vector<std::uint8_t>;
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
