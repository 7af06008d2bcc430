#include "base/hash.h"

#include <blake3.h>

#include <algorithm>

#include "base/error.h"

namespace duckback {

struct Blake3::State {
  blake3_hasher hasher;
};

Blake3::Blake3() : state_(std::make_unique<State>()) { blake3_hasher_init(&state_->hasher); }
Blake3 Blake3::keyed(ByteView key) {
  DUCKBACK_ASSERT(key.size() == BLAKE3_KEY_LEN);
  Blake3 hash;
  blake3_hasher_init_keyed(&hash.state_->hasher, key.data());
  return hash;
}
Blake3::~Blake3() = default;
Blake3::Blake3(Blake3&&) noexcept = default;
Blake3& Blake3::operator=(Blake3&&) noexcept = default;

void Blake3::update(ByteView bytes) {
  blake3_hasher_update(&state_->hasher, bytes.data(), bytes.size());
}

void Blake3::update_zeros(std::uint64_t count) {
  static const Bytes zeros(256 * 1024);
  while (count > 0) {
    std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()));
    update(ByteView(zeros).first(part));
    count -= part;
  }
}

Digest Blake3::digest() const {
  Digest digest;
  blake3_hasher_finalize(&state_->hasher, digest.data(), digest.size());
  return digest;
}

void derive_key(std::string_view purpose, ByteView material, MutableBytes to) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key_raw(&hasher, purpose.data(), purpose.size());
  blake3_hasher_update(&hasher, material.data(), material.size());
  blake3_hasher_finalize(&hasher, to.data(), to.size());
}

std::string to_hex(ByteView bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace duckback
