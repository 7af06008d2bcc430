// Input: levels of two maps (u8 each), then nodes: their length (u16) and bytes. The roots are
// nodes 0 and 1; a chunk id means the node that its first byte counts to. (That bytes fit their id
// is for the reader of chunks to see.) What a walk finds must be found leaf by leaf, by comparing,
// and again when it is built anew.

#include "repo/map.h"

#include <map>

#include "test/fuzz/fuzz.h"

using namespace duckback;

namespace {

constexpr std::size_t kReadsMost = 300;

struct Nodes {
  std::vector<Bytes> nodes;
  mutable std::size_t reads = 0;

  Bytes read(const ChunkId& id) const {
    // A few nodes that name each other are a tree of any size.
    if (++reads > kReadsMost) throw Error(Errc::damaged, "enough");
    return nodes[id.digest[0] % nodes.size()];
  }
};

using Places = std::map<std::uint64_t, ChunkId>;

std::map<std::uint64_t, MapLeaf> leaves_of(const MapRef& map, const ReadChunk& read) {
  std::map<std::uint64_t, MapLeaf> leaves;
  walk_map(
      map, read,
      [&](const ChunkId&, std::uint32_t level) {
        DUCKBACK_ASSERT(level < map.levels);
        return true;
      },
      [&](std::uint64_t number, const ChunkId&, const MapLeaf& leaf) {
        DUCKBACK_ASSERT(leaves.empty() || number > leaves.rbegin()->first);
        DUCKBACK_ASSERT(!leaf.empty());
        leaves.emplace(number, leaf);
      });
  return leaves;
}

Places places_of(const std::map<std::uint64_t, MapLeaf>& leaves) {
  Places places;
  for (const auto& one : leaves) {
    one.second.for_each([&](std::size_t place, const MapEntry& entry) {
      places[one.first * kMapFanOut + place] = entry.chunk;
    });
  }
  return places;
}

void check_reader(const MapRef& map, const ReadChunk& read,
                  const std::map<std::uint64_t, MapLeaf>& leaves) {
  MapReader reader(map, read);
  for (const auto& [number, leaf] : leaves) {
    std::shared_ptr<const MapLeaf> found = reader.leaf(number);
    DUCKBACK_ASSERT(found && found->to_bytes() == leaf.to_bytes());
    DUCKBACK_ASSERT(leaves.contains(number + 1) == (reader.leaf_id(number + 1) != std::nullopt));
  }
}

void check_rebuilt(const std::map<std::uint64_t, MapLeaf>& leaves) {
  std::map<Bytes, std::uint8_t> numbers;
  std::vector<Bytes> chunks;
  MapBuilder builder(1, 1, [&](ByteView bytes) {
    Bytes chunk(bytes.begin(), bytes.end());
    auto [at, added] = numbers.try_emplace(chunk, static_cast<std::uint8_t>(chunks.size()));
    if (added) chunks.push_back(std::move(chunk));
    if (chunks.size() > 256) throw Error(Errc::damaged, "enough");
    ChunkId id;
    id.digest[0] = at->second;
    return id;
  });
  for (const auto& [number, leaf] : leaves) builder.add_leaf(number, leaf);
  MapRef map = builder.finish();
  auto again = leaves_of(map, [&](const ChunkId& id) { return chunks[id.digest[0]]; });
  DUCKBACK_ASSERT(places_of(again) == places_of(leaves));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  ByteView rest(data + 2, size - 2);
  Nodes nodes;
  while (rest.size() >= 2) {
    std::size_t bytes = std::min<std::size_t>(load_le<std::uint16_t>(rest.data()), rest.size() - 2);
    nodes.nodes.emplace_back(rest.begin() + 2, rest.begin() + 2 + static_cast<long>(bytes));
    rest = rest.subspan(2 + bytes);
  }
  if (nodes.nodes.empty()) return 0;
  ReadChunk read = [&](const ChunkId& id) { return nodes.read(id); };
  MapRef maps[2];
  for (std::size_t i = 0; i < 2; ++i) {
    maps[i].levels = data[i] % (kMapLevelsMost + 2);
    maps[i].chunk_bytes = maps[i].bytes = 1;
    if (maps[i].levels > 0) {
      maps[i].root.emplace();
      maps[i].root->digest[0] = static_cast<std::uint8_t>(i);
    }
  }
  for (const MapRef& map : maps) {
    fuzz::allow_error([&] { MapReader(map, read).leaf(load_le<std::uint16_t>(data)); });
  }
  fuzz::allow_error([&] {
    Places places[2];
    for (std::size_t i = 0; i < 2; ++i) {
      auto leaves = leaves_of(maps[i], read);
      nodes.reads = 0;
      check_reader(maps[i], read, leaves);
      nodes.reads = 0;
      check_rebuilt(leaves);
      places[i] = places_of(leaves);
    }
    std::optional<std::uint64_t> last;
    diff_maps(maps[0], maps[1], read,
              [&](std::uint64_t place, const MapEntry* before, const MapEntry* after) {
                DUCKBACK_ASSERT(!last || place > *last);
                last = place;
                DUCKBACK_ASSERT((before != nullptr) == places[0].contains(place));
                DUCKBACK_ASSERT(before == nullptr || before->chunk == places[0].at(place));
                if (after != nullptr) {
                  places[0][place] = after->chunk;
                } else {
                  places[0].erase(place);
                }
              });
    DUCKBACK_ASSERT(places[0] == places[1]);
  });
  return 0;
}
