#pragma once

#include <optional>
#include <string>
#include <vector>

#include "repo/chunk_id.h"
#include "repo/sealer.h"
#include "store/store.h"

namespace duckback {

// When a pack is full: so many bytes or so many chunks.
inline constexpr std::uint64_t kPackBytes = 32 << 20;
inline constexpr std::size_t kPackChunksMost = 1 << 17;
inline constexpr std::uint64_t kPackBytesMost = 64 << 20;  // none is larger
inline constexpr std::uint64_t kChunkBytesMost = 1 << 20;

enum class Compression { off, normal, max };  // zstd -1, 9

// What a pack of so many chunks has besides them and their tags.
inline constexpr std::uint64_t pack_overhead(std::uint64_t chunks) {
  return kObjectHeaderBytes + 40 * chunks + kTagBytes + 8;
}

// A chunk in a pack: `stored` bytes and a tag at `offset`; compressed where stored < raw.
struct PackedChunk {
  ChunkId id;
  std::uint32_t offset = 0;
  std::uint32_t stored = 0;
  std::uint32_t raw = 0;
};

struct PackInfo {
  std::string id;  // 64 hex digits, of its bytes
  ObjectKind kind = ObjectKind::data_pack;
  Salt salt{};
  std::uint64_t bytes = 0;
  auto operator<=>(const PackInfo&) const = default;
};
std::string pack_key(std::string_view pack_id);  // "packs/XX/ID"
// The id in such a key; nothing for what only lies there.
std::optional<std::string> pack_id_of(std::string_view key);

// What a chunk becomes before it is sealed: compressed, in `room`, if that pays, else as it is.
ByteView compress_chunk(ByteView chunk, Compression compression, Bytes& room);
// The chunk behind opened bytes; checks `raw` and the id. Throws Errc::damaged naming `object`.
Bytes unpack_chunk(Bytes stored, const PackedChunk& chunk, const Namer& namer,
                   std::string_view object);

// A pack while it is filled, in memory. One thread.
class PackBuilder {
 public:
  // `memory`: of a pack that was put.
  PackBuilder(const Sealer& sealer, ObjectKind kind, Bytes memory = {});
  // `stored` is what compress_chunk() returned. Not when it is full.
  void add(const ChunkId& id, ByteView stored, std::size_t raw);
  std::uint64_t bytes() const { return bytes_.size(); }
  bool empty() const { return chunks_.empty(); }
  bool full() const { return bytes() >= kPackBytes || chunks_.size() >= kPackChunksMost; }

  struct Finished {
    PackInfo info;
    Bytes bytes;
    std::vector<PackedChunk> chunks;
  };
  Finished finish() &&;

 private:
  ObjectKind kind_;
  ObjectSealer sealer_;
  Bytes bytes_;
  std::vector<PackedChunk> chunks_;
};

// The directory at the end of a pack: its chunks in order, checked against the object's size.
struct PackDirectory {
  PackInfo info;
  std::vector<PackedChunk> chunks;
};
// `pack_bytes` as it was listed. Throws Errc::damaged, Errc::not_found.
PackDirectory read_pack_directory(Store& store, const Sealer& sealer, std::string_view pack_id,
                                  std::uint64_t pack_bytes);

}  // namespace duckback
