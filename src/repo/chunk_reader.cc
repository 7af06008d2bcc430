#include "repo/chunk_reader.h"

#include <algorithm>

#include "base/error.h"

namespace duckback {
namespace {

// What is fetched at once: beyond it little is won, and every reader holds as much.
constexpr std::uint64_t kFetchBytes = 4 << 20;
// Bytes between two chunks that are fetched along rather than asking twice.
constexpr std::uint64_t kGapBytes = 64 << 10;
constexpr std::size_t kSealersMost = 256;

std::uint64_t end_of(const PackedChunk& chunk) {
  return std::uint64_t{chunk.offset} + chunk.stored + kTagBytes;
}

}  // namespace

std::shared_ptr<const ObjectSealer> ChunkReader::sealer_of(const PackInfo& pack) const {
  std::lock_guard lock(mutex_);
  auto found = sealers_.find(pack.id);
  if (found != sealers_.end()) return found->second;
  if (sealers_.size() >= kSealersMost) sealers_.clear();
  auto sealer = std::make_shared<const ObjectSealer>(sealer_.reopen(pack.kind, pack.salt));
  return sealers_[pack.id] = sealer;
}

std::set<std::string> ChunkReader::damaged() const {
  std::lock_guard lock(mutex_);
  return damaged_;
}

void ChunkReader::remember_damaged(const PackInfo& pack) const {
  std::lock_guard lock(mutex_);
  damaged_.insert(pack.id);
}

Bytes ChunkReader::unpack(const ChunkPlace& place, ByteView section) const {
  std::string object = pack_key(place.pack->id);
  Bytes stored =
      sealer_of(*place.pack)->open(place.chunk.offset, place.chunk.id.digest, section, object);
  return unpack_chunk(std::move(stored), place.chunk, namer_, object);
}

// Maps are read again for the next snapshot; data is mostly read once.
Bytes ChunkReader::get(const PackInfo& pack, std::uint64_t offset, std::uint64_t bytes) const {
  bool is_map = pack.kind == ObjectKind::map_pack;
  return store_.get(pack_key(pack.id), {.offset = offset, .bytes = bytes, .lasting = is_map});
}

Bytes ChunkReader::read(const ChunkPlace& place) const {
  Bytes section = get(*place.pack, place.chunk.offset, place.chunk.stored + kTagBytes);
  return unpack(place, section);
}

Bytes ChunkReader::read(const ChunkId& id) const {
  if (std::optional<ChunkPlace> place = index_.find(id)) {
    try {
      return read(*place);
    } catch (const Error& error) {
      if (error.code() != Errc::damaged && error.code() != Errc::not_found) throw;
      remember_damaged(*place->pack);
    }
  }
  std::vector<ChunkPlace> places = index_.find_all(id);
  if (places.empty()) {
    throw Error(Errc::damaged, "chunk {} is in no index; run `duckback repair index`", id.hex());
  }
  std::optional<Error> first;
  for (const ChunkPlace& place : places) {
    try {
      return read(place);
    } catch (const Error& error) {
      if (error.code() != Errc::damaged && error.code() != Errc::not_found) throw;
      remember_damaged(*place.pack);
      if (!first) first = error;
    }
  }
  throw Error(Errc::damaged, "chunk {}: {}", id.hex(), first->what());
}

void ChunkReader::read(
    const std::vector<ChunkId>& ids,
    const std::function<void(const ChunkId& id, const Bytes& chunk)>& visit) const {
  std::vector<ChunkPlace> places;
  places.reserve(ids.size());
  for (const ChunkId& id : ids) {
    std::optional<ChunkPlace> place = index_.find(id);
    if (place) {
      places.push_back(*place);
    } else {
      visit(id, read(id));
    }
  }
  std::sort(places.begin(), places.end(), [](const ChunkPlace& a, const ChunkPlace& b) {
    return std::pair(std::string_view(a.pack->id), a.chunk.offset) <
           std::pair(std::string_view(b.pack->id), b.chunk.offset);
  });
  for (std::size_t begin = 0; begin < places.size();) {
    const PackInfo& pack = *places[begin].pack;
    std::uint64_t from = places[begin].chunk.offset;
    std::uint64_t to = end_of(places[begin].chunk);
    std::size_t end = begin + 1;
    for (; end < places.size() && places[end].pack->id == pack.id; ++end) {
      const PackedChunk& next = places[end].chunk;
      if (next.offset > to + kGapBytes || end_of(next) > from + kFetchBytes) break;
      to = std::max(to, end_of(next));
    }
    Bytes fetched;
    try {
      fetched = get(pack, from, to - from);
    } catch (const Error& error) {
      if (error.code() != Errc::damaged && error.code() != Errc::not_found) throw;
    }
    for (; begin < end; ++begin) {
      const ChunkPlace& place = places[begin];
      std::optional<Bytes> chunk;
      if (!fetched.empty()) {
        ByteView section =
            ByteView(fetched).subspan(place.chunk.offset - from, place.chunk.stored + kTagBytes);
        try {
          chunk = unpack(place, section);
        } catch (const Error& error) {
          if (error.code() != Errc::damaged) throw;
        }
      }
      // One by one, from other places too, and with the error that says what is wrong.
      visit(place.chunk.id, chunk ? *chunk : read(place.chunk.id));
    }
  }
}

}  // namespace duckback
