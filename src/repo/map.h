#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "repo/chunk_id.h"

namespace duckback {

// Which chunk belongs at which place (docs/format.md, "Maps"): a tree of nodes with 256 children,
// each node a chunk.

inline constexpr std::uint64_t kMapFanOut = 256;
inline constexpr std::uint32_t kMapLevelsMost = 7;  // 256^7 places
inline constexpr std::uint64_t kMapChunkBytesMost = 1 << 20;

// A map as a snapshot names it.
struct MapRef {
  std::optional<ChunkId> root;    // none: every place is empty
  std::uint32_t levels = 0;       // of the tree; 1: the root is a leaf
  std::uint64_t chunk_bytes = 0;  // what a place covers
  std::uint64_t bytes = 0;        // of the whole; the last place may be shorter
  bool operator==(const MapRef&) const = default;
};

struct MapEntry {
  Fingerprint fingerprint{};
  ChunkId chunk;
  bool operator==(const MapEntry&) const = default;
};

// Places [number * 256, (number + 1) * 256).
class MapLeaf {
 public:
  // The entry at a place within the leaf, null if it is empty.
  const MapEntry* find(std::size_t place) const;
  // Places in ascending order.
  void add(std::size_t place, const MapEntry& entry);
  bool empty() const { return entries_.empty(); }
  // Calls visit(place within the leaf, entry).
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t place = 0, n = 0; place < kMapFanOut; ++place) {
      if (has(place)) visit(place, entries_[n++]);
    }
  }
  std::size_t size() const { return entries_.size(); }
  bool has(std::size_t place) const { return (present_[place / 64] >> (place % 64) & 1) != 0; }
  Bytes to_bytes() const;

 private:
  std::array<std::uint64_t, kMapFanOut / 64> present_{};
  std::vector<MapEntry> entries_;
};

// Fetches and checks a chunk.
using ReadChunk = std::function<Bytes(const ChunkId&)>;
// Stores a chunk unless it is known.
using PutChunk = std::function<ChunkId(ByteView)>;

// Calls `enter` for every node of a map, those above before those below and in order of their
// places; where it returns false what is below is left out. `leaf` gets those entered at level 0,
// with their number. Throws Errc::damaged.
void walk_map(const MapRef& map, const ReadChunk& read,
              const std::function<bool(const ChunkId& node, std::uint32_t level)>& enter,
              const std::function<void(std::uint64_t number, const ChunkId& node,
                                       const MapLeaf& leaf)>& leaf);

// Calls `visit` for every place where two maps differ, in order, with what each has there (null:
// nothing); never with equal chunks. Of nodes that both have nothing is read. Throws Errc::damaged.
void diff_maps(const MapRef& before, const MapRef& after, const ReadChunk& read,
               const std::function<void(std::uint64_t place, const MapEntry* before,
                                        const MapEntry* after)>& visit);

// Reads a map leaf by leaf; keeps the way to the last one, so that going through in either
// direction reads each node once. One thread.
class MapReader {
 public:
  MapReader(MapRef map, ReadChunk read);
  MapReader(MapReader&&) noexcept;
  ~MapReader();
  // Null if nothing is in it.
  std::shared_ptr<const MapLeaf> leaf(std::uint64_t number);
  // The node of a leaf, without reading it.
  std::optional<ChunkId> leaf_id(std::uint64_t number);
  const MapRef& map() const { return map_; }

 private:
  struct Node;
  const Node* node_above(std::uint64_t number);
  MapRef map_;
  ReadChunk read_;
  std::vector<std::unique_ptr<Node>> way_;  // inner nodes by level, way_[0] unused
  std::uint64_t leaf_number_ = 0;
  std::shared_ptr<const MapLeaf> leaf_;
};

// Makes a map of leaves that come in ascending order. Equal leaves make equal nodes, whatever the
// way they were made.
class MapBuilder {
 public:
  MapBuilder(std::uint64_t chunk_bytes, std::uint64_t bytes, PutChunk put);
  void add_leaf(std::uint64_t number, const ChunkId& leaf);
  void add_leaf(std::uint64_t number, const MapLeaf& leaf);
  MapRef finish();

 private:
  struct Open {
    std::uint64_t number = 0;  // of the node within its level
    std::vector<std::pair<std::uint8_t, ChunkId>> children;
  };
  void add_child(std::size_t level, std::uint64_t number, const ChunkId& child);
  ChunkId close(std::size_t level);

  MapRef map_;
  PutChunk put_;
  std::vector<Open> open_;  // by level; [0] unused
  std::optional<std::uint64_t> last_leaf_;
  ChunkId only_leaf_;
};

}  // namespace duckback
