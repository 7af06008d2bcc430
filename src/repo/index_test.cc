#include "repo/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <tuple>

#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

using test::chunk_id;
using test::error_of;
using test::Fields;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A place in words that do not depend on an index file: pack, offset, stored, raw.
using Place = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint32_t>;
using Places = std::set<Place>;

Place told(const ChunkPlace& place) {
  return {place.pack->id, place.chunk.offset, place.chunk.stored, place.chunk.raw};
}

Places told(const std::vector<ChunkPlace>& places) {
  Places all;
  for (const ChunkPlace& place : places) all.insert(told(place));
  return all;
}

// Another store, with something done after each listing, and its gets counted.
class WatchedStore : public Store {
 public:
  explicit WatchedStore(Store& store) : store_(store) {}
  std::function<void()> after_list = [] {};
  std::atomic<std::size_t> gets = 0;

  std::string name() const override { return store_.name(); }
  void put(std::string_view key, ByteView bytes) override { store_.put(key, bytes); }
  void create(std::string_view key, ByteView bytes) override { store_.create(key, bytes); }
  Bytes get(std::string_view key, Range range) override {
    ++gets;
    return store_.get(key, range);
  }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    store_.list(prefix, visit);
    after_list();
  }
  void remove(std::string_view key) override { store_.remove(key); }

 private:
  Store& store_;
};

class IndexTest : public testing::Test {
 protected:
  Sealer sealer{test::kRepository, std::nullopt};
  MemoryStore store;
  std::mt19937_64 random{7};

  PackInfo some_pack() {
    PackInfo pack;
    pack.id = to_hex(test::random_bytes(random, 32));
    pack.kind = random() % 2 == 0 ? ObjectKind::data_pack : ObjectKind::map_pack;
    Bytes salt = test::random_bytes(random, pack.salt.size());
    std::copy(salt.begin(), salt.end(), pack.salt.begin());
    pack.bytes = kPackBytes;
    return pack;
  }

  PackedChunk some_chunk(const ChunkId& id) {
    auto raw = static_cast<std::uint32_t>(random() % kChunkBytesMost);
    return {id, static_cast<std::uint32_t>(44 + random() % (30 << 20)), raw / 2, raw};
  }

  // Puts an index of `packs`, each with these chunks.
  std::string put(const std::vector<std::pair<PackInfo, std::vector<PackedChunk>>>& packs) {
    IndexBuilder builder;
    for (const auto& [pack, chunks] : packs) builder.add(pack, chunks);
    IndexBuilder::Put put = builder.put(store, sealer);
    EXPECT_EQ(size_of(put.id), put.bytes);
    EXPECT_EQ(builder.entries(), 0u);
    return put.id;
  }

  std::uint64_t size_of(const std::string& index_id) {
    return store.get("index/" + index_id).size();
  }

  std::unique_ptr<IndexFile> open(const std::string& index_id,
                                  std::shared_ptr<PageCache> cache = nullptr) {
    return std::make_unique<IndexFile>(store, sealer, index_id, size_of(index_id),
                                       std::move(cache));
  }

  std::vector<std::string> merge(const std::vector<std::string>& ids,
                                 const std::set<std::string>& without = {}) {
    return merge_in(store, ids, without);
  }
  std::vector<std::string> merge_in(Store& into, const std::vector<std::string>& ids,
                                    const std::set<std::string>& without = {}) {
    std::vector<std::unique_ptr<IndexFile>> files;
    std::vector<const IndexFile*> pointers;
    for (const std::string& id : ids) {
      files.push_back(open(id));
      pointers.push_back(files.back().get());
    }
    return merge_indexes(into, sealer, pointers, without);
  }

  std::vector<std::string> names_of_files(const Index& index) {
    std::vector<std::string> names;
    for (const auto& file : index.files()) names.push_back(file->id());
    return names;
  }

  std::string damage_of(const std::vector<Bytes>& pages, const Bytes& table) {
    test::Object object = test::raw_index(sealer.begin(ObjectKind::index), pages, table);
    store.put("index/" + object.id, object.bytes);
    std::string message = error_of(
        Errc::damaged, [&] { open(object.id)->for_each([](std::uint64_t, const ChunkPlace&) {}); });
    EXPECT_THAT(message,
                AllOf(HasSubstr("index/" + object.id), HasSubstr("run `duckback repair index`")));
    return message;
  }
};

Bytes pack_row(std::uint64_t bytes = 1000, std::uint64_t kind = 1) {
  return Fields().add(Bytes(64, 0xab)).number(bytes).number(kind).bytes();
}

Bytes entry(const ChunkId& id, std::uint32_t pack, std::uint32_t offset = 44,
            std::uint32_t stored = 100, std::uint32_t raw = 100) {
  return Fields().add(id.digest).number(pack).number(offset).number(stored).number(raw).bytes();
}

// A table of one pack and nothing superseded.
Bytes table_of(std::uint64_t entries, const std::vector<ChunkId>& firsts_and_last) {
  Fields fields;
  fields.number(1u).add(pack_row()).number(0u).number(entries);
  for (const ChunkId& id : firsts_and_last) fields.add(id.digest);
  return fields.bytes();
}

using IndexFileTest = IndexTest;
using MergeTest = IndexTest;

TEST_F(IndexFileTest, FindsWhatWasPutInIt) {
  PackInfo pack = some_pack();
  PackInfo other = some_pack();
  PackedChunk one = some_chunk(chunk_id(1));
  PackedChunk two = some_chunk(chunk_id(2));
  PackedChunk again = some_chunk(chunk_id(1));
  auto file = open(put({{pack, {two, one}}, {other, {again}}}));
  EXPECT_EQ(file->entries(), 3u);
  EXPECT_THAT(file->packs(), ElementsAre(pack, other));
  EXPECT_THAT(file->superseded(), IsEmpty());

  Places found;
  std::vector<std::uint64_t> numbers;
  file->find(one.id, [&](std::uint64_t number, const ChunkPlace& place) {
    numbers.push_back(number);
    found.insert(told(place));
    EXPECT_EQ(place.chunk.id, one.id);
  });
  EXPECT_THAT(numbers, ElementsAre(0, 1));
  EXPECT_THAT(found, UnorderedElementsAre(Place{pack.id, one.offset, one.stored, one.raw},
                                          Place{other.id, again.offset, again.stored, again.raw}));
  for (const ChunkId& id : {chunk_id(0), chunk_id(1, 1), chunk_id(3)}) {
    file->find(id, [&](std::uint64_t, const ChunkPlace&) { ADD_FAILURE() << id.hex(); });
  }
}

TEST_F(IndexFileTest, MayHoldNothing) {
  for (const std::string& id : {put({}), put({{some_pack(), {}}})}) {
    auto file = open(id);
    EXPECT_EQ(file->entries(), 0u);
    file->find(chunk_id(1), [](std::uint64_t, const ChunkPlace&) { ADD_FAILURE(); });
    file->for_each([](std::uint64_t, const ChunkPlace&) { ADD_FAILURE(); });
  }
}

TEST_F(IndexFileTest, HasAnyNumberOfEntries) {
  for (std::size_t count : {1u, 511u, 512u, 513u, 1024u, 1400u, 40'000u}) {
    std::map<ChunkId, Place> expected;
    PackInfo pack = some_pack();
    std::vector<PackedChunk> chunks;
    for (std::size_t i = 0; i < count; ++i) {
      chunks.push_back(some_chunk(test::random_chunk_id(random)));
      expected[chunks.back().id] = told(ChunkPlace{&pack, chunks.back()});
    }
    auto file = open(put({{pack, chunks}}));
    ASSERT_EQ(file->entries(), count);
    std::uint64_t next = 0;
    auto at = expected.begin();
    file->for_each([&](std::uint64_t number, const ChunkPlace& place) {
      EXPECT_EQ(number, next++);
      EXPECT_EQ(place.chunk.id, at->first);
      EXPECT_EQ(told(place), at->second);
      ++at;
    });
    EXPECT_EQ(next, count);
    next = 0;
    for (const auto& [id, place] : expected) {
      file->find(id, [&, &place = place](std::uint64_t number, const ChunkPlace& found) {
        EXPECT_EQ(number, next++);
        EXPECT_EQ(told(found), place);
      });
    }
    EXPECT_EQ(next, count);
  }
}

TEST_F(IndexFileTest, FindsAllPlacesOfAChunkAcrossPages) {
  std::vector<std::pair<PackInfo, std::vector<PackedChunk>>> packs;
  Places expected;
  for (int i = 0; i < 1100; ++i) {  // more than two pages
    packs.push_back({some_pack(), {some_chunk(chunk_id(5)), some_chunk(chunk_id(4))}});
    expected.insert(told(ChunkPlace{&packs.back().first, packs.back().second[0]}));
  }
  packs.push_back({some_pack(), {some_chunk(chunk_id(6))}});
  auto file = open(put(packs));
  Places found;
  std::uint64_t next = 1100;
  file->find(chunk_id(5), [&](std::uint64_t number, const ChunkPlace& place) {
    EXPECT_EQ(number, next++);
    found.insert(told(place));
  });
  EXPECT_EQ(found, expected);
}

TEST_F(IndexFileTest, KeepsOneEntryForAChunkThatIsTwiceInAPack) {
  PackInfo pack = some_pack();
  PackedChunk chunk = some_chunk(chunk_id(1));
  EXPECT_EQ(open(put({{pack, {chunk, some_chunk(chunk_id(1)), chunk}}}))->entries(), 1u);
}

// Nothing in an index is irrelevant: the footer leads to the table, all else is sealed.
TEST_F(IndexFileTest, ShowsEveryFlippedBitWhenItIsRead) {
  std::string old = put({{some_pack(), {some_chunk(chunk_id(1)), some_chunk(chunk_id(3))}}});
  for (bool encrypted : {false, true}) {
    Sealer other(test::kRepository,
                 encrypted ? std::optional<Secret>(test::a_secret()) : std::nullopt);
    auto file = open(old);
    std::string id;
    {
      MemoryStore target;
      id = merge_indexes(target, other, {file.get()}).at(0);
      store.put("index/" + id, target.get("index/" + id));
    }
    Bytes bytes = store.get("index/" + id);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
      store.put("index/" + id, flipped);
      try {
        IndexFile(store, other, id, bytes.size()).for_each([](std::uint64_t, const ChunkPlace&) {});
        ADD_FAILURE() << "bit " << bit % 8 << " of byte " << bit / 8;
      } catch (const Error& error) {
        bool is_version = bit / 8 == 9;
        EXPECT_TRUE(error.code() == Errc::damaged ||
                    (is_version && error.code() == Errc::unsupported))
            << error.what();
        EXPECT_THAT(error.what(), HasSubstr("index/" + id));
      }
    }
    store.put("index/" + id, bytes);
    IndexFile(store, other, id, bytes.size()).for_each([](std::uint64_t, const ChunkPlace&) {});
    store.remove("index/" + id);
  }
}

TEST_F(IndexFileTest, ThatIsTruncatedIsDamaged) {
  std::string id = put({{some_pack(), {some_chunk(chunk_id(1))}}});
  Bytes bytes = store.get("index/" + id);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    store.put("index/" + id, ByteView(bytes).first(size));
    error_of(Errc::damaged, [&] { open(id); });
    error_of(Errc::damaged, [&] { IndexFile(store, sealer, id, bytes.size()); });
  }
}

TEST_F(IndexFileTest, ThatIsGoneIsNotFoundAndDamagedLater) {
  std::string id = put({{some_pack(), {some_chunk(chunk_id(1))}}});
  std::uint64_t bytes = size_of(id);
  auto file = open(id);
  store.remove("index/" + id);
  error_of(Errc::not_found, [&] { IndexFile(store, sealer, id, bytes); });
  EXPECT_THAT(error_of(Errc::damaged,
                       [&] { file->find(chunk_id(1), [](std::uint64_t, const ChunkPlace&) {}); }),
              AllOf(HasSubstr("index/" + id), HasSubstr("run the command again")));
}

TEST_F(IndexFileTest, WithATableThatDoesNotFitIsDamaged) {
  ChunkId a = chunk_id(1);
  ChunkId b = chunk_id(2);
  std::vector<Bytes> page = {Fields().add(entry(a, 0)).add(entry(b, 0)).bytes()};
  test::Object good = test::raw_index(sealer.begin(ObjectKind::index), page, table_of(2, {a, b}));
  store.put("index/" + good.id, good.bytes);
  EXPECT_EQ(open(good.id)->entries(), 2u);

  EXPECT_THAT(damage_of(page, {}), HasSubstr("a count of packs"));
  EXPECT_THAT(damage_of(page, table_of(1, {a, a})), HasSubstr("the count of entries"));
  EXPECT_THAT(damage_of(page, table_of(3, {a, b})), HasSubstr("the count of entries"));
  EXPECT_THAT(damage_of(page, table_of(~0ull, {a, b})), HasSubstr("the count of entries"));
  EXPECT_THAT(damage_of(page, table_of(1ull << 40, {a, b})), HasSubstr("the count of entries"));
  EXPECT_THAT(damage_of(page, table_of(2, {a})), HasSubstr("a chunk id"));
  EXPECT_THAT(damage_of(page, table_of(2, {a, b, b})), HasSubstr("the end of the table"));
  EXPECT_THAT(damage_of(page, table_of(2, {b, a})), HasSubstr("pages in order"));
  EXPECT_THAT(damage_of(page, Fields().number(2u).add(pack_row()).bytes()),
              HasSubstr("count of packs"));
  EXPECT_THAT(damage_of(page, Fields().number(~0u).add(pack_row()).bytes()),
              HasSubstr("count of packs"));
  for (const Bytes& row : {pack_row(1000, 0), pack_row(1000, 3), pack_row(1000, 1 | 1 << 8),
                           pack_row(kPackBytesMost + 1), pack_row(~0ull)}) {
    EXPECT_THAT(damage_of(page, Fields().number(1u).add(row).add(Bytes(80)).bytes()),
                HasSubstr("that packs have"));
  }
  EXPECT_THAT(damage_of(page, Fields().number(0u).number(~0u).add(Bytes(100)).bytes()),
              HasSubstr("count of superseded"));
}

TEST_F(IndexFileTest, WithPagesThatDoNotFitIsDamaged) {
  ChunkId a = chunk_id(1);
  ChunkId b = chunk_id(2);
  auto damage_of_entries = [&](const Bytes& first, const Bytes& second) {
    return damage_of({Fields().add(first).add(second).bytes()}, table_of(2, {a, b}));
  };
  EXPECT_THAT(damage_of_entries(entry(b, 0), entry(a, 0)), HasSubstr("in order"));
  EXPECT_THAT(damage_of_entries(entry(a, 0), entry(a, 0)), HasSubstr("in order"));
  EXPECT_THAT(damage_of_entries(entry(a, 0), entry(chunk_id(3), 0)), HasSubstr("as the table"));
  EXPECT_THAT(damage_of_entries(entry(chunk_id(0), 0), entry(b, 0)), HasSubstr("as the table"));
  for (const Bytes& bad : {entry(a, 1), entry(a, ~0u), entry(a, 0, 43), entry(a, 0, 44, 101, 100),
                           entry(a, 0, 44, 100, (1 << 20) + 1), entry(a, 0, 1000 - 115),
                           entry(a, 0, ~0u, 100, 100), entry(a, 0, 44, ~0u, ~0u)}) {
    EXPECT_THAT(damage_of_entries(bad, entry(b, 0)), HasSubstr("within its pack"));
  }
}

TEST_F(IndexFileTest, WithPagesThatOverlapIsDamaged) {
  Fields first;
  for (std::uint8_t i = 0; i < 255; ++i) first.add(entry(chunk_id(0, i), 0));
  for (int i = 0; i < 256; ++i) first.add(entry(chunk_id(1, static_cast<std::uint8_t>(i)), 0));
  first.add(entry(chunk_id(2), 0));
  // Equal to the last of the first page: only reading on shows it.
  std::vector<Bytes> pages = {first.bytes(), entry(chunk_id(2), 0)};
  EXPECT_THAT(damage_of(pages, table_of(513, {chunk_id(0), chunk_id(2), chunk_id(2)})),
              HasSubstr("not in order at entry 512"));
  pages[1] = entry(chunk_id(1, 9), 0);
  EXPECT_THAT(damage_of(pages, table_of(513, {chunk_id(0), chunk_id(1, 9), chunk_id(1, 9)})),
              HasSubstr("as the table says"));
}

TEST_F(IndexFileTest, HoldsFewPages) {
  std::vector<PackedChunk> chunks;
  for (int i = 0; i < 100 * 512; ++i) chunks.push_back(some_chunk(test::random_chunk_id(random)));
  auto cache = std::make_shared<PageCache>(8);
  std::string id = put({{some_pack(), chunks}});
  auto file = open(id, cache);
  std::size_t found = 0;
  for (int i = 0; i < 2000; ++i) {
    file->find(chunks[static_cast<std::size_t>(i) * 17].id,
               [&](std::uint64_t, const ChunkPlace&) { ++found; });
  }
  EXPECT_EQ(found, 2000u);
  EXPECT_EQ(cache->pages(), 8u);
}

TEST_F(IndexTest, SkipsAbsentPacksButFindsThemAmongAll) {
  PackInfo here = some_pack();
  PackInfo marked = some_pack();
  PackedChunk chunk = some_chunk(chunk_id(1));
  PackedChunk only_marked = some_chunk(chunk_id(2));
  put({{marked, {chunk, only_marked}}});
  put({{here, {chunk}}});
  Index index(store, sealer, {marked.id});
  EXPECT_TRUE(index.absent(marked.id));
  EXPECT_FALSE(index.absent(here.id));
  EXPECT_EQ(index.find(chunk.id)->pack->id, here.id);
  EXPECT_FALSE(index.find(only_marked.id));
  EXPECT_FALSE(index.find(chunk_id(3)));
  EXPECT_EQ(index.find_all(chunk.id).size(), 2u);
  EXPECT_EQ(index.find_all(only_marked.id).size(), 1u);
}

TEST_F(IndexTest, OfANewRepositoryIsEmpty) {
  Index index(store, sealer);
  EXPECT_THAT(index.files(), IsEmpty());
  EXPECT_FALSE(index.find(chunk_id(1)));
}

TEST_F(IndexTest, PassesOverWhatIsNoIndex) {
  for (const char* name : {"index/README", "index/0123", "index/a/b"}) store.put(name, {});
  store.put("index/" + std::string(64, 'G'), {});
  store.put("indexes/" + std::string(64, 'a'), {});
  EXPECT_THAT(Index(store, sealer).files(), IsEmpty());
}

TEST_F(IndexTest, SaysWhichObjectIsDamaged) {
  put({{some_pack(), {some_chunk(chunk_id(1))}}});
  std::string id = put({{some_pack(), {some_chunk(chunk_id(1))}}});
  store.put("index/" + id, Bytes(100));
  EXPECT_THAT(error_of(Errc::damaged, [&] { Index(store, sealer); }),
              AllOf(HasSubstr("index/" + id), HasSubstr("run `duckback repair index`")));
}

TEST_F(IndexTest, NeedsNoSupersededObjectToBeWhole) {
  PackInfo pack = some_pack();
  std::string old = put({{pack, {some_chunk(chunk_id(1))}}});
  std::vector<std::string> merged = merge({old});
  store.put("index/" + old, Bytes(100));
  Index index(store, sealer);
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_THAT(index.superseded(), ElementsAre(old));
  EXPECT_TRUE(index.find(chunk_id(1)));
}

TEST_F(IndexTest, FindsWhatIsMergedWhileItIsOpened) {
  PackInfo pack = some_pack();
  std::string old = put({{pack, {some_chunk(chunk_id(1))}}});
  WatchedStore watched(store);
  std::vector<std::string> merged;
  watched.after_list = [&] {
    if (!merged.empty()) return;
    merged = merge({old});
    store.remove("index/" + old);
  };
  Index index(watched, sealer);
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_THAT(index.superseded(), IsEmpty());
  EXPECT_TRUE(index.find(chunk_id(1)));
}

TEST_F(IndexTest, TakesInAFileAndWhatItSupersedes) {
  PackInfo pack = some_pack();
  std::string old = put({{pack, {some_chunk(chunk_id(1))}}});
  Index index(store, sealer);
  std::string fresh = put({{some_pack(), {some_chunk(chunk_id(2))}}});
  EXPECT_FALSE(index.find(chunk_id(2)));
  index.add_file(fresh);
  EXPECT_TRUE(index.find(chunk_id(2)));

  ChunkPlace place = *index.find(chunk_id(1));
  std::vector<std::string> merged = merge({old, fresh});
  index.add_file(merged.at(0));
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_THAT(index.superseded(), UnorderedElementsAre(old, fresh));
  EXPECT_EQ(index.find_all(chunk_id(1)).size(), 1u);
  EXPECT_EQ(*place.pack, pack);  // Still there for who holds it.
  error_of(Errc::conflict, [&] { index.add_file(std::string(64, 'a')); });
}

TEST_F(IndexTest, IsReadByManyThreads) {
  std::vector<PackedChunk> chunks;
  for (int i = 0; i < 20'000; ++i) chunks.push_back(some_chunk(test::random_chunk_id(random)));
  auto file = open(put({{some_pack(), chunks}}), std::make_shared<PageCache>(4));
  std::vector<std::thread> threads;
  std::atomic<std::size_t> found = 0;
  for (std::size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (std::size_t i = first; i < chunks.size(); i += 40) {
        file->find(chunks[i].id, [&](std::uint64_t, const ChunkPlace& place) {
          if (place.chunk.offset == chunks[i].offset) ++found;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 2000u);
}

TEST_F(MergeTest, OfNothingIsNothing) { EXPECT_THAT(merge_indexes(store, sealer, {}), IsEmpty()); }

TEST_F(MergeTest, JoinsEqualEntriesAndLeavesOutPacks) {
  PackInfo kept = some_pack();
  PackInfo gone = some_pack();
  PackedChunk chunk = some_chunk(chunk_id(1));
  std::string one = put({{gone, {chunk, some_chunk(chunk_id(2))}}, {kept, {chunk}}});
  std::string two = put({{kept, {chunk, some_chunk(chunk_id(3))}}});
  std::vector<std::string> merged = merge({one, two}, {gone.id});
  ASSERT_EQ(merged.size(), 1u);
  auto file = open(merged[0]);
  EXPECT_EQ(file->entries(), 2u);
  EXPECT_THAT(file->packs(), ElementsAre(kept));
  EXPECT_THAT(file->superseded(), UnorderedElementsAre(one, two));
  Index index(store, sealer);
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_THAT(index.superseded(), UnorderedElementsAre(one, two));
  EXPECT_FALSE(index.find(chunk_id(2)));
  EXPECT_EQ(told(*index.find(chunk_id(1))), told(ChunkPlace{&kept, chunk}));
}

TEST_F(MergeTest, SupersedesEvenIfNothingIsLeft) {
  PackInfo gone = some_pack();
  std::string one = put({{gone, {some_chunk(chunk_id(1))}}});
  std::vector<std::string> merged = merge({one}, {gone.id});
  Index index(store, sealer);
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_FALSE(index.find(chunk_id(1)));
}

TEST_F(MergeTest, KeepsVoidWhatItsFilesSuperseded) {
  PackInfo gone = some_pack();
  std::string one = put({{gone, {some_chunk(chunk_id(1))}}});
  std::string first = merge({one}, {gone.id}).at(0);
  std::string second = merge({first}).at(0);
  store.remove("index/" + first);
  EXPECT_THAT(open(second)->superseded(), UnorderedElementsAre(one, first));
  EXPECT_FALSE(Index(store, sealer).find(chunk_id(1)));
  store.remove("index/" + one);
  std::string third = merge({second}).at(0);
  EXPECT_THAT(open(third)->superseded(), ElementsAre(second));
}

TEST_F(MergeTest, KeepsBothIfTwoFilesContradictEachOtherAboutAPack) {
  PackInfo pack = some_pack();
  PackInfo same_id = pack;
  same_id.bytes -= 1;
  PackedChunk chunk = some_chunk(chunk_id(1));
  std::string one = put({{pack, {chunk}}});
  std::string two = put({{same_id, {chunk}}});
  auto file = open(merge({one, two}).at(0));
  EXPECT_THAT(file->packs(), UnorderedElementsAre(pack, same_id));
  EXPECT_EQ(file->entries(), 2u);
}

TEST_F(MergeTest, PutsFullObjectsWithRangesOfTheirOwnAndSurvivesACrashAnywhere) {
  std::vector<std::string> old;
  std::vector<ChunkId> ids;
  for (int i = 0; i < 3; ++i) {
    std::vector<PackedChunk> chunks;
    for (int j = 0; j < 100'000; ++j) chunks.push_back(some_chunk(test::random_chunk_id(random)));
    for (std::size_t j = 0; j < chunks.size(); j += 1000) ids.push_back(chunks[j].id);
    old.push_back(put({{some_pack(), chunks}}));
  }
  for (bool unacknowledged : {false, true}) {
    for (std::size_t step = 0; step < 2; ++step) {
      DyingStore dying(store, step, unacknowledged);
      EXPECT_THROW(merge_in(dying, old), DyingStore::Dead);
      Index index(store, sealer);
      for (const ChunkId& id : ids) EXPECT_TRUE(index.find(id));
      bool finished = step == 1 && unacknowledged;
      EXPECT_EQ(index.superseded().empty(), !finished);
      for (const auto& file : index.files()) {
        if (std::find(old.begin(), old.end(), file->id()) == old.end()) {
          store.remove("index/" + file->id());
        }
      }
    }
  }
  std::vector<std::string> merged = merge(old);
  ASSERT_EQ(merged.size(), 2u);
  for (const std::string& id : old) store.remove("index/" + id);
  Index index(store, sealer);
  EXPECT_EQ(names_of_files(index), merged);
  EXPECT_EQ(index.files()[0]->entries(), kIndexEntriesMost);
  EXPECT_EQ(index.files()[1]->entries(), 300'000 - kIndexEntriesMost);
  for (const ChunkId& id : ids) EXPECT_EQ(index.find_all(id).size(), 1u);
  // Out of its range, a file is not asked.
  WatchedStore watched(store);
  IndexFile second(watched, sealer, merged[1], size_of(merged[1]));
  watched.gets = 0;
  index.files()[0]->for_each([&](std::uint64_t number, const ChunkPlace& place) {
    if (number % 1000 == 0) {
      second.find(place.chunk.id, [](std::uint64_t, const ChunkPlace&) { ADD_FAILURE(); });
    }
  });
  EXPECT_EQ(watched.gets, 0u);
}

// Against a map: random chunks in random packs and files, merges, packs removed, packs absent.
TEST_F(IndexTest, SaysWhatAMapSays) {
  for (int round = 0; round < 30; ++round) {
    MemoryStore fresh;
    std::map<ChunkId, Places> expected;
    std::vector<PackInfo> packs;
    std::vector<ChunkId> known;
    auto new_id = [&] {
      if (!known.empty() && random() % 4 == 0) return known[random() % known.size()];
      known.push_back(test::random_chunk_id(random));
      return known.back();
    };
    for (int step = 0; step < 12; ++step) {
      if (random() % 3 != 0 || packs.empty()) {
        IndexBuilder builder;
        for (std::size_t n = 1 + random() % 3; n > 0; --n) {
          packs.push_back(some_pack());
          std::map<ChunkId, PackedChunk> chunks;
          for (std::size_t c = random() % (random() % 8 == 0 ? 2000 : 50); c > 0; --c) {
            ChunkId id = new_id();
            chunks.emplace(id, some_chunk(id));
          }
          std::vector<PackedChunk> list;
          for (const auto& [id, chunk] : chunks) {
            list.push_back(chunk);
            expected[id].insert(told(ChunkPlace{&packs.back(), chunk}));
          }
          builder.add(packs.back(), list);
        }
        builder.put(fresh, sealer);
      } else {
        Index index(fresh, sealer);
        std::set<std::string> without;
        std::vector<const IndexFile*> files;
        bool all = random() % 2 == 0;
        for (const auto& file : index.files()) {
          if (all || random() % 2 == 0) files.push_back(file.get());
        }
        // A pack goes for good only if every file that lists it is merged.
        if (all && random() % 2 == 0) without.insert(packs[random() % packs.size()].id);
        merge_indexes(fresh, sealer, files, without);
        if (random() % 2 == 0) {
          for (const IndexFile* file : files) fresh.remove("index/" + file->id());
        }
        for (auto& [id, places] : expected) {
          std::erase_if(places,
                        [&](const Place& place) { return without.contains(std::get<0>(place)); });
        }
      }
    }
    std::set<std::string> absent;
    for (const PackInfo& pack : packs) {
      if (random() % 4 == 0) absent.insert(pack.id);
    }
    Index index(fresh, sealer, absent);
    for (const auto& [id, places] : expected) {
      ASSERT_EQ(told(index.find_all(id)), places);
      bool present = std::any_of(places.begin(), places.end(), [&](const Place& place) {
        return !absent.contains(std::get<0>(place));
      });
      std::optional<ChunkPlace> found = index.find(id);
      ASSERT_EQ(found.has_value(), present);
      if (found) {
        EXPECT_TRUE(places.contains(told(*found)));
        EXPECT_FALSE(index.absent(found->pack->id));
      }
      EXPECT_EQ(told(index.find_all(id)), places);
    }
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(index.find(test::random_chunk_id(random)));
  }
}

TEST_F(IndexTest, OfAMillionChunksHoldsNoMorePagesThanItMay) {
  std::vector<ChunkId> ids;
  for (int i = 0; i < 8; ++i) {
    std::vector<PackedChunk> chunks;
    for (int j = 0; j < 125'000; ++j) {
      chunks.push_back(some_chunk(test::random_chunk_id(random)));
      ids.push_back(chunks.back().id);
    }
    put({{some_pack(), chunks}});
  }
  WatchedStore watched(store);
  Index index(watched, sealer);
  std::size_t pages = 0;
  for (const auto& file : index.files()) {
    pages += (file->entries() + IndexFile::kPageEntries - 1) / IndexFile::kPageEntries;
  }
  EXPECT_GT(pages, 3 * Index::kPagesMost);
  for (std::size_t i = 0; i < ids.size(); i += 1000) ASSERT_TRUE(index.find(ids[i]));
  EXPECT_LE(index.cache()->pages(), Index::kPagesMost);
  // In order, so that every page is fetched about once.
  std::sort(ids.begin(), ids.end());
  watched.gets = 0;
  for (const ChunkId& id : ids) ASSERT_TRUE(index.find(id));
  EXPECT_GE(watched.gets, pages - Index::kPagesMost);
  EXPECT_LE(watched.gets, 2 * pages);
  EXPECT_LE(index.cache()->pages(), Index::kPagesMost);
}

}  // namespace
}  // namespace duckback
