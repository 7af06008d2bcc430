#pragma once

#include <compare>
#include <functional>

#include "repo/secret.h"

namespace duckback {

// BLAKE3 of a chunk, keyed with the repository's chunk key.
struct ChunkId {
  Digest digest{};
  auto operator<=>(const ChunkId&) const = default;
  std::string hex() const { return to_hex(digest); }
};

// XXH3-128 with the repository's secret: says "the same as before", never names a chunk.
using Fingerprint = std::array<std::uint8_t, 16>;

// Names chunks and databases of one repository. Safe to use from many threads.
class Namer {
 public:
  explicit Namer(const Secret& secret);
  ChunkId chunk_id(ByteView chunk) const;
  Fingerprint fingerprint(ByteView chunk) const;
  // 16 hex digits for a database's identity.
  std::string database_id(std::string_view identity) const;

 private:
  std::array<std::uint8_t, 32> chunk_key_;
  std::array<std::uint8_t, 32> database_key_;
  std::array<std::uint8_t, 192> fingerprint_secret_;
};

}  // namespace duckback

template <>
struct std::hash<duckback::ChunkId> {
  std::size_t operator()(const duckback::ChunkId& id) const noexcept {
    return duckback::load_le<std::size_t>(id.digest.data());
  }
};
