#include "ops/snapshot_sink.h"

#include <algorithm>

#include "base/bitmap.h"
#include "base/error.h"
#include "io/file.h"

namespace duckback {

// The entries of one map while it is made: those of the parent, and over them what differs, which
// is kept in a file without a name, entry n at n * kEntryBytes.
class SnapshotSink::Places {
 public:
  Places(std::optional<MapReader> parent, std::uint64_t chunk_bytes)
      : parent_(std::move(parent)), chunk_bytes_(chunk_bytes) {}

  std::uint64_t chunk_bytes() const { return chunk_bytes_; }
  std::uint64_t changed() {
    std::lock_guard lock(mutex_);
    return changed_.count();
  }

  // What counts are places set from now on. Entries found before stay, to be compared with.
  void begin(std::uint64_t places) {
    std::lock_guard lock(mutex_);
    present_ = Bitmap(places);
    stored_.resize(std::max(places, stored_.size()));
    changed_ = Bitmap(places);
  }

  // Whether the parent has something at this place.
  bool has_parent(std::uint64_t place) {
    std::lock_guard lock(mutex_);
    return parent_entry(place).has_value();
  }

  // The place holds what it held in the parent, by its fingerprint.
  bool keep_parent(std::uint64_t place, const Fingerprint& fingerprint) {
    std::lock_guard lock(mutex_);
    return keeps_parent(place, fingerprint);
  }

  // The place holds what it held before, by its fingerprint; else store it and call set().
  bool keep(std::uint64_t place, const Fingerprint& fingerprint) {
    std::lock_guard lock(mutex_);
    if (keeps_parent(place, fingerprint)) return true;
    if (!stored_.test(place) || stored_entry(place).fingerprint != fingerprint) return false;
    present_.set(place);
    changed_.set(place);
    return true;
  }

  void set(std::uint64_t place, const MapEntry& entry) {
    Bytes bytes(kEntryBytes);
    std::copy(entry.fingerprint.begin(), entry.fingerprint.end(), bytes.begin());
    std::copy(entry.chunk.digest.begin(), entry.chunk.digest.end(), bytes.begin() + 16);
    std::lock_guard lock(mutex_);
    grow(place);
    if (!entries_) entries_ = File::create_anonymous(temporary_folder());
    entries_->write_at(place * kEntryBytes, bytes);
    stored_.set(place);
    changed_.set(place);
    present_.set(place);
  }

  // The map of what was set since begin(). Leaves without a change are the parent's.
  MapRef finish(std::uint64_t bytes, const PutChunk& put) {
    std::lock_guard lock(mutex_);
    MapBuilder builder(chunk_bytes_, bytes, put);
    std::uint64_t size = present_.size();
    for (std::uint64_t place = present_.next(0); place < size;) {
      std::uint64_t number = place / kMapFanOut;
      std::uint64_t end = std::min(size, (number + 1) * kMapFanOut);
      add_leaf(builder, number, end);
      place = present_.next(end);
    }
    return builder.finish();
  }

 private:
  static constexpr std::size_t kEntryBytes = 48;

  void grow(std::uint64_t place) {
    if (place < present_.size()) return;
    for (Bitmap* bitmap : {&present_, &stored_, &changed_}) bitmap->resize(place + 1);
  }

  bool keeps_parent(std::uint64_t place, const Fingerprint& fingerprint) {
    grow(place);
    std::optional<MapEntry> parent = parent_entry(place);
    if (!parent || parent->fingerprint != fingerprint) return false;
    present_.set(place);
    changed_.reset(place);
    return true;
  }

  std::optional<MapEntry> parent_entry(std::uint64_t place) {
    if (!parent_) return std::nullopt;
    std::shared_ptr<const MapLeaf> leaf = parent_->leaf(place / kMapFanOut);
    const MapEntry* entry = leaf ? leaf->find(place % kMapFanOut) : nullptr;
    return entry == nullptr ? std::nullopt : std::optional(*entry);
  }

  MapEntry stored_entry(std::uint64_t place) const {
    std::array<std::uint8_t, kEntryBytes> bytes{};
    DUCKBACK_ASSERT(entries_->read_at(place * kEntryBytes, bytes) == bytes.size());
    MapEntry entry;
    std::copy(bytes.begin(), bytes.begin() + 16, entry.fingerprint.begin());
    std::copy(bytes.begin() + 16, bytes.end(), entry.chunk.digest.begin());
    return entry;
  }

  void add_leaf(MapBuilder& builder, std::uint64_t number, std::uint64_t end) {
    std::uint64_t begin = number * kMapFanOut;
    std::shared_ptr<const MapLeaf> old = parent_ ? parent_->leaf(number) : nullptr;
    MapLeaf leaf;
    for (std::uint64_t place = begin; place < end; ++place) {
      if (!present_.test(place)) continue;
      leaf.add(place - begin,
               changed_.test(place) ? stored_entry(place) : *old->find(place - begin));
    }
    // Equal leaves are equal chunks, so this finds those of the parent again.
    builder.add_leaf(number, leaf);
  }

  std::mutex mutex_;
  std::optional<MapReader> parent_;
  std::uint64_t chunk_bytes_;
  Bitmap present_;
  Bitmap stored_;   // has an entry in entries_
  Bitmap changed_;  // that entry counts, not the parent's
  std::optional<File> entries_;
};

namespace {

std::optional<MapReader> reader_of(const std::optional<SnapshotSink::Parent>& parent,
                                   MapRef SnapshotSink::Parent::*map, std::uint64_t chunk_bytes) {
  // Places of another size have nothing in common.
  if (!parent || (*parent.*map).chunk_bytes != chunk_bytes) return std::nullopt;
  return MapReader(*parent.*map, parent->read);
}

}  // namespace

SnapshotSink::SnapshotSink(ChunkWriter& writer, const Namer& namer, std::optional<Parent> parent,
                           std::size_t threads)
    : writer_(writer),
      namer_(namer),
      parent_(std::move(parent)),
      threads_(threads),
      wal_(std::make_unique<Places>(reader_of(parent_, &Parent::wal, kWalPieceBytes),
                                    kWalPieceBytes)) {}

SnapshotSink::~SnapshotSink() = default;

void SnapshotSink::begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView) {
  if (!file_ || file_->chunk_bytes() != block_bytes) {
    file_ = std::make_unique<Places>(reader_of(parent_, &Parent::file, block_bytes), block_bytes);
  }
  std::uint64_t behind = std::max(file_bytes, kBlockStart) - kBlockStart;
  file_->begin((behind + block_bytes - 1) / block_bytes);
}

Bytes SnapshotSink::take_buffer() {
  std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  Bytes buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

std::uint64_t SnapshotSink::place_of(std::uint64_t offset) const {
  DUCKBACK_ASSERT(offset >= kBlockStart && (offset - kBlockStart) % file_->chunk_bytes() == 0);
  return (offset - kBlockStart) / file_->chunk_bytes();
}

bool SnapshotSink::holds(std::uint64_t offset, ByteView block) {
  std::uint64_t place = place_of(offset);
  return parent_ && parent_->verified && file_->has_parent(place) &&
         file_->keep_parent(place, namer_.fingerprint(block));
}

void SnapshotSink::write_blocks(std::uint64_t offset, Bytes&& blocks) {
  std::uint64_t chunk_bytes = file_->chunk_bytes();
  std::uint64_t place = place_of(offset);
  for (std::size_t at = 0; at < blocks.size(); at += chunk_bytes, ++place) {
    ByteView block =
        ByteView(blocks).subspan(at, std::min<std::size_t>(chunk_bytes, blocks.size() - at));
    Fingerprint fingerprint = namer_.fingerprint(block);
    if (file_->keep(place, fingerprint)) continue;
    file_->set(place, {fingerprint, writer_.put(block, ObjectKind::data_pack)});
  }
  std::lock_guard lock(mutex_);
  if (spare_.size() < threads_) spare_.push_back(std::move(blocks));
}

// The WAL is cut into pieces of a MiB, each a place of its map.
void SnapshotSink::write_wal(std::uint64_t offset, ByteView bytes) {
  if (offset == 0) {
    wal_->begin(0);
    wal_piece_.clear();
    wal_bytes_ = 0;
  }
  DUCKBACK_ASSERT(offset == wal_bytes_);
  while (!bytes.empty()) {
    std::size_t count = std::min<std::size_t>(bytes.size(), kWalPieceBytes - wal_piece_.size());
    wal_piece_.insert(wal_piece_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    wal_bytes_ += count;
    if (wal_piece_.size() == kWalPieceBytes) store_wal_piece();
  }
}

void SnapshotSink::store_wal_piece() {
  std::uint64_t place = (wal_bytes_ - 1) / kWalPieceBytes;
  Fingerprint fingerprint = namer_.fingerprint(wal_piece_);
  if (!wal_->keep(place, fingerprint)) {
    wal_->set(place, {fingerprint, writer_.put(wal_piece_, ObjectKind::data_pack)});
  }
  wal_piece_.clear();
}

SnapshotSink::Stored SnapshotSink::finish(const Image& image) {
  if (image.wal_bytes == 0) {
    // A round may have written one before it was lost.
    wal_->begin(0);
    wal_piece_.clear();
    wal_bytes_ = 0;
  }
  DUCKBACK_ASSERT(wal_bytes_ == image.wal_bytes);
  if (!wal_piece_.empty()) store_wal_piece();
  PutChunk put_node = [this](ByteView node) { return writer_.put(node, ObjectKind::map_pack); };
  Stored stored;
  stored.head = writer_.put(image.head, ObjectKind::map_pack);
  stored.file = file_->finish(image.file_bytes, put_node);
  stored.wal = wal_->finish(image.wal_bytes, put_node);
  stored.changed_blocks = file_->changed();
  return stored;
}

}  // namespace duckback
