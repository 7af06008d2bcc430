#include "repo/chunk_writer.h"

#include "base/error.h"

namespace duckback {
namespace {

// Chunks whose ids are kept in memory until their index is put: 10 MiB.
constexpr std::size_t kNewMost = 1 << 17;
// Taking in the ids of a page takes about as long as looking into so many.
constexpr std::uint64_t kPageCost = 32;
// While one pack is on its way the next one is begun: 0.88 of the time of a first backup against
// Ceph on the same machine, three at once are no faster there.
constexpr std::size_t kPutsIfRemote = 2;

}  // namespace

ChunkWriter::ChunkWriter(Store& store, const Sealer& sealer, const Namer& namer, const Index& index,
                         Compression compression)
    : store_(store),
      sealer_(sealer),
      namer_(namer),
      index_(index),
      compression_(compression),
      putting_(store.is_remote() ? kPutsIfRemote : 1, 1) {}

bool ChunkWriter::known(const ChunkId& id) {
  if (new_.contains(id)) return true;
  if (put_ids_.may_hold(id)) {
    bool found = false;
    for (const auto& file : put_) {
      file->find(id, [&](std::uint64_t, const ChunkPlace&) { found = true; });
      if (found) return true;
    }
  }
  if (index_ids_ && !index_ids_->may_hold(id)) return false;
  if (std::optional<ChunkPlace> place = index_.find(id)) {
    relied_on_.insert(place->pack->id);
    return true;
  }
  if (!index_ids_) count_miss();
  return false;
}

// What is in no index file is looked for in all. Once that has cost as much as reading them whole
// does, they are.
void ChunkWriter::count_miss() {
  std::uint64_t pages = index_.entries() / IndexFile::kPageEntries;
  if (pages <= Index::kPagesMost) return;  // They stay in the cache.
  if (++misses_ * index_.files().size() < kPageCost * pages) return;
  index_ids_.emplace();
  for (const auto& file : index_.files()) {
    file->for_each(
        [&](std::uint64_t, const ChunkPlace& place) { index_ids_->insert(place.chunk.id); });
  }
}

void ChunkWriter::put(const ChunkId& id, ByteView chunk, ObjectKind kind) {
  DUCKBACK_ASSERT(chunk.size() <= kChunkBytesMost);
  {
    std::lock_guard lock(mutex_);
    if (known(id)) return;
    new_.insert(id);
    ++stats_.chunks;
    stats_.raw_bytes += chunk.size();
  }
  thread_local Bytes room;
  ByteView stored = compress_chunk(chunk, compression_, room);
  std::lock_guard packing(packing_);
  std::optional<PackBuilder>& builder = kind == ObjectKind::map_pack ? maps_ : data_;
  if (!builder) builder = new_pack(kind);
  builder->add(id, stored, chunk.size());
  if (!builder->full()) return;
  PackBuilder full = std::move(*builder);
  builder.reset();
  begin_put(std::move(full));
}

PackBuilder ChunkWriter::new_pack(ObjectKind kind) {
  Bytes memory;
  {
    std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      memory = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  return PackBuilder(sealer_, kind, std::move(memory));
}

// When the pack before is put: so no more than one waits. Where it takes long, a few may be.
void ChunkWriter::begin_put(PackBuilder builder) {
  if (!store_.is_remote()) putting_.wait();
  auto shared = std::make_shared<PackBuilder>(std::move(builder));
  putting_.run([this, shared] { put_pack(std::move(*shared)); });
}

void ChunkWriter::put_pack(PackBuilder builder) {
  PackBuilder::Finished pack = std::move(builder).finish();
  store_.put(pack_key(pack.info.id), pack.bytes);
  std::lock_guard lock(mutex_);
  ++stats_.packs;
  relied_on_.insert(pack.info.id);
  stats_.stored_bytes += pack.bytes.size();
  index_builder_.add(pack.info, pack.chunks);
  spare_.push_back(std::move(pack.bytes));
  if (index_builder_.entries() >= kNewMost) put_index();
}

void ChunkWriter::put_index() {
  // Chunks of packs that are being filled must stay known.
  index_builder_.for_each_id([&](const ChunkId& id) {
    new_.erase(id);
    put_ids_.insert(id);
  });
  IndexBuilder::Put index = index_builder_.put(store_, sealer_);
  stats_.stored_bytes += index.bytes;
  put_.push_back(
      std::make_unique<IndexFile>(store_, sealer_, index.id, index.bytes, index_.cache()));
}

void ChunkWriter::flush() {
  std::lock_guard packing(packing_);
  for (std::optional<PackBuilder>* builder : {&data_, &maps_}) {
    if (!*builder) continue;
    PackBuilder last = std::move(**builder);
    builder->reset();
    begin_put(std::move(last));
  }
  putting_.wait();
  std::lock_guard lock(mutex_);
  spare_.clear();
  if (index_builder_.entries() > 0) put_index();
}

ChunkStats ChunkWriter::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

std::vector<std::string> ChunkWriter::put_indexes() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& file : put_) ids.push_back(file->id());
  return ids;
}

std::set<std::string> ChunkWriter::relied_on() const {
  std::lock_guard lock(mutex_);
  return relied_on_;
}

}  // namespace duckback
