#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"

namespace duckback {

// 32 random bytes that a repository's ids and keys are derived from (docs/format.md, "Keys").
// Wiped from memory when it goes.
class Secret {
 public:
  static constexpr std::size_t kBytes = 32;
  static Secret random();
  // `bytes` has kBytes.
  explicit Secret(ByteView bytes);
  ~Secret();
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ByteView bytes() const { return bytes_; }

 private:
  std::array<std::uint8_t, kBytes> bytes_;
};

// Random bytes of the operating system.
void fill_random(MutableBytes to);
// 32 hex digits.
std::string random_id();

}  // namespace duckback
