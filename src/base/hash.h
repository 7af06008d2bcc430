#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace duckback {

using Digest = std::array<std::uint8_t, 32>;

// BLAKE3, incremental. (https://github.com/BLAKE3-team/BLAKE3-specs)
class Blake3 {
 public:
  Blake3();
  // Keyed with 32 bytes.
  static Blake3 keyed(ByteView key);
  ~Blake3();
  Blake3(Blake3&&) noexcept;
  Blake3& operator=(Blake3&&) noexcept;
  void update(ByteView bytes);
  // As if `count` zero bytes were given.
  void update_zeros(std::uint64_t count);
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// BLAKE3's key derivation: fills `to` from key material, for one purpose only.
void derive_key(std::string_view purpose, ByteView material, MutableBytes to);

std::string to_hex(ByteView bytes);

}  // namespace duckback
