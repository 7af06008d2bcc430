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

std::string to_hex(ByteView bytes);

}  // namespace duckback
