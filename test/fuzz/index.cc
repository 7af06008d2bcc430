// Input: a byte that chooses what the rest is.
// 0: u32 bytes of entries, then they and a table, which are sealed right.
// 1: a whole index.
// What can be read in order must also be found by id, and survive a merge.

#include "repo/index.h"

#include <algorithm>
#include <map>

#include "store/memory_store.h"
#include "test/fuzz/fuzz.h"
#include "test/support/repo_objects.h"

using namespace duckback;

namespace {

using Entries = std::multimap<ChunkId, std::pair<PackInfo, std::uint32_t>>;

Entries all_of(const IndexFile& file) {
  Entries entries;
  std::uint64_t next = 0;
  file.for_each([&](std::uint64_t number, const ChunkPlace& place) {
    DUCKBACK_ASSERT(number == next++);
    DUCKBACK_ASSERT(place.chunk.offset + place.chunk.stored + kTagBytes <= place.pack->bytes);
    DUCKBACK_ASSERT(place.chunk.stored <= place.chunk.raw && place.chunk.raw <= kChunkBytesMost);
    entries.emplace(place.chunk.id, std::pair(*place.pack, place.chunk.offset));
  });
  DUCKBACK_ASSERT(next == file.entries());
  return entries;
}

std::set<std::pair<ChunkId, PackInfo>> pairs_of(const Entries& entries) {
  std::set<std::pair<ChunkId, PackInfo>> pairs;
  for (const auto& [id, place] : entries) pairs.emplace(id, place.first);
  return pairs;
}

std::size_t count_of(const IndexFile& file, const ChunkId& id) {
  std::size_t count = 0;
  file.find(id, [&](std::uint64_t, const ChunkPlace& place) {
    DUCKBACK_ASSERT(place.chunk.id == id);
    ++count;
  });
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  static const Sealer sealer(test::kRepository, std::nullopt);
  static const ObjectSealer index_sealer = sealer.reopen(ObjectKind::index, Salt{});
  test::Object index;
  if (data[0] % 2 == 0) {
    ByteView rest(data + 5, size - 5);
    std::size_t entries = std::min<std::size_t>(load_le<std::uint32_t>(data + 1), rest.size());
    std::vector<Bytes> pages;
    for (std::size_t at = 0; at < entries; at += IndexFile::kPageEntries * 48) {
      ByteView page = rest.subspan(at, std::min(IndexFile::kPageEntries * 48, entries - at));
      pages.emplace_back(page.begin(), page.end());
    }
    index = test::raw_index(index_sealer, pages, rest.subspan(entries));
  } else {
    index = test::named({data + 1, data + size});
  }
  MemoryStore store;
  store.put("index/" + index.id, index.bytes);
  fuzz::allow_error([&] {
    IndexFile file(store, sealer, index.id, index.bytes.size());
    // Pages one by one must not need the others to be right.
    fuzz::allow_error([&] { count_of(file, test::chunk_id(0, 1)); });
    Entries entries = all_of(file);
    std::size_t asked = 0;
    for (auto at = entries.begin(); at != entries.end() && asked < 64; ++asked) {
      DUCKBACK_ASSERT(count_of(file, at->first) == entries.count(at->first));
      at = entries.upper_bound(at->first);
    }
    std::vector<std::string> merged = merge_indexes(store, sealer, {&file, &file});
    Index opened(store, sealer);
    DUCKBACK_ASSERT(merged.size() == 1 && opened.files().size() == 1);
    DUCKBACK_ASSERT(pairs_of(all_of(*opened.files().front())) == pairs_of(entries));
    DUCKBACK_ASSERT(opened.files().front()->entries() == pairs_of(entries).size());
  });
  return 0;
}
