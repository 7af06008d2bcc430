#include "repo/index.h"

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>

#include "base/byte_reader.h"
#include "base/error.h"
#include "repo/trailer.h"

namespace duckback {
namespace {

constexpr std::size_t kEntryBytes = 48;
constexpr std::size_t kFullPageBytes = IndexFile::kPageEntries * kEntryBytes + kTagBytes;
constexpr std::size_t kPackRowBytes = 80;
constexpr std::string_view kAdvice = "; run `duckback repair index`";
constexpr std::string_view kPageLabel = "page";
// Pages that are read in order are fetched as many at once: 1.5 MiB.
constexpr std::uint64_t kPagesAtOnce = 64;

const TrailerForm& index_form() {
  static const TrailerForm form{{ObjectKind::index}, "table", "indx", 32 << 20};
  return form;
}

std::string index_key(std::string_view index_id) { return fmt::format("index/{}", index_id); }

// The id of an index, from its key; nothing for what only lies there.
std::optional<std::string> index_id_of(std::string_view key) {
  constexpr std::string_view kPrefix = "index/";
  std::string_view id = key.substr(std::min(kPrefix.size(), key.size()));
  if (id.size() != 2 * sizeof(Digest) ||
      id.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(id);
}

ChunkId read_chunk_id(ByteReader& reader) {
  ChunkId id;
  ByteView bytes = reader.take(id.digest.size(), "a chunk id");
  std::copy(bytes.begin(), bytes.end(), id.digest.begin());
  return id;
}

std::pair<const ChunkId&, std::uint32_t> order_of(const IndexEntry& entry) {
  return {entry.id, entry.pack};
}

PackInfo read_pack_row(ByteReader& reader) {
  PackInfo pack;
  pack.id = to_hex(reader.take(sizeof(Digest), "a pack's id"));
  ByteView salt = reader.take(pack.salt.size(), "a pack's salt");
  std::copy(salt.begin(), salt.end(), pack.salt.begin());
  pack.bytes = reader.read<std::uint64_t>("a pack's size");
  auto kind = reader.read<std::uint64_t>("a pack's kind");
  pack.kind = kind == static_cast<std::uint64_t>(ObjectKind::map_pack) ? ObjectKind::map_pack
                                                                       : ObjectKind::data_pack;
  if (kind != static_cast<std::uint64_t>(pack.kind) || pack.bytes > kPackBytesMost) {
    reader.fail("a size and a kind that packs have before");
  }
  return pack;
}

void append_number(Bytes& to, std::uint64_t value, std::size_t bytes) {
  std::uint8_t number[8];
  store_le(number, value);
  to.insert(to.end(), number, number + bytes);
}

void append_bytes(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void append_id(Bytes& to, std::string_view hex) {
  DUCKBACK_ASSERT(hex.size() == 2 * sizeof(Digest));
  auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    to.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
}

// An index object while it is written, page after page.
class IndexWriter {
 public:
  // `entries_most`: as many will be added, or all that fit.
  IndexWriter(const Sealer& sealer, std::uint64_t entries_most)
      : sealer_(sealer.begin(ObjectKind::index)) {
    // Growing would hold the bytes twice.
    object_.reserve(std::min<std::uint64_t>(entries_most, kIndexEntriesMost) * (kEntryBytes + 1));
    append_bytes(object_, sealer_.header());
  }

  std::size_t entries() const { return entries_; }

  void add(const IndexEntry& entry) {
    DUCKBACK_ASSERT(entries_ == 0 || order_of(last_) < order_of(entry));
    DUCKBACK_ASSERT(entries_ < kIndexEntriesMost);
    if (entries_ % IndexFile::kPageEntries == 0) {
      end_page();
      page_first_.push_back(entry.id);
    }
    append_bytes(page_, entry.id.digest);
    for (std::uint32_t number : {entry.pack, entry.offset, entry.stored, entry.raw}) {
      append_number(page_, number, 4);
    }
    last_ = entry;
    ++entries_;
  }

  IndexBuilder::Put put(Store& store, const std::vector<const PackInfo*>& packs,
                        const std::set<std::string>& superseded) {
    end_page();
    Bytes table;
    append_number(table, packs.size(), 4);
    for (const PackInfo* pack : packs) {
      append_id(table, pack->id);
      append_bytes(table, pack->salt);
      append_number(table, pack->bytes, 8);
      append_number(table, static_cast<std::uint8_t>(pack->kind), 8);
    }
    append_number(table, superseded.size(), 4);
    for (const std::string& id : superseded) append_id(table, id);
    append_number(table, entries_, 8);
    for (const ChunkId& id : page_first_) append_bytes(table, id.digest);
    if (entries_ > 0) append_bytes(table, last_.id.digest);
    append_trailer(sealer_, index_form(), table, object_);

    Blake3 hash;
    hash.update(object_);
    std::string id = to_hex(hash.digest());
    store.put(index_key(id), object_);
    return {std::move(id), object_.size()};
  }

 private:
  void end_page() {
    if (page_.empty()) return;
    sealer_.seal(object_.size(), as_bytes(kPageLabel), page_, object_);
    page_.clear();
  }

  ObjectSealer sealer_;
  Bytes object_;
  Bytes page_;
  std::vector<ChunkId> page_first_;
  IndexEntry last_;
  std::size_t entries_ = 0;
};

}  // namespace

std::uint64_t PageCache::reserve(std::uint64_t pages) {
  std::lock_guard lock(mutex_);
  return std::exchange(reserved_, reserved_ + pages);
}

std::shared_ptr<const IndexPage> PageCache::find(std::uint64_t number) const {
  std::lock_guard lock(mutex_);
  const Slot& slot = slots_[number % slots_.size()];
  return slot.number == number ? slot.page : nullptr;
}

void PageCache::keep(std::uint64_t number, std::shared_ptr<const IndexPage> page) {
  std::lock_guard lock(mutex_);
  slots_[number % slots_.size()] = {number, std::move(page)};
}

std::size_t PageCache::pages() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.page != nullptr; }));
}

IndexFile::IndexFile(Store& store, const Sealer& sealer, std::string id, std::uint64_t bytes,
                     std::shared_ptr<PageCache> cache)
    : store_(store),
      id_(std::move(id)),
      cache_(cache ? std::move(cache) : std::make_shared<PageCache>(16)) {
  std::string key = index_key(id_);
  reading_object(kAdvice, [&] {
    Trailer trailer = read_trailer(store, sealer, index_form(), key, bytes, true);
    ByteReader reader(trailer.content, key, trailer.offset);

    auto packs = reader.read<std::uint32_t>("a count of packs");
    if (packs > kIndexEntriesMost || packs > reader.remaining() / kPackRowBytes) {
      reader.fail("a possible count of packs before");
    }
    packs_.reserve(packs);
    while (packs_.size() < packs) packs_.push_back(read_pack_row(reader));

    auto superseded = reader.read<std::uint32_t>("a count of superseded indexes");
    if (superseded > reader.remaining() / sizeof(Digest)) {
      reader.fail("a possible count of superseded indexes before");
    }
    superseded_.reserve(superseded);
    while (superseded_.size() < superseded) {
      superseded_.push_back(to_hex(reader.take(sizeof(Digest), "a superseded index")));
    }

    entries_ = reader.read<std::uint64_t>("a count of entries");
    std::uint64_t pages = entries_ / kPageEntries + (entries_ % kPageEntries != 0);
    if (entries_ > kIndexEntriesMost ||
        trailer.offset != kObjectHeaderBytes + entries_ * kEntryBytes + pages * kTagBytes) {
      reader.fail("the count of entries that the object has room for before");
    }
    page_first_.reserve(pages);
    while (page_first_.size() < pages) {
      page_first_.push_back(read_chunk_id(reader));
    }
    if (pages > 0) last_ = read_chunk_id(reader);
    if (reader.remaining() != 0 || !std::is_sorted(page_first_.begin(), page_first_.end()) ||
        (pages > 0 && last_ < page_first_.back())) {
      reader.fail("the end of the table, and pages in order before");
    }
    sealer_.emplace(std::move(trailer.sealer));
  });
  cache_number_ = cache_->reserve(pages());
}

ChunkPlace IndexFile::place(const IndexEntry& entry) const {
  return {&packs_[entry.pack], {entry.id, entry.offset, entry.stored, entry.raw}};
}

// Page `number` from its section, which begins at `offset`.
IndexPage IndexFile::parse_page(std::uint64_t number, std::uint64_t offset,
                                ByteView section) const {
  std::string key = index_key(id_);
  Bytes content = sealer_->open(offset, as_bytes(kPageLabel), section, key);
  ByteReader reader(content, key, offset);
  IndexPage page(content.size() / kEntryBytes);
  const IndexEntry* previous = nullptr;
  for (IndexEntry& entry : page) {
    entry.id = read_chunk_id(reader);
    ByteView numbers = reader.take(16, "an entry");
    entry.pack = load_le<std::uint32_t>(numbers.data());
    entry.offset = load_le<std::uint32_t>(numbers.data() + 4);
    entry.stored = load_le<std::uint32_t>(numbers.data() + 8);
    entry.raw = load_le<std::uint32_t>(numbers.data() + 12);
    if (previous != nullptr && order_of(*previous) >= order_of(entry)) {
      reader.fail("entries in order before");
    }
    if (entry.pack >= packs_.size() || entry.offset < kObjectHeaderBytes ||
        entry.stored > entry.raw || entry.raw > kChunkBytesMost ||
        std::uint64_t{entry.offset} + entry.stored + kTagBytes > packs_[entry.pack].bytes) {
      reader.fail("an entry within its pack before");
    }
    previous = &entry;
  }
  bool ends_right =
      number + 1 == pages() ? page.back().id == last_ : page.back().id <= page_first_[number + 1];
  if (page.front().id != page_first_[number] || !ends_right) {
    reader.fail("a page that begins and ends as the table says before");
  }
  return page;
}

std::vector<IndexPage> IndexFile::read_pages(std::uint64_t first, std::uint64_t count) const {
  DUCKBACK_ASSERT(count > 0 && first + count <= pages());
  std::string key = index_key(id_);
  std::uint64_t begin = kObjectHeaderBytes + first * kFullPageBytes;
  std::uint64_t entries = std::min(entries_ - first * kPageEntries, count * kPageEntries);
  try {
    return reading_object(kAdvice, [&] {
      Bytes fetched = get_exactly(
          store_, key,
          {.offset = begin, .bytes = entries * kEntryBytes + count * kTagBytes, .lasting = true});
      std::vector<IndexPage> read;
      for (std::size_t at = 0; at < fetched.size(); at += kFullPageBytes) {
        std::size_t bytes = std::min(kFullPageBytes, fetched.size() - at);
        read.push_back(
            parse_page(first + read.size(), begin + at, ByteView(fetched).subspan(at, bytes)));
      }
      return read;
    });
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    throw Error(Errc::damaged,
                "{}: has gone since it was opened, maybe into another index; run the command again",
                key);
  }
}

std::shared_ptr<const IndexPage> IndexFile::page(std::uint64_t number) const {
  if (auto cached = cache_->find(cache_number_ + number)) return cached;
  auto page = std::make_shared<const IndexPage>(std::move(read_pages(number, 1).front()));
  cache_->keep(cache_number_ + number, page);
  return page;
}

ChunkPlace IndexFile::at(std::uint64_t number) const {
  DUCKBACK_ASSERT(number < entries_);
  return place((*page(number / kPageEntries))[number % kPageEntries]);
}

void IndexFile::find(
    const ChunkId& id,
    const std::function<void(std::uint64_t number, const ChunkPlace&)>& visit) const {
  if (entries_ == 0 || id < page_first_.front() || last_ < id) return;
  // Its entries may begin in the page before the first one that begins with it.
  auto first = static_cast<std::uint64_t>(
      std::lower_bound(page_first_.begin(), page_first_.end(), id) - page_first_.begin());
  for (std::uint64_t number = first - std::min<std::uint64_t>(first, 1);
       number < pages() && page_first_[number] <= id; ++number) {
    std::shared_ptr<const IndexPage> page = this->page(number);
    auto entry = std::lower_bound(page->begin(), page->end(), id,
                                  [](const IndexEntry& a, const ChunkId& b) { return a.id < b; });
    for (; entry != page->end() && entry->id == id; ++entry) {
      visit(number * kPageEntries + static_cast<std::uint64_t>(entry - page->begin()),
            place(*entry));
    }
  }
}

// The entries of an index file one after the other, with the order checked over pages too.
class IndexCursor {
 public:
  IndexCursor(const IndexFile& file, std::uint64_t pages_at_once)
      : file_(file), pages_at_once_(pages_at_once) {
    fetch();
  }

  bool more() const { return number_ < file_.entries_; }
  std::uint64_t number() const { return number_; }
  const IndexEntry& entry() const {
    return fetched_[number_ / IndexFile::kPageEntries - first_][number_ % IndexFile::kPageEntries];
  }
  ChunkPlace place() const { return file_.place(entry()); }

  void next() {
    IndexEntry before = entry();
    ++number_;
    if (!more() || number_ % IndexFile::kPageEntries != 0) return;
    if (number_ / IndexFile::kPageEntries == first_ + fetched_.size()) fetch();
    if (order_of(before) >= order_of(entry())) {
      throw Error(Errc::damaged, "{}: its pages are not in order at entry {}{}",
                  index_key(file_.id_), number_, kAdvice);
    }
  }

 private:
  void fetch() {
    if (!more()) return;
    first_ = number_ / IndexFile::kPageEntries;
    fetched_.clear();
    fetched_ = file_.read_pages(first_, std::min(pages_at_once_, file_.pages() - first_));
  }

  const IndexFile& file_;
  std::uint64_t pages_at_once_;
  std::uint64_t number_ = 0;
  std::uint64_t first_ = 0;
  std::vector<IndexPage> fetched_;
};

void IndexFile::find_all(const std::vector<ChunkId>& ids,
                         const std::function<void(std::size_t of_ids, std::uint64_t number,
                                                  const ChunkPlace&)>& visit) const {
  if (entries_ == 0) return;
  auto first = std::lower_bound(ids.begin(), ids.end(), page_first_.front());
  auto end = std::upper_bound(first, ids.end(), last_);
  if (first == end) return;
  if (static_cast<std::uint64_t>(end - first) < pages()) {
    for (auto id = first; id != end; ++id) {
      find(*id, [&](std::uint64_t number, const ChunkPlace& place) {
        visit(static_cast<std::size_t>(id - ids.begin()), number, place);
      });
    }
    return;
  }
  for (IndexCursor cursor(*this, kPagesAtOnce); cursor.more() && first != end; cursor.next()) {
    const ChunkId& here = cursor.entry().id;
    while (first != end && *first < here) ++first;
    for (auto id = first; id != end && *id == here; ++id) {
      visit(static_cast<std::size_t>(id - ids.begin()), cursor.number(), cursor.place());
    }
  }
}

void IndexFile::for_each(
    const std::function<void(std::uint64_t number, const ChunkPlace&)>& visit) const {
  for (IndexCursor cursor(*this, kPagesAtOnce); cursor.more(); cursor.next()) {
    visit(cursor.number(), cursor.place());
  }
}

void IndexBuilder::add(const PackInfo& pack, const std::vector<PackedChunk>& chunks) {
  auto number = static_cast<std::uint32_t>(packs_.size());
  packs_.push_back(pack);
  for (const PackedChunk& chunk : chunks) {
    entries_.push_back({chunk.id, number, chunk.offset, chunk.stored, chunk.raw});
  }
}

IndexBuilder::Put IndexBuilder::put(Store& store, const Sealer& sealer,
                                    const std::set<std::string>& superseded) {
  // Of a chunk that is twice in a pack the first one stays.
  std::sort(entries_.begin(), entries_.end(), [](const IndexEntry& a, const IndexEntry& b) {
    return std::tie(a.id, a.pack, a.offset) < std::tie(b.id, b.pack, b.offset);
  });
  entries_.erase(std::unique(entries_.begin(), entries_.end(),
                             [](const IndexEntry& a, const IndexEntry& b) {
                               return order_of(a) == order_of(b);
                             }),
                 entries_.end());
  IndexWriter writer(sealer, entries_.size());
  for (const IndexEntry& entry : entries_) writer.add(entry);
  std::vector<const PackInfo*> packs;
  packs.reserve(packs_.size());
  for (const PackInfo& pack : packs_) packs.push_back(&pack);
  Put put = writer.put(store, packs, superseded);
  packs_.clear();
  entries_.clear();
  return put;
}

namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

// The packs of several index files under one numbering, and from it that of the index being
// written, which counts only what it uses, from 0.
class MergedPacks {
 public:
  MergedPacks(const std::vector<const IndexFile*>& files, const std::set<std::string>& without) {
    for (const IndexFile* file : files) {
      for (const PackInfo& pack : file->packs()) {
        if (!without.contains(pack.id)) all_.push_back(&pack);
      }
    }
    auto less = [](const PackInfo* a, const PackInfo* b) { return *a < *b; };
    std::sort(all_.begin(), all_.end(), less);
    all_.erase(std::unique(all_.begin(), all_.end(),
                           [](const PackInfo* a, const PackInfo* b) { return *a == *b; }),
               all_.end());
    for (const IndexFile* file : files) {
      std::vector<std::uint32_t>& numbers = numbers_.emplace_back();
      for (const PackInfo& pack : file->packs()) {
        auto found = std::lower_bound(all_.begin(), all_.end(), &pack, less);
        bool kept = found != all_.end() && **found == pack;
        numbers.push_back(kept ? static_cast<std::uint32_t>(found - all_.begin()) : kNone);
      }
    }
    written_.assign(all_.size(), kNone);
  }

  // The number of a pack of one file among all; kNone for one that is left out.
  std::uint32_t number(std::size_t file, std::uint32_t pack) const { return numbers_[file][pack]; }
  // Its number in the index being written.
  std::uint32_t use(std::uint32_t number) {
    if (written_[number] == kNone) {
      written_[number] = static_cast<std::uint32_t>(used_.size());
      used_.push_back(all_[number]);
    }
    return written_[number];
  }
  const std::vector<const PackInfo*>& used() const { return used_; }
  void begin_next_index() {
    used_.clear();
    std::fill(written_.begin(), written_.end(), kNone);
  }

 private:
  std::vector<const PackInfo*> all_;
  std::vector<std::vector<std::uint32_t>> numbers_;
  std::vector<std::uint32_t> written_;
  std::vector<const PackInfo*> used_;
};

// Entries of one chunk, by `pack`, each pack once.
void sort_by_pack(std::vector<IndexEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const IndexEntry& a, const IndexEntry& b) { return a.pack < b.pack; });
  entries.erase(
      std::unique(entries.begin(), entries.end(),
                  [](const IndexEntry& a, const IndexEntry& b) { return a.pack == b.pack; }),
      entries.end());
}

// What `files` superseded goes on being superseded when they are gone, as long as it is there.
std::set<std::string> all_superseded(Store& store, const std::vector<const IndexFile*>& files) {
  std::set<std::string> named;
  for (const IndexFile* file : files) {
    named.insert(file->superseded().begin(), file->superseded().end());
  }
  std::set<std::string> superseded;
  if (!named.empty()) {
    store.list("index/", [&](const ObjectInfo& object) {
      std::optional<std::string> id = index_id_of(object.key);
      if (id && named.contains(*id)) superseded.insert(*id);
    });
  }
  for (const IndexFile* file : files) superseded.insert(file->id());
  return superseded;
}

}  // namespace

std::vector<std::string> merge_indexes(Store& store, const Sealer& sealer,
                                       const std::vector<const IndexFile*>& files,
                                       const std::set<std::string>& without) {
  if (files.empty()) return {};
  MergedPacks packs(files, without);
  std::vector<IndexCursor> cursors;
  cursors.reserve(files.size());
  std::uint64_t at_once =
      std::clamp<std::uint64_t>(4 * kPagesAtOnce / files.size(), 1, kPagesAtOnce);
  for (const IndexFile* file : files) cursors.emplace_back(*file, at_once);
  auto later = [&](std::size_t a, std::size_t b) {
    return cursors[b].entry().id < cursors[a].entry().id;
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> next(later);
  for (std::size_t file = 0; file < files.size(); ++file) {
    if (cursors[file].more()) next.push(file);
  }

  std::vector<std::string> put;
  std::uint64_t entries_most = 0;
  for (const IndexFile* file : files) entries_most += file->entries();
  std::optional<IndexWriter> writer(std::in_place, sealer, entries_most);
  std::vector<IndexEntry> entries;  // of one chunk
  while (!next.empty()) {
    ChunkId id = cursors[next.top()].entry().id;
    entries.clear();
    while (!next.empty() && cursors[next.top()].entry().id == id) {
      std::size_t file = next.top();
      next.pop();
      IndexCursor& cursor = cursors[file];
      for (; cursor.more() && cursor.entry().id == id; cursor.next()) {
        IndexEntry entry = cursor.entry();
        entry.pack = packs.number(file, entry.pack);
        if (entry.pack != kNone) entries.push_back(entry);
        if (entries.size() > kIndexEntriesMost) {
          throw Error(Errc::damaged, "{}: chunk {} is in more places than there can be{}",
                      index_key(files[file]->id()), id.hex(), kAdvice);
        }
      }
      if (cursor.more()) next.push(file);
    }
    sort_by_pack(entries);
    if (writer->entries() + entries.size() > kIndexEntriesMost) {
      put.push_back(writer->put(store, packs.used(), {}).id);
      packs.begin_next_index();
      writer.emplace(sealer, entries_most);
    }
    for (IndexEntry& entry : entries) entry.pack = packs.use(entry.pack);
    sort_by_pack(entries);
    for (const IndexEntry& entry : entries) writer->add(entry);
  }
  put.push_back(writer->put(store, packs.used(), all_superseded(store, files)).id);
  return put;
}

Index::Index(Store& store, const Sealer& sealer, std::set<std::string> absent,
             const Damaged& damaged_file)
    : store_(store),
      sealer_(sealer),
      cache_(std::make_shared<PageCache>(kPagesMost)),
      absent_(std::move(absent)) {
  // A listing is no moment: it can miss an index that was put behind its back as well as the older
  // one that went for it. Once one shows nothing new, all that was put before is open.
  std::set<std::string> seen;
  std::set<std::string> gone;
  std::set<std::string> named;  // as superseded
  std::map<std::string, Error> damaged;
  for (;;) {
    std::vector<ObjectInfo> fresh;
    store_.list("index/", [&](const ObjectInfo& object) {
      std::optional<std::string> id = index_id_of(object.key);
      if (id && seen.insert(*id).second) {
        fresh.push_back({std::move(*id), object.bytes, object.modified});
      }
    });
    if (fresh.empty()) break;
    // The youngest first: they name many of the others as superseded.
    std::stable_sort(fresh.begin(), fresh.end(), [](const ObjectInfo& a, const ObjectInfo& b) {
      return a.modified > b.modified;
    });
    for (const auto& [id, bytes, modified, tag] : fresh) {
      if (named.contains(id)) continue;
      try {
        files_.push_back(std::make_unique<IndexFile>(store_, sealer_, id, bytes, cache_));
        const std::vector<std::string>& superseded = files_.back()->superseded();
        named.insert(superseded.begin(), superseded.end());
      } catch (const Error& error) {
        if (error.code() == Errc::damaged) {
          damaged.emplace(id, error);
        } else if (error.code() == Errc::not_found) {
          gone.insert(id);  // Removed since it was listed, for another one.
        } else {
          throw;
        }
      }
    }
  }
  for (const std::string& id : named) {
    if (seen.contains(id) && !gone.contains(id)) superseded_.push_back(id);
    damaged.erase(id);
  }
  std::erase_if(files_, [&](const auto& file) { return named.contains(file->id()); });
  if (damaged_file) {
    std::erase_if(files_, [&](const auto& file) {
      try {
        file->for_each([](std::uint64_t, const ChunkPlace&) {});
        return false;
      } catch (const Error& error) {
        if (error.code() != Errc::damaged) throw;
        damaged.emplace(file->id(), error);
        return true;
      }
    });
    for (const auto& [id, error] : damaged) damaged_file(id, error);
  } else if (!damaged.empty()) {
    throw damaged.begin()->second;
  }
  largest_first();
}

// Where most chunks are found first.
void Index::largest_first() {
  std::stable_sort(files_.begin(), files_.end(),
                   [](const auto& a, const auto& b) { return a->entries() > b->entries(); });
}

std::uint64_t Index::entries() const {
  std::uint64_t entries = 0;
  for (const auto& file : files_) entries += file->entries();
  return entries;
}

std::optional<ChunkPlace> Index::find(const ChunkId& id) const {
  std::optional<ChunkPlace> found;
  std::size_t hit = last_hit_.load(std::memory_order_relaxed);
  auto look_in = [&](std::size_t file) {
    files_[file]->find(id, [&](std::uint64_t, const ChunkPlace& place) {
      if (!found && !absent(place.pack->id)) found = place;
    });
    if (found) last_hit_.store(file, std::memory_order_relaxed);
    return found.has_value();
  };
  if (hit < files_.size() && look_in(hit)) return found;
  for (std::size_t file = 0; file < files_.size(); ++file) {
    if (file != hit && look_in(file)) break;
  }
  return found;
}

std::vector<ChunkPlace> Index::find_all(const ChunkId& id) const {
  std::vector<ChunkPlace> found;
  for (const auto& file : files_) {
    file->find(id, [&](std::uint64_t, const ChunkPlace& place) { found.push_back(place); });
  }
  return found;
}

void Index::add_file(const std::string& index_id) {
  std::optional<std::uint64_t> bytes;
  std::string key = index_key(index_id);
  store_.list(key, [&](const ObjectInfo& object) {
    if (object.key == key) bytes = object.bytes;
  });
  auto gone = [&] {
    return Error(Errc::conflict, "{}: has gone into another index; run the command again", key);
  };
  if (!bytes) throw gone();
  std::unique_ptr<IndexFile> added;
  try {
    added = std::make_unique<IndexFile>(store_, sealer_, index_id, *bytes, cache_);
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) throw gone();
    throw;
  }
  for (const std::string& id : added->superseded()) {
    auto old = std::find_if(files_.begin(), files_.end(),
                            [&](const auto& file) { return file->id() == id; });
    if (old == files_.end()) continue;
    superseded_.push_back(id);
    retired_.push_back(std::move(*old));
    files_.erase(old);
  }
  files_.push_back(std::move(added));
  largest_first();
}

}  // namespace duckback
