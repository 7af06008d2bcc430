#include "repo/map.h"

#include <bit>

#include "base/byte_reader.h"
#include "base/error.h"

namespace duckback {
namespace {

constexpr std::size_t kNodeHeaderBytes = 40;  // level, padding, present
constexpr std::size_t kEntryBytes = 48;

using Present = std::array<std::uint64_t, kMapFanOut / 64>;

Bytes node_bytes(std::uint8_t level, const Present& present, std::size_t payload) {
  Bytes bytes(kNodeHeaderBytes);
  bytes.reserve(kNodeHeaderBytes + payload);
  bytes[0] = level;
  std::memcpy(bytes.data() + 8, present.data(), sizeof present);
  return bytes;
}

// Checks all of a node but its children.
Present read_header(ByteReader& reader, std::uint32_t level, std::size_t child_bytes) {
  if (reader.read<std::uint64_t>("a node's level") != level) {
    reader.fail(fmt::format("a node of level {}", level));
  }
  Present present{};
  std::size_t children = 0;
  for (std::uint64_t& word : present) {
    word = reader.read<std::uint64_t>("a node's places");
    children += static_cast<std::size_t>(std::popcount(word));
  }
  if (children == 0 || reader.remaining() != children * child_bytes) {
    reader.fail(fmt::format("{} bytes of children", children * child_bytes));
  }
  return present;
}

ChunkId read_id(ByteReader& reader) {
  ChunkId id;
  ByteView bytes = reader.take(id.digest.size(), "a chunk id");
  std::copy(bytes.begin(), bytes.end(), id.digest.begin());
  return id;
}

bool test(const Present& present, std::size_t place) {
  return (present[place / 64] >> (place % 64) & 1) != 0;
}

std::string name_of_node(const ChunkId& id) { return "map node " + id.hex(); }

// What does not parse though its chunk id fits was written so.
template <class Body>
auto parse(const ChunkId& id, ByteView bytes, Body body) {
  try {
    ByteReader reader(bytes, name_of_node(id));
    return body(reader);
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    throw Error(Errc::damaged, error.what());
  }
}

MapLeaf read_leaf(const ChunkId& id, ByteView bytes) {
  return parse(id, bytes, [](ByteReader& reader) {
    Present present = read_header(reader, 0, kEntryBytes);
    MapLeaf leaf;
    for (std::size_t place = 0; place < kMapFanOut; ++place) {
      if (!test(present, place)) continue;
      MapEntry entry;
      ByteView print = reader.take(entry.fingerprint.size(), "a fingerprint");
      std::copy(print.begin(), print.end(), entry.fingerprint.begin());
      entry.chunk = read_id(reader);
      leaf.add(place, entry);
    }
    return leaf;
  });
}

using Children = std::array<std::optional<ChunkId>, kMapFanOut>;

Children read_inner(const ChunkId& id, std::uint32_t level, ByteView bytes) {
  return parse(id, bytes, [level](ByteReader& reader) {
    Present present = read_header(reader, level, 32);
    Children children;
    for (std::size_t child = 0; child < kMapFanOut; ++child) {
      if (test(present, child)) children[child] = read_id(reader);
    }
    return children;
  });
}

void check_levels(const MapRef& map) {
  if (map.root.has_value() != (map.levels > 0) || map.levels > kMapLevelsMost) {
    throw Error(Errc::damaged, "a map has {} levels", map.levels);
  }
}

}  // namespace

const MapEntry* MapLeaf::find(std::size_t place) const {
  if (!has(place)) return nullptr;
  std::size_t before = 0;
  for (std::size_t word = 0; word < place / 64; ++word) {
    before += static_cast<std::size_t>(std::popcount(present_[word]));
  }
  std::uint64_t below = present_[place / 64] & ((std::uint64_t{1} << (place % 64)) - 1);
  return &entries_[before + static_cast<std::size_t>(std::popcount(below))];
}

void MapLeaf::add(std::size_t place, const MapEntry& entry) {
  DUCKBACK_ASSERT(place < kMapFanOut && !has(place));
  present_[place / 64] |= std::uint64_t{1} << (place % 64);
  entries_.push_back(entry);
  DUCKBACK_ASSERT(find(place) == &entries_.back());
}

Bytes MapLeaf::to_bytes() const {
  DUCKBACK_ASSERT(!empty());
  Bytes bytes = node_bytes(0, present_, entries_.size() * kEntryBytes);
  for (const MapEntry& entry : entries_) {
    bytes.insert(bytes.end(), entry.fingerprint.begin(), entry.fingerprint.end());
    bytes.insert(bytes.end(), entry.chunk.digest.begin(), entry.chunk.digest.end());
  }
  return bytes;
}

namespace {

struct Walk {
  const ReadChunk& read;
  const std::function<bool(const ChunkId&, std::uint32_t)>& enter;
  const std::function<void(std::uint64_t, const ChunkId&, const MapLeaf&)>& leaf;

  void node(const ChunkId& id, std::uint32_t level, std::uint64_t number) const {
    if (!enter(id, level)) return;
    Bytes bytes = read(id);
    if (level == 0) {
      leaf(number, id, read_leaf(id, bytes));
      return;
    }
    Children children = read_inner(id, level, bytes);
    bytes = {};
    for (std::size_t child = 0; child < kMapFanOut; ++child) {
      if (children[child]) node(*children[child], level - 1, number * kMapFanOut + child);
    }
  }
};

}  // namespace

void walk_map(const MapRef& map, const ReadChunk& read,
              const std::function<bool(const ChunkId&, std::uint32_t)>& enter,
              const std::function<void(std::uint64_t, const ChunkId&, const MapLeaf&)>& leaf) {
  check_levels(map);
  if (map.root) Walk{read, enter, leaf}.node(*map.root, map.levels - 1, 0);
}

namespace {

// Two trees side by side. A tree that is lower is child 0 of the nodes that it lacks.
class MapDiff {
 public:
  using Visit = std::function<void(std::uint64_t, const MapEntry*, const MapEntry*)>;
  MapDiff(const ReadChunk& read, const Visit& visit) : read_(read), visit_(visit) {}

  struct Side {
    std::optional<ChunkId> node;
    std::uint32_t level = 0;  // of `node`
  };

  void compare(const Side& before, const Side& after, std::uint32_t level, std::uint64_t number) {
    if (!before.node && !after.node) return;
    if (before.level == after.level && before.node == after.node) return;
    if (level == 0) {
      compare_leaves(before, after, number);
      return;
    }
    std::vector<Side> old = children(before, level);
    std::vector<Side> now = children(after, level);
    for (std::size_t child = 0; child < kMapFanOut; ++child) {
      compare(old[child], now[child], level - 1, number * kMapFanOut + child);
    }
  }

 private:
  std::vector<Side> children(const Side& side, std::uint32_t level) const {
    std::vector<Side> sides(kMapFanOut);
    if (!side.node) return sides;
    if (side.level < level) {
      sides[0] = side;
      return sides;
    }
    Children found = read_inner(*side.node, level, read_(*side.node));
    for (std::size_t child = 0; child < kMapFanOut; ++child) {
      if (found[child]) sides[child] = {found[child], level - 1};
    }
    return sides;
  }

  void compare_leaves(const Side& before, const Side& after, std::uint64_t number) const {
    MapLeaf old = before.node ? read_leaf(*before.node, read_(*before.node)) : MapLeaf();
    MapLeaf now = after.node ? read_leaf(*after.node, read_(*after.node)) : MapLeaf();
    for (std::size_t place = 0; place < kMapFanOut; ++place) {
      const MapEntry* was = old.find(place);
      const MapEntry* is = now.find(place);
      bool same = was != nullptr && is != nullptr ? was->chunk == is->chunk : was == is;
      if (!same) visit_(number * kMapFanOut + place, was, is);
    }
  }

  const ReadChunk& read_;
  const Visit& visit_;
};

}  // namespace

void diff_maps(const MapRef& before, const MapRef& after, const ReadChunk& read,
               const std::function<void(std::uint64_t place, const MapEntry* before,
                                        const MapEntry* after)>& visit) {
  check_levels(before);
  check_levels(after);
  auto side = [](const MapRef& map) {
    return MapDiff::Side{map.root, map.levels == 0 ? 0 : map.levels - 1};
  };
  MapDiff::Side old = side(before);
  MapDiff::Side now = side(after);
  MapDiff(read, visit).compare(old, now, std::max(old.level, now.level), 0);
}

struct MapReader::Node {
  std::uint64_t number;
  Children children;
};

MapReader::MapReader(MapRef map, ReadChunk read) : map_(map), read_(std::move(read)) {
  check_levels(map_);
  way_.resize(map_.levels);
}

MapReader::MapReader(MapReader&&) noexcept = default;
MapReader::~MapReader() = default;

const MapReader::Node* MapReader::node_above(std::uint64_t number) {
  DUCKBACK_ASSERT(map_.levels > 1);
  ChunkId id = *map_.root;
  for (std::uint32_t level = map_.levels - 1;; --level) {
    std::uint64_t here = number >> (level * 8);
    std::unique_ptr<Node>& node = way_[level];
    if (!node || node->number != here) {
      auto fresh = std::make_unique<Node>(Node{here, read_inner(id, level, read_(id))});
      node = std::move(fresh);
      for (std::uint32_t below = 1; below < level; ++below) way_[below].reset();
    }
    if (level == 1) return node.get();
    const std::optional<ChunkId>& child =
        node->children[(number >> ((level - 1) * 8)) % kMapFanOut];
    if (!child) return nullptr;
    id = *child;
  }
}

std::optional<ChunkId> MapReader::leaf_id(std::uint64_t number) {
  if (map_.levels == 0) return std::nullopt;
  std::uint32_t bits = (map_.levels - 1) * 8;
  if (bits < 64 && number >> bits != 0) return std::nullopt;
  if (map_.levels == 1) return map_.root;
  const Node* node = node_above(number);
  return node == nullptr ? std::nullopt : node->children[number % kMapFanOut];
}

std::shared_ptr<const MapLeaf> MapReader::leaf(std::uint64_t number) {
  if (leaf_ && leaf_number_ == number) return leaf_;
  std::optional<ChunkId> id = leaf_id(number);
  if (!id) return nullptr;
  leaf_ = std::make_shared<const MapLeaf>(read_leaf(*id, read_(*id)));
  leaf_number_ = number;
  return leaf_;
}

MapBuilder::MapBuilder(std::uint64_t chunk_bytes, std::uint64_t bytes, PutChunk put)
    : put_(std::move(put)) {
  map_.chunk_bytes = chunk_bytes;
  map_.bytes = bytes;
}

void MapBuilder::add_leaf(std::uint64_t number, const MapLeaf& leaf) {
  add_leaf(number, put_(leaf.to_bytes()));
}

void MapBuilder::add_leaf(std::uint64_t number, const ChunkId& leaf) {
  DUCKBACK_ASSERT(!last_leaf_ || number > *last_leaf_);
  if (!last_leaf_) only_leaf_ = leaf;
  last_leaf_ = number;
  add_child(1, number, leaf);
}

// Gives `child`, node `number` of the level below, to the open node of `level`.
void MapBuilder::add_child(std::size_t level, std::uint64_t number, const ChunkId& child) {
  if (open_.size() <= level) open_.resize(level + 1);
  std::uint64_t parent = number / kMapFanOut;
  if (!open_[level].children.empty() && open_[level].number != parent) {
    std::uint64_t closed = open_[level].number;
    ChunkId id = close(level);
    add_child(level + 1, closed, id);
  }
  open_[level].number = parent;
  open_[level].children.emplace_back(static_cast<std::uint8_t>(number % kMapFanOut), child);
}

ChunkId MapBuilder::close(std::size_t level) {
  Open& node = open_[level];
  Present present{};
  for (const auto& [place, id] : node.children) {
    present[place / 64] |= std::uint64_t{1} << (place % 64);
  }
  Bytes bytes = node_bytes(static_cast<std::uint8_t>(level), present, node.children.size() * 32);
  for (const auto& [place, id] : node.children) {
    bytes.insert(bytes.end(), id.digest.begin(), id.digest.end());
  }
  node.children.clear();
  return put_(bytes);
}

MapRef MapBuilder::finish() {
  if (!last_leaf_) return map_;
  if (*last_leaf_ == 0) {
    map_.root = only_leaf_;
    map_.levels = 1;
    return map_;
  }
  for (std::size_t level = 1;; ++level) {
    std::uint64_t number = open_[level].number;
    ChunkId id = close(level);
    if (number == 0 && open_.size() == level + 1) {
      map_.root = id;
      map_.levels = static_cast<std::uint32_t>(level + 1);
      return map_;
    }
    add_child(level + 1, number, id);
  }
}

}  // namespace duckback
