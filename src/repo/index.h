#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/error.h"
#include "repo/pack.h"

namespace duckback {

// Where a chunk is.
struct ChunkPlace {
  const PackInfo* pack = nullptr;  // lives as long as the index
  PackedChunk chunk;
};

struct IndexEntry {
  ChunkId id;
  std::uint32_t pack = 0;  // in the index's own table
  std::uint32_t offset = 0;
  std::uint32_t stored = 0;
  std::uint32_t raw = 0;
};
using IndexPage = std::vector<IndexEntry>;

// The pages of index files that were opened last, about; each is 24 KiB. Safe to use from many
// threads.
class PageCache {
 public:
  explicit PageCache(std::size_t pages_most) : slots_(pages_most) {}
  // A file's numbers for its pages: so many, from the one returned on. In a row, so that files that
  // fit together never push out each other's.
  std::uint64_t reserve(std::uint64_t pages);
  std::shared_ptr<const IndexPage> find(std::uint64_t number) const;
  void keep(std::uint64_t number, std::shared_ptr<const IndexPage> page);
  std::size_t pages() const;  // that it holds now

 private:
  struct Slot {
    std::uint64_t number = 0;
    std::shared_ptr<const IndexPage> page;
  };
  mutable std::mutex mutex_;
  std::uint64_t reserved_ = 0;
  std::vector<Slot> slots_;
};

// One index object: pages of sorted entries, read when they are needed (docs/format.md, "Index").
// Memory: 32 bytes a page of 512 entries, the packs' table, and the cache. Safe to use from many
// threads. All throw Errc::damaged, naming the object, for what is not as it should be.
class IndexFile {
 public:
  static constexpr std::size_t kPageEntries = 512;

  // `bytes` as it was listed. Throws Errc::not_found. Without `cache` it has a small one.
  IndexFile(Store& store, const Sealer& sealer, std::string id, std::uint64_t bytes,
            std::shared_ptr<PageCache> cache = nullptr);

  const std::string& id() const { return id_; }
  std::uint64_t entries() const { return entries_; }
  const std::vector<PackInfo>& packs() const { return packs_; }
  const std::vector<std::string>& superseded() const { return superseded_; }
  ChunkPlace at(std::uint64_t number) const;
  // Every entry of `id`; entry numbers count from 0 in the file's order.
  void find(const ChunkId& id,
            const std::function<void(std::uint64_t number, const ChunkPlace&)>& visit) const;
  // The same for each of `ids`, which ascend: one pass over the pages, where most are needed.
  void find_all(const std::vector<ChunkId>& ids,
                const std::function<void(std::size_t of_ids, std::uint64_t number,
                                         const ChunkPlace&)>& visit) const;
  // All entries, in order.
  void for_each(const std::function<void(std::uint64_t number, const ChunkPlace&)>& visit) const;

 private:
  friend class IndexCursor;
  ChunkPlace place(const IndexEntry& entry) const;
  std::uint64_t pages() const { return page_first_.size(); }
  std::shared_ptr<const IndexPage> page(std::uint64_t number) const;
  IndexPage parse_page(std::uint64_t number, std::uint64_t offset, ByteView section) const;
  // `count` pages from `first` on, with one request.
  std::vector<IndexPage> read_pages(std::uint64_t first, std::uint64_t count) const;

  Store& store_;
  std::string id_;
  std::optional<ObjectSealer> sealer_;
  std::uint64_t entries_ = 0;
  std::vector<PackInfo> packs_;
  std::vector<std::string> superseded_;
  std::vector<ChunkId> page_first_;
  ChunkId last_;
  std::shared_ptr<PageCache> cache_;
  std::uint64_t cache_number_ = 0;  // of page 0
};

inline constexpr std::size_t kIndexEntriesMost = 1 << 18;  // 12 MiB of entries in one object

// The index of chunks that were just packed, in memory until it is put: when it has
// kIndexEntriesMost / 2 entries, for one more pack may have as many.
class IndexBuilder {
 public:
  void add(const PackInfo& pack, const std::vector<PackedChunk>& chunks);
  std::size_t entries() const { return entries_.size(); }
  template <class Visit>
  void for_each_id(Visit visit) const {
    for (const IndexEntry& entry : entries_) visit(entry.id);
  }
  struct Put {
    std::string id;
    std::uint64_t bytes = 0;
  };
  // Puts an index object that names `superseded`, and begins anew.
  Put put(Store& store, const Sealer& sealer, const std::set<std::string>& superseded = {});

 private:
  std::vector<PackInfo> packs_;
  std::vector<IndexEntry> entries_;
};

// Merges the entries of `files`, but for those in the packs `without`, into index objects that
// together supersede `files` and what those superseded, each of at most kIndexEntriesMost entries
// and a range of ids of its own. The last one put names what is superseded, so that a crash between
// leaves both. Removes nothing. Memory: one object, and a page a file or a few MiB.
// Returns the ids of the new ones; equal entries become one.
std::vector<std::string> merge_indexes(Store& store, const Sealer& sealer,
                                       const std::vector<const IndexFile*>& files,
                                       const std::set<std::string>& without = {});

// All index files of a repository at the time it was opened, less those superseded.
class Index {
 public:
  static constexpr std::size_t kPagesMost = 512;  // in memory: 12 MiB, one full object

  // Lists and opens index/; finds at least all that was put before. `absent`: packs to treat as if
  // they were not there (marked ones, for a backup).
  // Throws Errc::damaged if one that counts is; with `damaged` every page is read, and what is
  // damaged is handed to it and left out.
  using Damaged = std::function<void(const std::string& index_id, const Error& error)>;
  Index(Store& store, const Sealer& sealer, std::set<std::string> absent = {},
        const Damaged& damaged = {});

  // Where a chunk is, outside of the absent packs. Fast for chunks of one backup one after the
  // other.
  std::optional<ChunkPlace> find(const ChunkId& id) const;
  // All places of a chunk, absent packs too.
  std::vector<ChunkPlace> find_all(const ChunkId& id) const;
  const std::vector<std::unique_ptr<IndexFile>>& files() const { return files_; }
  std::uint64_t entries() const;
  // Objects that an index file named as superseded and that still exist.
  const std::vector<std::string>& superseded() const { return superseded_; }
  bool absent(const std::string& pack_id) const { return absent_.contains(pack_id); }
  const std::shared_ptr<PageCache>& cache() const { return cache_; }
  // Takes in one that was put since, with what it supersedes. Not while others call find().
  // Throws Errc::conflict if it is gone: whoever merges may have put it into another one.
  void add_file(const std::string& index_id);

 private:
  void largest_first();

  Store& store_;
  const Sealer& sealer_;
  std::shared_ptr<PageCache> cache_;
  std::vector<std::unique_ptr<IndexFile>> files_;    // the largest first
  mutable std::atomic<std::size_t> last_hit_ = 0;    // the file where find() found something
  std::vector<std::unique_ptr<IndexFile>> retired_;  // superseded since, for places given out
  std::vector<std::string> superseded_;
  std::set<std::string> absent_;
};

}  // namespace duckback
