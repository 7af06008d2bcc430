#include "repo/pack.h"

#include <zstd.h>

#include <algorithm>

#include "base/byte_reader.h"
#include "base/error.h"
#include "repo/hex.h"
#include "repo/trailer.h"

namespace duckback {
namespace {

constexpr std::size_t kEntryBytes = 40;

const TrailerForm& pack_form() {
  static const TrailerForm form{{ObjectKind::data_pack, ObjectKind::map_pack},
                                "directory",
                                "pack",
                                kPackChunksMost * kEntryBytes};
  return form;
}

int level_of(Compression compression) {
  switch (compression) {
    case Compression::off:
      break;
    case Compression::normal:
      return -1;
    case Compression::max:
      return 9;
  }
  DUCKBACK_ASSERT(false);
  return 0;
}

// One of each a thread: making one costs more than a chunk.
ZSTD_CCtx* compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                            &ZSTD_freeCCtx);
  if (!context) throw std::bad_alloc();
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                            &ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  return context.get();
}

Bytes decompress(ByteView frame, std::size_t raw, const ChunkId& id, std::string_view object) {
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) == raw) {
    Bytes chunk(raw);
    if (ZSTD_decompressDCtx(decompressor(), chunk.data(), raw, frame.data(), frame.size()) == raw) {
      return chunk;
    }
  }
  throw Error(Errc::damaged, "{}: chunk {} is no zstd frame of {} bytes", object, id.hex(), raw);
}

Salt salt_of(const ObjectHeader& header) {
  Salt salt;
  std::copy(header.end() - salt.size(), header.end(), salt.begin());
  return salt;
}

}  // namespace

std::string pack_key(std::string_view pack_id) {
  DUCKBACK_ASSERT(pack_id.size() == 2 * sizeof(Digest));
  return fmt::format("packs/{}/{}", pack_id.substr(0, 2), pack_id);
}

std::optional<std::string> pack_id_of(std::string_view key) {
  std::string_view id = key.substr(key.rfind('/') + 1);
  if (!is_hex(id, 2 * sizeof(Digest)) || key != pack_key(id)) return std::nullopt;
  return std::string(id);
}

ByteView compress_chunk(ByteView chunk, Compression compression, Bytes& room) {
  if (compression != Compression::off && !chunk.empty()) {
    // No room for what would not pay: zstd gives up when it is full.
    room.resize(std::max(room.size(), chunk.size()));
    std::size_t most = chunk.size() - std::max<std::size_t>(1, chunk.size() / 16);
    std::size_t size = ZSTD_compressCCtx(compressor(), room.data(), most, chunk.data(),
                                         chunk.size(), level_of(compression));
    if (ZSTD_isError(size) == 0) return ByteView(room).first(size);
  }
  return chunk;
}

Bytes unpack_chunk(Bytes stored, const PackedChunk& chunk, const Namer& namer,
                   std::string_view object) {
  if (stored.size() != chunk.stored || chunk.stored > chunk.raw || chunk.raw > kChunkBytesMost) {
    throw Error(Errc::damaged, "{}: chunk {} has {} of {} bytes, to become {}", object,
                chunk.id.hex(), stored.size(), chunk.stored, chunk.raw);
  }
  Bytes bytes = chunk.stored == chunk.raw ? std::move(stored)
                                          : decompress(stored, chunk.raw, chunk.id, object);
  if (namer.chunk_id(bytes) != chunk.id) {
    throw Error(Errc::damaged, "{}: what is stored as chunk {} has other bytes", object,
                chunk.id.hex());
  }
  return bytes;
}

PackBuilder::PackBuilder(const Sealer& sealer, ObjectKind kind, Bytes memory)
    : kind_(kind), sealer_(sealer.begin(kind)), bytes_(std::move(memory)) {
  DUCKBACK_ASSERT(kind == ObjectKind::data_pack || kind == ObjectKind::map_pack);
  // Pages that stay empty cost nothing; growing would hold the bytes twice.
  bytes_.reserve(kPackBytes + 2 * kChunkBytesMost);
  bytes_.assign(sealer_.header().begin(), sealer_.header().end());
}

void PackBuilder::add(const ChunkId& id, ByteView stored, std::size_t raw) {
  DUCKBACK_ASSERT(!full());
  DUCKBACK_ASSERT(stored.size() <= raw && raw <= kChunkBytesMost);
  PackedChunk chunk{id, static_cast<std::uint32_t>(bytes_.size()),
                    static_cast<std::uint32_t>(stored.size()), static_cast<std::uint32_t>(raw)};
  sealer_.seal(chunk.offset, id.digest, stored, bytes_);
  chunks_.push_back(chunk);
}

PackBuilder::Finished PackBuilder::finish() && {
  Bytes directory;
  directory.reserve(chunks_.size() * kEntryBytes);
  for (const PackedChunk& chunk : chunks_) {
    std::uint8_t lengths[8];
    store_le(lengths, chunk.stored);
    store_le(lengths + 4, chunk.raw);
    directory.insert(directory.end(), chunk.id.digest.begin(), chunk.id.digest.end());
    directory.insert(directory.end(), lengths, lengths + sizeof lengths);
  }
  append_trailer(sealer_, pack_form(), directory, bytes_);
  DUCKBACK_ASSERT(bytes_.size() <= kPackBytesMost);

  Finished finished;
  Blake3 hash;
  hash.update(bytes_);
  finished.info.id = to_hex(hash.digest());
  finished.info.kind = kind_;
  finished.info.salt = salt_of(sealer_.header());
  finished.info.bytes = bytes_.size();
  finished.bytes = std::move(bytes_);
  finished.chunks = std::move(chunks_);
  return finished;
}

PackDirectory read_pack_directory(Store& store, const Sealer& sealer, std::string_view pack_id,
                                  std::uint64_t pack_bytes) {
  std::string key = pack_key(pack_id);
  return reading_object("", [&] {
    if (pack_bytes > kPackBytesMost) {
      throw Error(Errc::damaged, "{}: no pack has {} bytes", key, pack_bytes);
    }
    Trailer trailer = read_trailer(store, sealer, pack_form(), key, pack_bytes, false);
    PackDirectory directory;
    directory.info = {std::string(pack_id), trailer.kind, salt_of(trailer.sealer.header()),
                      pack_bytes};
    ByteReader reader(trailer.content, key, trailer.offset);
    directory.chunks.reserve(trailer.content.size() / kEntryBytes);
    std::uint64_t offset = kObjectHeaderBytes;
    while (reader.remaining() > 0) {
      PackedChunk chunk;
      ByteView id = reader.take(chunk.id.digest.size(), "a chunk id");
      std::copy(id.begin(), id.end(), chunk.id.digest.begin());
      chunk.offset = static_cast<std::uint32_t>(offset);
      chunk.stored = reader.read<std::uint32_t>("a chunk's stored length");
      chunk.raw = reader.read<std::uint32_t>("a chunk's length");
      offset += std::uint64_t{chunk.stored} + kTagBytes;
      if (chunk.stored > chunk.raw || chunk.raw > kChunkBytesMost || offset > trailer.offset) {
        reader.fail("lengths of a chunk that fit before");
      }
      directory.chunks.push_back(chunk);
    }
    if (offset != trailer.offset) {
      reader.fail(fmt::format("chunks of {} bytes in all", trailer.offset - kObjectHeaderBytes));
    }
    return directory;
  });
}

}  // namespace duckback
