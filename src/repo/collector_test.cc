#include "repo/collector.h"

#include <gtest/gtest.h>

#include "repo/chunk_writer.h"
#include "repo/session.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/hooked_store.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using test::error_of;

constexpr std::chrono::hours kGrace = 24h;
constexpr std::chrono::hours kDayAndMore = 25h;

// Chunks by small numbers: chunk n has bytes of its own and does not compress.
using Numbers = std::vector<std::uint64_t>;

Bytes chunk_bytes(std::uint64_t number) {
  std::mt19937_64 random(number);
  return test::random_bytes(random, 4000);
}

Bytes head_bytes(const Numbers& numbers) {
  return Bytes(100, static_cast<std::uint8_t>(numbers.front()));
}

// A repository whose snapshots are of maps of a few chunks.
class Scene {
 public:
  Scene() : Scene(std::make_shared<MemoryStore>()) {}
  // The same repository through another store, or a copy of it.
  explicit Scene(std::shared_ptr<MemoryStore> store) : memory(std::move(store)) {
    bool there = false;
    memory->list("config", [&](const ObjectInfo&) { there = true; });
    if (!there) Repository::create(memory, std::nullopt);
    repository.emplace(Repository::open(memory, std::nullopt));
  }
  Scene copy() const {
    Scene other(std::make_shared<MemoryStore>(*memory));
    other.contents_ = contents_;
    return other;
  }

  // What a backup leaves.
  SnapshotName commit(const Numbers& numbers) {
    Index index(*memory, sealer(), list_marks(*memory).packs());
    ChunkWriter writer(*memory, sealer(), namer(), index, Compression::normal);
    Snapshot snapshot = put_chunks(writer, numbers);
    writer.flush();
    return create(snapshot, numbers);
  }
  // The same by one that sees nothing of what is there: all its chunks are stored anew.
  SnapshotName commit_unseeing(const Numbers& numbers) {
    std::set<std::string> packs;
    memory->list("packs/",
                 [&](const ObjectInfo& object) { packs.insert(*pack_id_of(object.key)); });
    Index index(*memory, sealer(), std::move(packs));
    ChunkWriter writer(*memory, sealer(), namer(), index, Compression::normal);
    Snapshot snapshot = put_chunks(writer, numbers);
    writer.flush();
    return create(snapshot, numbers);
  }
  Snapshot put_chunks(ChunkWriter& writer, const Numbers& numbers) {
    MapBuilder builder(4000, 4000 * numbers.size(),
                       [&](ByteView node) { return writer.put(node, ObjectKind::map_pack); });
    MapLeaf leaf;
    for (std::size_t place = 0; place < numbers.size(); ++place) {
      Bytes bytes = chunk_bytes(numbers[place]);
      leaf.add(place, {namer().fingerprint(bytes), writer.put(bytes, ObjectKind::data_pack)});
    }
    builder.add_leaf(0, leaf);
    Snapshot snapshot;
    snapshot.head = writer.put(head_bytes(numbers), ObjectKind::map_pack);
    snapshot.file = builder.finish();
    snapshot.wal.chunk_bytes = 1 << 20;
    return snapshot;
  }
  SnapshotName create(Snapshot snapshot, const Numbers& numbers) {
    snapshot.id = snapshot.original = random_id();
    snapshot.time = SystemTime(std::chrono::seconds(1'700'000'000 + 60 * ++commits_));
    SnapshotName name = name_snapshot("0123456789abcdef", snapshot);
    put_snapshot(*memory, sealer(), name, snapshot);
    contents_[name.id] = numbers;
    return name;
  }

  // As `duckback undelete` does it.
  SnapshotName restore(const SnapshotName& name) const {
    Session session(*repository, "undelete");
    return restore_snapshot(session, name);
  }
  PruneReport prune(PruneOptions options = {}) const { return prune(*repository, options); }
  static PruneReport prune(const Repository& repository, PruneOptions options = {}) {
    options.grace = kGrace;
    return duckback::prune(repository, options);
  }
  void wait(std::chrono::milliseconds time) const { memory->advance_clock(time); }
  void prune_for_days(int days) const {
    for (int i = 0; i < days; ++i) {
      wait(kDayAndMore);
      prune();
    }
  }

  // Throws what reading throws.
  void read(const SnapshotName& name) const {
    Snapshot snapshot = read_snapshot(*memory, sealer(), name);
    Index index(*memory, sealer());
    ChunkReader reader(*memory, sealer(), namer(), index);
    Numbers numbers = contents_.at(name.id);
    EXPECT_EQ(reader.read(snapshot.head), head_bytes(numbers));
    std::size_t seen = 0;
    walk_map(
        snapshot.file, [&](const ChunkId& id) { return reader.read(id); },
        [](const ChunkId&, std::uint32_t) { return true; },
        [&](std::uint64_t, const ChunkId&, const MapLeaf& leaf) {
          leaf.for_each([&](std::size_t place, const MapEntry& entry) {
            EXPECT_EQ(reader.read(entry.chunk), chunk_bytes(numbers.at(place)));
            ++seen;
          });
        });
    EXPECT_EQ(seen, numbers.size());
  }
  // Every snapshot that is listed can be given back.
  void expect_whole(const std::string& when) const {
    for (const SnapshotName& name : list_snapshots(*memory)) {
      try {
        read(name);
      } catch (const Error& error) {
        ADD_FAILURE() << when << ": " << error.what();
      }
    }
  }

  std::vector<std::string> keys(const std::string& prefix) const {
    std::vector<std::string> keys;
    memory->list(prefix, [&](const ObjectInfo& object) { keys.push_back(object.key); });
    return keys;
  }
  std::size_t count(const std::string& prefix) const { return keys(prefix).size(); }
  // Ids of chunks by where they are.
  bool has_chunk(std::uint64_t number) const {
    Index index(*memory, sealer());
    return index.find(namer().chunk_id(chunk_bytes(number))).has_value();
  }

  const Sealer& sealer() const { return repository->sealer(); }
  const Namer& namer() const { return repository->namer(); }

  std::shared_ptr<MemoryStore> memory;
  std::optional<Repository> repository;

 private:
  std::map<std::string, Numbers> contents_;
  int commits_ = 0;
};

Numbers range(std::uint64_t begin, std::uint64_t end) {
  Numbers numbers;
  for (std::uint64_t i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

// Something of everything: packs that are due, half dead ones, marks that are young, a forgotten
// snapshot whose time is over and one whose time is not.
Scene busy_scene(SnapshotName* expired = nullptr) {
  Scene scene;
  scene.commit(range(0, 10));
  SnapshotName forgotten = scene.commit(range(10, 20));
  SnapshotName big = scene.commit(range(20, 40));
  scene.commit({20, 21, 50});  // needs a tenth of the big one's pack
  trash_snapshot(*scene.memory, forgotten);
  scene.prune();
  SnapshotName later = scene.commit(range(60, 70));
  scene.wait(kDayAndMore);
  trash_snapshot(*scene.memory, big);
  trash_snapshot(*scene.memory, later);
  if (expired != nullptr) *expired = list_trashed_snapshots(*scene.memory).front();
  return scene;
}

TEST(Collector, AForgottenSnapshotsPacksAreMarkedAndRemovedAGraceTimeLater) {
  Scene scene;
  SnapshotName old = scene.commit(range(0, 10));
  SnapshotName kept = scene.commit(range(10, 20));
  EXPECT_EQ(scene.count("packs/"), 4u);
  SnapshotName trashed = trash_snapshot(*scene.memory, old);

  PruneReport first = scene.prune();
  EXPECT_EQ(first.marked_packs, 2u);
  EXPECT_EQ(first.removed_packs, 0u);
  EXPECT_EQ(scene.count("packs/"), 4u);
  EXPECT_EQ(scene.count("trash/packs/"), 2u);
  scene.read(trashed);
  EXPECT_EQ(scene.prune().removed_packs, 0u) << "no time has passed";

  scene.wait(kDayAndMore);
  PruneReport second = scene.prune();
  EXPECT_EQ(second.removed_packs, 2u);
  EXPECT_EQ(second.removed_snapshots, 1u);
  EXPECT_EQ(scene.count("packs/"), 2u);
  EXPECT_FALSE(scene.has_chunk(5));
  EXPECT_EQ(scene.count("trash/packs/"), 0u);
  EXPECT_EQ(scene.count("trash/removed/"), 2u);
  scene.read(kept);

  scene.prune_for_days(2);
  EXPECT_EQ(scene.count("trash/"), 0u) << "tombstones go";
  EXPECT_EQ(scene.count("index/"), 2u) << "what was superseded goes";
  EXPECT_EQ(scene.count("sessions/"), 0u);
  scene.read(kept);
}

TEST(Collector, ForgettingEverythingEmptiesTheRepository) {
  Scene scene;
  trash_snapshot(*scene.memory, scene.commit(range(0, 10)));
  scene.prune();
  scene.prune_for_days(4);
  for (const char* prefix : {"packs/", "trash/", "snapshots/", "sessions/"}) {
    EXPECT_EQ(scene.count(prefix), 0u) << prefix;
  }
}

TEST(Collector, ASecondPruneOfTheSameRepositoryChangesNothing) {
  Scene scene;
  // Chunks so small that a pack's directory is most of it.
  Index index(*scene.memory, scene.sealer());
  ChunkWriter writer(*scene.memory, scene.sealer(), scene.namer(), index, Compression::normal);
  Snapshot snapshot = scene.put_chunks(writer, {1});
  MapLeaf leaf;
  for (std::size_t place = 0; place < 100; ++place) {
    leaf.add(place,
             {{}, writer.put(Bytes(20, static_cast<std::uint8_t>(place)), ObjectKind::data_pack)});
  }
  snapshot.file.root = writer.put(leaf.to_bytes(), ObjectKind::map_pack);
  writer.flush();
  scene.create(snapshot, {});
  scene.prune();
  std::vector<std::string> before = scene.keys("");
  for (int i = 0; i < 3; ++i) {
    scene.wait(kDayAndMore);
    PruneReport report = scene.prune();
    EXPECT_EQ(report.marked_packs + report.repacked_packs + report.removed_packs, 0u);
  }
  EXPECT_EQ(scene.keys(""), before);
}

TEST(Collector, ADryRunChangesNothing) {
  Scene scene = busy_scene();
  std::vector<std::string> before = scene.keys("");
  PruneOptions options;
  options.dry_run = true;
  PruneReport report = scene.prune(options);
  EXPECT_GT(report.marked_packs, 0u);
  EXPECT_EQ(scene.keys(""), before);
}

TEST(Collector, WhatKilledProcessesLeftBesideObjectsGoesAfterAWeek) {
  struct Watched : MemoryStore {
    std::size_t remove_leftovers(SystemTime before) override {
      asked.push_back(before);
      return 0;
    }
    std::vector<SystemTime> asked;
  };
  auto store = std::make_shared<Watched>();
  Scene scene(store);
  PruneOptions dry;
  dry.dry_run = true;
  scene.prune(dry);
  EXPECT_TRUE(store->asked.empty());
  Session session(*scene.repository, "backup");
  scene.prune();
  ASSERT_EQ(store->asked.size(), 1u);
  EXPECT_EQ(store->asked.front(), session.began() - std::chrono::days(7));
}

TEST(Collector, AForgottenSnapshotCanComeBackUntilItsTimeIsOver) {
  Scene scene;
  SnapshotName name = scene.commit(range(0, 10));
  scene.commit(range(10, 12));
  scene.prune();
  SnapshotName trashed = trash_snapshot(*scene.memory, name);
  scene.prune();  // marks its packs
  scene.wait(kGrace - 1h);
  scene.prune();
  SnapshotName back = scene.restore(trashed);
  EXPECT_GT(scene.prune().rescued_packs, 0u);
  scene.prune_for_days(3);
  scene.read(back);
}

TEST(Collector, AMarkedPackIsKeptForAForgottenSnapshotWhoseTimeIsNotOver) {
  Scene scene;
  SnapshotName name = scene.commit(range(0, 10));
  SnapshotName twin = scene.commit(range(0, 10));
  trash_snapshot(*scene.memory, twin);
  scene.prune();
  trash_snapshot(*scene.memory, name);
  scene.prune();  // marks
  // Forgotten a second time, a day later.
  scene.wait(kDayAndMore - 1h);
  SnapshotName again = scene.restore(list_trashed_snapshots(*scene.memory)[0]);
  again = trash_snapshot(*scene.memory, again);
  scene.wait(2h);
  PruneReport report = scene.prune();
  EXPECT_EQ(report.removed_packs, 0u);
  scene.read(again);
}

TEST(Collector, PacksOfACrashedBackupGoAndThoseOfARunningOneStay) {
  Scene scene;
  scene.commit(range(0, 3));
  // Killed before its index was put.
  PackBuilder builder(scene.sealer(), ObjectKind::data_pack);
  Bytes bytes = chunk_bytes(7);
  builder.add(scene.namer().chunk_id(bytes), bytes, bytes.size());
  PackBuilder::Finished orphan = std::move(builder).finish();
  scene.memory->put(pack_key(orphan.info.id), orphan.bytes);
  EXPECT_EQ(scene.prune().marked_packs, 0u) << "its backup may be running";
  scene.wait(kDayAndMore);
  EXPECT_EQ(scene.prune().marked_packs, 1u);
  EXPECT_EQ(scene.count("packs/"), 3u);
  scene.prune_for_days(1);
  EXPECT_EQ(scene.count("packs/"), 2u);
  scene.prune_for_days(2);
  EXPECT_EQ(scene.count("trash/"), 0u);
}

TEST(Collector, WhatAKilledSessionLeavesGoesWhenItIsOld) {
  Scene scene;
  scene.memory->put("sessions/00112233445566778899aabbccddeeff", Bytes(10));
  scene.memory->put("sessions/00112233445566778899aabbccddeeff.now", Bytes(10));
  scene.wait(6 * 24h);
  scene.prune();
  EXPECT_EQ(scene.count("sessions/"), 2u);
  scene.wait(kDayAndMore);
  scene.prune();
  EXPECT_EQ(scene.count("sessions/"), 0u);
}

TEST(Collector, NothingIsRemovedWhileASessionIsOlderThanTheMark) {
  Scene scene;
  SnapshotName name = scene.commit(range(0, 10));
  trash_snapshot(*scene.memory, name);
  {
    Session backup(*scene.repository, "backup");
    scene.prune();
    scene.wait(kDayAndMore);
    PruneReport report = scene.prune();
    EXPECT_EQ(report.removed_packs, 0u);
    EXPECT_EQ(report.removed_snapshots, 0u);
    EXPECT_NE(report.waits_for.find("backup"), std::string::npos);
  }
  {
    Session young(*scene.repository, "backup");  // It saw the mark.
    EXPECT_EQ(scene.prune().removed_packs, 2u);
  }
}

TEST(Collector, NowRemovesAtOnceAndRefusesBesideAnotherSession) {
  Scene scene;
  SnapshotName kept = scene.commit(range(0, 3));
  SnapshotName name = scene.commit(range(3, 10));
  trash_snapshot(*scene.memory, name);
  PruneOptions now;
  now.now = true;
  {
    Session other(*scene.repository, "backup");
    std::vector<std::string> before = scene.keys("");
    PruneReport report = scene.prune(now);
    EXPECT_NE(report.waits_for.find("backup"), std::string::npos);
    EXPECT_EQ(scene.keys(""), before) << "not even a mark";
  }
  PruneReport report = scene.prune(now);
  EXPECT_EQ(report.removed_packs, 2u);
  EXPECT_EQ(report.removed_snapshots, 1u);
  EXPECT_EQ(scene.count("packs/"), 2u);
  scene.read(kept);
}

// Which of two copies is live depends on names that are random: tried until both cases came.
TEST(Collector, NowKeepsOneOfTwoCopiesWhereOneIsInAPackWithoutLifeAndOneWhereThereIsLittle) {
  for (int i = 0; i < 12; ++i) {
    Scene scene;
    SnapshotName big = scene.commit(range(0, 20));
    SnapshotName small = scene.commit_unseeing({3});
    trash_snapshot(*scene.memory, big);
    PruneOptions now;
    now.now = true;
    scene.prune(now);
    scene.expect_whole("pruned at once");
    scene.prune_for_days(3);
    scene.read(small);
  }
}

TEST(Collector, ASnapshotThatIsForgottenAndBroughtBackWhilePruneWalksIsNotTakenForWalked) {
  Scene scene;
  SnapshotName name = scene.commit(range(0, 10));
  SnapshotName trashed = trash_snapshot(*scene.memory, name);
  scene.prune();  // marks its packs
  scene.wait(kGrace - 1h);
  scene.restore(trashed);
  scene.wait(2h);
  bool met = false;
  auto watched = std::make_shared<test::WatchedStore>(
      scene.memory, [&](std::string_view verb, std::string_view key) {
        if (!met && verb == "get" && key == name.key) {
          met = true;
          trash_snapshot(*scene.memory, name);
        } else if (met && verb == "list" && key == "trash/snapshots/") {
          for (const SnapshotName& one : list_trashed_snapshots(*scene.memory)) {
            scene.restore(one);
          }
        }
      });
  Scene::prune(Repository::open(watched, std::nullopt));
  EXPECT_TRUE(met);
  scene.read(name);
}

// A tombstone may be of a prune that was stopped: what is still there stays listed.
TEST(Collector, ATombstoneDoesNotTakeAPackFromTheIndexThatIsKeptForTrash) {
  Scene scene;
  SnapshotName due = scene.commit(range(0, 10));
  SnapshotName kept = scene.commit(range(10, 20));
  scene.commit(range(20, 25));
  trash_snapshot(*scene.memory, due);
  scene.prune();
  scene.wait(kDayAndMore);
  SnapshotName trashed = trash_snapshot(*scene.memory, kept);
  Index index(*scene.memory, scene.sealer());
  std::string pack = index.find(scene.namer().chunk_id(chunk_bytes(15)))->pack->id;
  put_mark(*scene.repository, pack);
  put_tombstone(*scene.repository, pack);
  EXPECT_EQ(scene.prune().removed_packs, 2u);
  scene.read(trashed);
}

TEST(Collector, LittleLifeInAPackIsPutIntoANewOneAndTheOldOneGoes) {
  Scene scene;
  SnapshotName big = scene.commit(range(0, 20));
  SnapshotName small = scene.commit({3, 4});
  trash_snapshot(*scene.memory, big);
  PruneReport report = scene.prune();
  EXPECT_EQ(report.repacked_packs, 1u);
  scene.read(small);
  scene.prune_for_days(1);
  scene.expect_whole("after the removal");
  EXPECT_EQ(list_snapshots(*scene.memory).size(), 1u);
  EXPECT_FALSE(scene.has_chunk(10));
  scene.prune_for_days(2);
  EXPECT_EQ(scene.count("trash/"), 0u);
  scene.read(small);
}

TEST(Collector, ADamagedSnapshotStopsPruneBeforeItChangesAnything) {
  Scene scene = busy_scene();
  std::string key = list_snapshots(*scene.memory)[0].key;
  Bytes bytes = scene.memory->get(key);
  bytes.back() ^= 1;
  scene.memory->put(key, bytes);
  std::vector<std::string> before = scene.keys("");
  std::string message = error_of(Errc::damaged, [&] { scene.prune(); });
  EXPECT_NE(message.find(key), std::string::npos);
  EXPECT_EQ(scene.keys(""), before);
}

TEST(Collector, AMissingMapStopsPruneToo) {
  Scene scene = busy_scene();
  Index index(*scene.memory, scene.sealer());
  Snapshot snapshot =
      read_snapshot(*scene.memory, scene.sealer(), list_snapshots(*scene.memory)[0]);
  scene.memory->remove(pack_key(index.find(*snapshot.file.root)->pack->id));
  std::vector<std::string> before = scene.keys("");
  error_of(Errc::damaged, [&] { scene.prune(); });
  EXPECT_EQ(scene.keys(""), before);
}

// A pack that was lost and whose chunks were stored again does not count: the other copy does.
TEST(Collector, OfAChunkInALostPackTheOtherCopyIsKept) {
  for (int lost = 0; lost < 2; ++lost) {
    Scene scene;
    SnapshotName first = scene.commit(range(0, 10));
    std::vector<std::string> packs = scene.keys("packs/");
    // Stored a second time by one that did not see the first.
    Index nothing(*scene.memory, scene.sealer(), [&] {
      std::set<std::string> ids;
      for (const std::string& key : packs) ids.insert(*pack_id_of(key));
      return ids;
    }());
    ChunkWriter writer(*scene.memory, scene.sealer(), scene.namer(), nothing, Compression::off);
    Snapshot snapshot = scene.put_chunks(writer, range(0, 10));
    writer.flush();
    SnapshotName second = scene.create(snapshot, range(0, 10));
    std::vector<std::string> all = scene.keys("packs/");
    for (const std::string& key : all) {
      bool of_first = std::find(packs.begin(), packs.end(), key) != packs.end();
      if (of_first == (lost == 0)) scene.memory->remove(key);
    }
    scene.prune();
    scene.prune_for_days(3);
    scene.read(first);
    scene.read(second);
  }
}

TEST(Collector, WhatOnlyLiesThereIsLeftAlone) {
  Scene scene;
  SnapshotName name = scene.commit(range(0, 3));
  std::vector<std::string> strays = {"packs/notes.txt",     "packs/ab/xyz", "trash/packs/hello",
                                     "trash/removed/hello", "index/readme", "snapshots/x"};
  for (const std::string& key : strays) scene.memory->put(key, Bytes(20));
  scene.prune();
  scene.prune_for_days(3);
  for (const std::string& key : strays) EXPECT_EQ(scene.count(key), 1u) << key;
  scene.read(name);
}

TEST(Collector, ManyIndexesBecomeFew) {
  Scene scene;
  for (std::uint64_t i = 0; i < 40; ++i) scene.commit(range(3 * i, 3 * i + 3));
  EXPECT_EQ(scene.count("index/"), 40u);
  scene.prune();
  scene.expect_whole("while the old indexes are there");
  scene.prune_for_days(3);
  EXPECT_LT(scene.count("index/"), 4u);
  EXPECT_LT(scene.count("packs/"), 5u);
  scene.expect_whole("after");
}

// What was superseded may be listed again by somebody who puts indexes together meanwhile.
TEST(Collector, ATombstoneStaysWhileAnotherSessionIsOpen) {
  Scene scene;
  SnapshotName gone = scene.commit(range(0, 5));
  scene.commit(range(10, 15));
  trash_snapshot(*scene.memory, gone);
  for (int day = 0; scene.count("trash/removed/") == 0; ++day) {
    ASSERT_LT(day, 5);
    scene.wait(kDayAndMore);
    scene.prune();
  }
  {
    Session session(*scene.repository, "backup");
    scene.wait(kDayAndMore);
    scene.prune();
    EXPECT_GT(scene.count("trash/removed/"), 0u);
  }
  scene.prune();
  EXPECT_EQ(scene.count("trash/removed/"), 0u);
}

// A pack that was removed and is listed again is listed no more a prune later.
TEST(Collector, AnIndexThatListsARemovedPackIsPutAnew) {
  Scene scene;
  SnapshotName gone = scene.commit(range(0, 5));
  scene.commit(range(10, 15));
  std::vector<std::pair<std::string, Bytes>> before;
  scene.memory->list("index/", [&](const ObjectInfo& object) {
    before.emplace_back(object.key, scene.memory->get(object.key));
  });
  trash_snapshot(*scene.memory, gone);
  scene.prune_for_days(5);
  // As if somebody had merged them under another name: with a new salt it is another object.
  for (const auto& [key, bytes] : before) scene.memory->put(key, bytes);
  std::vector<std::string> packs;
  {
    Index index(*scene.memory, scene.sealer());
    for (const auto& file : index.files()) {
      for (const PackInfo& pack : file->packs()) {
        bool there = scene.count(pack_key(pack.id)) > 0;
        if (!there) packs.push_back(pack.id);
      }
    }
  }
  for (const std::string& pack : packs) put_tombstone(*scene.repository, pack);
  scene.prune_for_days(4);
  Index index(*scene.memory, scene.sealer());
  for (const auto& file : index.files()) {
    for (const PackInfo& pack : file->packs()) EXPECT_EQ(scene.count(pack_key(pack.id)), 1u);
  }
  EXPECT_EQ(scene.count("trash/"), 0u);
  scene.expect_whole("after");
}

// Chunk by chunk, each would cost a page of every index file.
TEST(Liveness, LocatesAMillionChunksInAFewPassesOverTheIndex) {
  class CountingStore : public test::HookedStore {
   public:
    using HookedStore::HookedStore;
    Bytes get(std::string_view key, Range range) override {
      ++gets;
      return HookedStore::get(key, range);
    }
    std::size_t gets = 0;
  };
  auto memory = std::make_shared<MemoryStore>();
  Repository repository = Repository::create(memory, std::nullopt);
  std::mt19937_64 random(5);
  std::vector<ChunkId> ids;
  for (int file = 0; file < 8; ++file) {
    IndexBuilder builder;
    std::vector<PackedChunk> chunks;
    for (int n = 0; n < 125'000; ++n) {
      ids.push_back(test::random_chunk_id(random));
      chunks.push_back({ids.back(), static_cast<std::uint32_t>(44 + 100 * n), 84, 84});
    }
    PackInfo pack;
    pack.id = to_hex(test::random_chunk_id(random).digest);
    pack.bytes = 20 << 20;
    builder.add(pack, chunks);
    builder.put(*memory, repository.sealer());
  }
  CountingStore counting(memory, [](std::size_t) {});
  Index index(counting, repository.sealer());
  Liveness live(index);
  std::shuffle(ids.begin(), ids.end(), random);
  ids.pop_back();
  counting.gets = 0;
  for (const ChunkId& id : ids) live.add(id);
  live.finish();
  // Four passes, 64 pages at once.
  EXPECT_LE(counting.gets, 4u * 8 * 4);
  std::uint64_t set = 0;
  for (std::size_t file = 0; file < index.files().size(); ++file) set += live.of(file).count();
  EXPECT_EQ(set, ids.size());
  live.add(test::random_chunk_id(random));
  EXPECT_FALSE(error_of(Errc::damaged, [&] { live.finish(); }).empty());
}

// One prune stands still at every of its steps while another one, or days of them, go by.
TEST(Collector, CollectorsInterleavedAtEveryStepTakeNothing) {
  for (int days = 0; days < 4; ++days) {
    for (std::size_t step = 0;; ++step) {
      Scene scene = busy_scene();
      bool met = false;
      auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
        if (number != step) return;
        met = true;
        scene.prune();
        scene.prune_for_days(days);
      });
      Scene::prune(Repository::open(hooked, std::nullopt));
      std::string when = fmt::format("{} days of prunes before step {}", days, step);
      scene.expect_whole(when);
      scene.prune_for_days(4);
      scene.expect_whole(when + ", and four days later");
      EXPECT_EQ(scene.count("trash/"), 0u) << when;
      EXPECT_EQ(list_snapshots(*scene.memory).size(), 2u);
      EXPECT_LE(scene.count("packs/"), 6u) << when;
      if (!met || testing::Test::HasFailure()) break;
    }
  }
}

// What comes back while its trash goes is not left half alive.
TEST(Collector, AnUndeleteAtAnyStepIsWholeOrNotDone) {
  for (std::size_t step = 0;; ++step) {
    SnapshotName expired;
    Scene scene = busy_scene(&expired);
    bool met = false;
    bool done = false;
    auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
      if (number != step) return;
      met = true;
      try {
        scene.restore(expired);
        done = true;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::no_snapshot) << error.what();
      }
    });
    Scene::prune(Repository::open(hooked, std::nullopt));
    scene.expect_whole(fmt::format("undeleted before step {}", step));
    scene.prune_for_days(4);
    scene.expect_whole(fmt::format("undeleted before step {}, and four days later", step));
    EXPECT_EQ(list_snapshots(*scene.memory).size(), done ? 3u : 2u);
    if (!met || testing::Test::HasFailure()) break;
  }
}

TEST(Collector, AClockThatJumpsBetweenPrunesTakesNothing) {
  for (std::chrono::hours jump : {7 * 24h, -7 * 24h}) {
    for (std::size_t step = 0;; ++step) {
      Scene scene = busy_scene();
      bool met = false;
      auto hooked = std::make_shared<test::HookedStore>(scene.memory, [&](std::size_t number) {
        if (number != step) return;
        met = true;
        scene.wait(jump);
      });
      Scene::prune(Repository::open(hooked, std::nullopt));
      scene.prune();
      scene.wait(-jump);
      scene.prune();
      scene.prune_for_days(10);
      scene.expect_whole(fmt::format("the clock jumped {} h before step {}", jump.count(), step));
      EXPECT_EQ(scene.count("trash/"), 0u);
      if (!met || testing::Test::HasFailure()) break;
    }
  }
}

}  // namespace
}  // namespace duckback
