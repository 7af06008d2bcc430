#pragma once

#include <random>
#include <string>
#include <vector>

#include "repo/index.h"
#include "repo/trailer.h"

// Packs and indexes of a repository for tests, hostile ones too: sealed right, whatever they say.
namespace duckback::test {

inline constexpr std::string_view kRepository = "00112233445566778899aabbccddeeff";

inline Secret a_secret() {
  Bytes bytes(Secret::kBytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return Secret(bytes);
}

struct Object {
  std::string id;  // the last part of its key
  Bytes bytes;
};

inline Object named(Bytes bytes) {
  Blake3 hash;
  hash.update(bytes);
  return {to_hex(hash.digest()), std::move(bytes)};
}

// `chunks`: the bytes between header and directory.
inline Object raw_pack(const ObjectSealer& sealer, ByteView chunks, ByteView directory) {
  Bytes object(sealer.header().begin(), sealer.header().end());
  object.insert(object.end(), chunks.begin(), chunks.end());
  append_trailer(sealer, {{}, "directory", "pack", 64 << 20}, directory, object);
  return named(std::move(object));
}

inline Object raw_index(const ObjectSealer& sealer, const std::vector<Bytes>& pages,
                        ByteView table) {
  Bytes object(sealer.header().begin(), sealer.header().end());
  for (const Bytes& page : pages) sealer.seal(object.size(), as_bytes("page"), page, object);
  append_trailer(sealer, {{}, "table", "indx", 64 << 20}, table, object);
  return named(std::move(object));
}

// Little-endian numbers and byte strings, one after the other.
class Fields {
 public:
  template <class Int>
  Fields& number(Int value) {
    std::uint8_t bytes[sizeof value];
    store_le(bytes, value);
    return add(bytes);
  }
  Fields& add(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// A chunk id that begins with `first` and ends with `last`.
inline ChunkId chunk_id(std::uint8_t first, std::uint8_t last = 0) {
  ChunkId id;
  id.digest.front() = first;
  id.digest.back() = last;
  return id;
}

inline Bytes random_bytes(std::mt19937_64& random, std::size_t count) {
  Bytes bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

inline ChunkId random_chunk_id(std::mt19937_64& random) {
  ChunkId id;
  for (std::size_t i = 0; i < id.digest.size(); i += 8) store_le(id.digest.data() + i, random());
  return id;
}

}  // namespace duckback::test
