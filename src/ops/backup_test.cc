#include "ops/backup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duckfile/checksum.h"
#include "ops/repair_index.h"
#include "repo/index.h"
#include "test/support/error_of.h"
#include "test/support/hooked_store.h"
#include "test/support/test_repository.h"

namespace duckback {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using test::back_up;
using test::give_back;
using test::keys_of;
using test::LivingDatabase;
using test::state_of;
using test::WalBuilder;

class Backup : public testing::Test {
 protected:
  std::set<ChunkId> chunks(ObjectKind kind) const { return chunks(repository, kind); }
  static std::set<ChunkId> chunks(const Repository& of, ObjectKind kind) {
    std::set<ChunkId> ids;
    Index index(of.store(), of.sealer());
    for (const auto& file : index.files()) {
      file->for_each([&](std::uint64_t, const ChunkPlace& place) {
        if (place.pack->kind == kind) ids.insert(place.chunk.id);
      });
    }
    return ids;
  }
  std::size_t data_chunks() const { return chunks(ObjectKind::data_pack).size(); }

  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  Repository repository = Repository::create(store, std::nullopt);
};

void set_modified(const fs::path& path, const struct stat& as) {
  timespec times[2] = {as.st_atim, as.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

struct stat stat_of(const fs::path& path) {
  struct stat now {};
  EXPECT_EQ(::stat(path.c_str(), &now), 0);
  return now;
}

// Clocks of files tick every few milliseconds; until the change time is another one.
void write_with_another_change_time(const fs::path& path, const struct stat& before,
                                    const std::function<void()>& write) {
  do {
    write();
    set_modified(path, before);
  } while (stat_of(path).st_ctim.tv_nsec == before.st_ctim.tv_nsec &&
           stat_of(path).st_ctim.tv_sec == before.st_ctim.tv_sec);
}

TEST_F(Backup, GivesBackTheImageByteForByte) {
  LivingDatabase database(700);  // a map of two levels
  for (std::uint64_t id : {3u, 4u, 300u, 698u, 699u}) database.free_block(id);
  database.set_wal(WalBuilder().commit().insert(1'500'000).flush().bytes());
  database.write();
  BackupResult result = back_up(repository, database);
  EXPECT_EQ(result.changed_blocks, 695u);
  EXPECT_EQ(result.details.certification, "cold");
  EXPECT_EQ(result.details.free_blocks, 5u);
  EXPECT_EQ(result.details.wal_commits, 2u);
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
  EXPECT_TRUE(keys_of(*store, "sessions/").empty());
}

TEST_F(Backup, AWalThatGrewOrWentIsTheNewOne) {
  LivingDatabase database;
  WalBuilder wal;
  database.set_wal(wal.insert(1'200'000).flush().bytes());
  database.write();
  back_up(repository, database);
  database.set_wal(wal.insert(2'000'000).flush().bytes());
  database.write_with_equal_header(false);
  BackupResult grown = back_up(repository, database);
  EXPECT_EQ(give_back(repository, grown.snapshot), state_of(database));
  database.set_wal({});
  database.write();
  BackupResult gone = back_up(repository, database);
  EXPECT_EQ(give_back(repository, gone.snapshot), state_of(database));
  EXPECT_FALSE(gone.snapshot.wal.root);
}

TEST_F(Backup, ReadsNothingOfADatabaseThatIsAsItWas) {
  LivingDatabase database;
  database.set_wal(WalBuilder().commit().bytes());
  database.write();
  BackupResult first = back_up(repository, database);
  test::let_time_pass_since_last_look(repository);
  // Damage that no time and no header tells of is not seen: no block is read.
  BackupResult second = back_up(repository, database);
  EXPECT_TRUE(second.untouched);
  EXPECT_EQ(second.changed_blocks, 0u);
  EXPECT_EQ(second.snapshot.added_bytes, 0u);
  EXPECT_EQ(second.snapshot.file, first.snapshot.file);
  EXPECT_EQ(second.snapshot.parent, first.snapshot.id);
  EXPECT_EQ(give_back(repository, second.snapshot), state_of(database));
  EXPECT_TRUE(back_up(repository, database).untouched) << "also after an untouched one";
}

TEST_F(Backup, ReadsADatabaseAgainThatWasWrittenJustBeforeTheLastLook) {
  LivingDatabase database;
  back_up(repository, database);
  BackupResult second = back_up(repository, database);
  EXPECT_FALSE(second.untouched);
  EXPECT_EQ(second.changed_blocks, 0u);
  EXPECT_EQ(second.snapshot.added_chunks, 0u);
}

TEST_F(Backup, TakesNoRebuiltFileForTheOldOneThoughHeadersSizeAndTimeAreEqual) {
  LivingDatabase database;
  back_up(repository, database);
  test::let_time_pass_since_last_look(repository);
  struct stat before = stat_of(database.path());

  // The same bytes in another file.
  database.write_with_equal_header(true);
  set_modified(database.path(), before);
  ASSERT_NE(stat_of(database.path()).st_ino, before.st_ino);
  BackupResult moved = back_up(repository, database);
  EXPECT_FALSE(moved.untouched);
  EXPECT_EQ(moved.changed_blocks, 0u);

  // Other bytes in the same file.
  test::let_time_pass_since_last_look(repository);
  before = stat_of(database.path());
  database.set_block(5, 2);
  write_with_another_change_time(database.path(), before,
                                 [&] { database.write_with_equal_header(false); });
  ASSERT_EQ(stat_of(database.path()).st_ino, before.st_ino);
  BackupResult rebuilt = back_up(repository, database);
  EXPECT_FALSE(rebuilt.untouched);
  EXPECT_EQ(rebuilt.changed_blocks, 1u);
  EXPECT_EQ(give_back(repository, rebuilt.snapshot), state_of(database));
}

TEST_F(Backup, AnotherWalOfTheSameSizeAndTimeIsSeen) {
  LivingDatabase database;
  database.set_wal(WalBuilder().insert(40).flush().insert(50).flush().bytes());
  database.write();
  back_up(repository, database);
  test::let_time_pass_since_last_look(repository);
  fs::path wal = database.path().string() + ".wal";
  struct stat before = stat_of(wal);
  Bytes other = WalBuilder().insert(50).flush().insert(40).flush().bytes();
  ASSERT_EQ(other.size(), database.wal().size());
  File::open_write(wal).write_at(0, other);
  set_modified(wal, before);
  EXPECT_FALSE(back_up(repository, database).untouched);
  EXPECT_EQ(give_back(repository, "latest").wal, other);
}

TEST_F(Backup, AChangedBlockIsTheOnlyOneStored) {
  LivingDatabase database(300);
  back_up(repository, database);
  std::size_t before = data_chunks();
  database.set_block(280, 2);
  database.write_with_equal_header(false);
  BackupResult second = back_up(repository, database);
  EXPECT_EQ(second.changed_blocks, 1u);
  EXPECT_EQ(data_chunks(), before + 1);
  EXPECT_EQ(second.snapshot.added_chunks, 3u) << "the block, its leaf, and the root of the map";
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
  EXPECT_NE(give_back(repository, "latest~1"), state_of(database));
}

// Rotating rows within a segment gives the same checksum: an XOR is blind to order.
TEST_F(Backup, ABlockWithTheChecksumOfTheOldOneIsStoredAnew) {
  LivingDatabase database;
  Bytes rows(64);
  for (std::size_t i = 0; i < rows.size(); i += 8) store_le(rows.data() + i, i * 77 + 5);
  Bytes rotated = rows;
  std::rotate(rotated.begin(), rotated.begin() + 8, rotated.end());
  database.set_block(5, rows);
  database.write();
  back_up(repository, database);
  Bytes old = database.bytes();
  database.set_block(5, rotated);
  database.write_with_equal_header(false);
  std::size_t at = LivingDatabase::offset_of(5);
  Bytes now = database.bytes();
  ASSERT_EQ(load_le<std::uint64_t>(now.data() + at), load_le<std::uint64_t>(old.data() + at))
      << "the stored checksums";
  ASSERT_NE(now, old);
  BackupResult second = back_up(repository, database);
  EXPECT_EQ(second.changed_blocks, 1u);
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
}

TEST_F(Backup, ManyThreadsStoreTheSameChunksAsOne) {
  auto other = std::make_shared<MemoryStore>(*store);  // the same secret
  Repository twin = Repository::open(other, std::nullopt);
  LivingDatabase database(4000);
  // Equal blocks too, far apart, so that two threads meet over one chunk.
  for (std::uint64_t id = 100; id < 4000; ++id) {
    if (id % 3 != 0) database.set_block(id, Bytes(64, static_cast<std::uint8_t>(id % 5 + 1)));
  }
  database.set_wal(WalBuilder().insert(2'500'000).flush().bytes());
  database.write();
  BackupResult one = back_up(repository, database, 1);
  BackupResult four = back_up(twin, database, 4);
  for (ObjectKind kind : {ObjectKind::data_pack, ObjectKind::map_pack}) {
    EXPECT_EQ(chunks(repository, kind), chunks(twin, kind));
  }
  EXPECT_EQ(one.snapshot.file, four.snapshot.file);
  EXPECT_EQ(one.snapshot.wal, four.snapshot.wal);
  EXPECT_EQ(one.snapshot.head, four.snapshot.head);
  EXPECT_EQ(one.snapshot.added_chunks, four.snapshot.added_chunks);
  for (const Repository* each : {&repository, &twin}) {
    std::size_t stored = 0;
    each->store().list("packs/", [&](const ObjectInfo& object) {
      stored +=
          read_pack_directory(each->store(), each->sealer(), *pack_id_of(object.key), object.bytes)
              .chunks.size();
    });
    EXPECT_EQ(stored, one.snapshot.added_chunks) << "a chunk is stored twice";
  }
}

TEST_F(Backup, AnEncryptedRepositoryShowsNothingAndGivesAllBack) {
  auto sealed = std::make_shared<MemoryStore>();
  Repository encrypted = Repository::create(sealed, "a password");
  LivingDatabase database;
  std::string secret = "nobody must read this";
  database.set_block(5, {secret.begin(), secret.end()});
  database.write();
  BackupOptions options;
  options.source = database.path().string();
  options.tags = {"a-secret-tag"};
  options.compression = Compression::off;
  backup(encrypted, options);
  for (const std::string& key : keys_of(*sealed)) {
    Bytes object = sealed->get(key);
    std::string text(object.begin(), object.end());
    for (const std::string& word :
         {secret, std::string("a-secret-tag"), std::string("app.duckdb")}) {
      EXPECT_EQ(text.find(word), std::string::npos) << word << " in " << key;
    }
  }
  Repository again = Repository::open(sealed, "a password");
  EXPECT_EQ(give_back(again, "latest"), state_of(database));
}

TEST_F(Backup, ADamagedDatabaseIsStoredAsItIsAndMarked) {
  LivingDatabase database;
  back_up(repository, database);
  database.flip_byte(LivingDatabase::offset_of(5) + 100);
  BackupResult result = back_up(repository, database);
  EXPECT_EQ(result.details.damaged_blocks, 1u);
  EXPECT_TRUE(find_snapshot(repository, "latest").details.damaged());
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
  // It is looked at anew every time: it may have been the memory.
  test::let_time_pass_since_last_look(repository);
  EXPECT_FALSE(back_up(repository, database).untouched);
}

TEST_F(Backup, ADamagedSnapshotIsNotPassedOverForAnOlderOne) {
  LivingDatabase database;
  std::vector<Snapshot> snapshots;
  for (std::uint64_t i = 0; i < 4; ++i) {
    database.set_block(5, i + 2);
    database.write();
    snapshots.push_back(back_up(repository, database).snapshot);
  }
  FoundSnapshot third = find_snapshot(repository, "latest~1");
  ASSERT_EQ(third.snapshot.id, snapshots[2].id);
  Bytes bytes = store->get(third.name.key);
  bytes.back() ^= 1;
  store->put(third.name.key, bytes);
  EXPECT_EQ(find_snapshot(repository, "latest").snapshot.id, snapshots[3].id);
  test::error_of(Errc::damaged, [&] { find_snapshot(repository, "latest~1"); });
  EXPECT_EQ(find_snapshot(repository, "latest~2").snapshot.id, snapshots[1].id);
  EXPECT_EQ(find_snapshot(repository, "latest~3").snapshot.id, snapshots[0].id);
  test::error_of(Errc::no_snapshot, [&] { find_snapshot(repository, "latest~4"); });
  std::string moment = format_utc_ms(snapshots[2].time);
  test::error_of(Errc::damaged, [&] { find_snapshot(repository, "@" + moment); });
  test::error_of(Errc::damaged, [&] { find_snapshot(repository, snapshots[2].id); });
}

TEST_F(Backup, ADamagedWalPieceIsAnErrorAndNoCrash) {
  LivingDatabase database;
  database.set_wal(WalBuilder().commit().bytes());
  database.write();
  BackupResult result = back_up(repository, database);
  Index index(*store, repository.sealer());
  ChunkPlace place = *index.find(repository.namer().chunk_id(database.wal()));
  Bytes pack = store->get(pack_key(place.pack->id));
  pack[place.chunk.offset] ^= 1;
  store->put(pack_key(place.pack->id), pack);
  test::error_of(Errc::damaged, [&] { give_back(repository, "latest"); });
}

// Compared to a snapshot that lacks a chunk, an unchanged block must not pass for stored.
TEST_F(Backup, StoresAnewWhatTheRepositoryLost) {
  for (bool indexed : {true, false}) {
    for (bool changed : {true, false}) {
      auto disk = std::make_shared<MemoryStore>();
      Repository vault = Repository::create(disk, std::nullopt);
      LivingDatabase database(20);
      BackupResult first = back_up(vault, database);
      test::let_time_pass_since_last_look(vault);
      Index index(*disk, vault.sealer());
      Bytes file = LivingDatabase::read_all(database.path());
      ByteView block =
          ByteView(file).subspan(LivingDatabase::offset_of(7), LivingDatabase::kBlockBytes);
      std::string lost = index.find(vault.namer().chunk_id(block))->pack->id;
      disk->remove(pack_key(lost));
      if (!indexed) repair_index(vault, {});
      if (changed) {
        database.set_block(3, 2);
        database.write();
      }
      BackupResult second = back_up(vault, database);
      EXPECT_FALSE(second.untouched);
      ASSERT_FALSE(second.warnings.empty());
      EXPECT_NE(second.warnings.front().find(first.snapshot.id.substr(0, 8)), std::string::npos);
      EXPECT_EQ(give_back(vault, second.snapshot), state_of(database));
      if (!changed) {
        EXPECT_EQ(give_back(vault, "latest~1"), state_of(database)) << "the older one heals";
      }
      BackupResult third = back_up(vault, database);
      EXPECT_TRUE(third.warnings.empty()) << third.warnings.front();
    }
  }
}

TEST_F(Backup, ATruncatedDatabaseIsStoredAndMarked) {
  LivingDatabase database;
  File::open_write(database.path()).truncate(LivingDatabase::offset_of(6) + 5000);
  Bytes there = database.bytes();
  BackupResult result = back_up(repository, database);
  EXPECT_EQ(result.details.damaged_blocks, 2u);
  EXPECT_THAT(result.warnings.at(0), HasSubstr("2 of those in use are behind its end"));
  Bytes back = give_back(repository, "latest").file;
  ASSERT_EQ(back.size(), there.size()) << "with what is left of block 6";
  EXPECT_TRUE(std::equal(there.begin() + 12288, there.end(), back.begin() + 12288));
  EXPECT_EQ(back_up(repository, database).snapshot.added_chunks, 0u);
}

TEST_F(Backup, ADatabaseCutOffBeforeItsFreeListIsKeptToTheLastByte) {
  for (std::uint64_t bytes : {LivingDatabase::offset_of(1) + 700, LivingDatabase::offset_of(0),
                              std::uint64_t{12000}, std::uint64_t{4096}}) {
    LivingDatabase database;
    File::open_write(database.path()).truncate(bytes);
    BackupResult result = back_up(repository, database);
    EXPECT_TRUE(result.details.damaged());
    Bytes there = database.bytes();
    Bytes back = give_back(repository, result.snapshot).file;
    ASSERT_EQ(back.size(), bytes);
    std::ptrdiff_t behind_slots = bytes > 12288 ? 12288 : 0;
    if (bytes == 12288) continue;  // the active header stands in both slots
    EXPECT_TRUE(std::equal(there.begin() + behind_slots, there.end(), back.begin() + behind_slots));
  }
}

// DuckDB opens none of them together with the database.
TEST_F(Backup, AWalThatCannotBeReadIsKeptAsItIsAndMarked) {
  DatabaseId other{};
  other[3] = 9;
  Bytes garbage(300, 0xa7);
  for (const auto& [wal, reason] :
       {std::pair(garbage, "the WAL's first entry"),
        std::pair(WalBuilder(other, 5).commit().bytes(), "belongs to another database"),
        std::pair(WalBuilder(DatabaseId{}, 3).commit().bytes(), "belongs to checkpoint 3")}) {
    LivingDatabase database;
    database.set_wal(wal);
    database.write();
    BackupResult result = back_up(repository, database);
    EXPECT_TRUE(result.details.damaged());
    EXPECT_THAT(result.details.damage(), AllOf(HasSubstr(reason), HasSubstr("kept as it is")));
    EXPECT_EQ(result.details.damaged_blocks, 0u);
    EXPECT_EQ(give_back(repository, result.snapshot), state_of(database));
  }
}

TEST_F(Backup, OfTwoWalsOfWhichOneCannotBeReadNoneIsChosen) {
  LivingDatabase database;
  database.set_wal(Bytes(300, 0xa7));
  database.write();
  database.folder().put("app.duckdb.wal.checkpoint", WalBuilder().commit().bytes());
  EXPECT_THAT(test::error_of(Errc::corrupt, [&] { back_up(repository, database); }),
              HasSubstr("Keep all these files"));
  EXPECT_TRUE(keys_of(*store, "snapshots/").empty());
}

TEST_F(Backup, AFreedBlockLeavesAHole) {
  LivingDatabase database(300);
  back_up(repository, database);
  for (std::uint64_t id = 2; id < 260; ++id) database.free_block(id);
  database.write();
  BackupResult second = back_up(repository, database);
  EXPECT_EQ(second.changed_blocks, 1u) << "the free list";
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
  test::TestFolder folder;
  RestoreOptions options;
  options.target = folder / "back.duckdb";
  RestoreResult restored = restore(repository, second.snapshot, options);
  EXPECT_EQ(restored.written_bytes, 12288 + 42 * LivingDatabase::kBlockBytes);
}

TEST_F(Backup, OfTwoRestoresToOneNameAtOnceTheSecondIsRefused) {
  LivingDatabase database;
  database.set_wal(WalBuilder().commit().bytes());
  database.write();
  BackupResult made = back_up(repository, database);
  test::TestFolder folder;
  RestoreOptions options;
  options.target = folder / "back.duckdb";
  bool refused = false;
  RestoreOptions first = options;
  first.step = [&](const std::string&) {
    EXPECT_THAT(
        test::error_of(Errc::conflict, [&] { restore(repository, made.snapshot, options); }),
        HasSubstr("another duckback is making"));
    refused = true;
  };
  restore(repository, made.snapshot, first);
  EXPECT_TRUE(refused);
  EXPECT_EQ(LivingDatabase::read_all(options.target), database.image());
  EXPECT_EQ(LivingDatabase::read_all(folder / "back.duckdb.wal"), database.wal());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
}

TEST_F(Backup, AFileThatAppearsWhileItIsRestoredIsNotReplaced) {
  LivingDatabase database;
  BackupResult made = back_up(repository, database);
  test::TestFolder folder;
  RestoreOptions options;
  options.target = folder / "back.duckdb";
  options.step = [&](const std::string&) { folder.put("back.duckdb", Bytes(20, 1)); };
  EXPECT_THAT(test::error_of(Errc::conflict, [&] { restore(repository, made.snapshot, options); }),
              HasSubstr("appeared meanwhile"));
  EXPECT_EQ(LivingDatabase::read_all(options.target), Bytes(20, 1));
}

TEST_F(Backup, ADatabaseThatIsRestoredTakesOverTheAccessOfTheOldOne) {
  LivingDatabase database;
  database.set_wal(WalBuilder().commit().bytes());
  database.write();
  BackupResult made = back_up(repository, database);
  test::TestFolder folder;
  RestoreOptions options;
  options.target = folder.put("back.duckdb", Bytes(20, 1));
  fs::path wal = options.target.string() + ".wal";
  RestoreOptions elsewhere;
  elsewhere.target = folder / "new.duckdb";
  restore(repository, made.snapshot, elsewhere);
  EXPECT_EQ(stat_of(elsewhere.target).st_mode & 0777, 0600u);
  ASSERT_EQ(::chmod(options.target.c_str(), 0640), 0);
  bool root = ::getuid() == 0;
  ASSERT_EQ(root ? ::chown(options.target.c_str(), 1234, 5678) : 0, 0);
  options.force = true;
  restore(repository, made.snapshot, options);
  database.set_block(3, 7);
  database.write();
  options.delta = true;
  for (int i = 0; i < 2; ++i) {
    for (const fs::path& path : {options.target, wal}) {
      EXPECT_EQ(stat_of(path).st_mode & 0777, 0640u);
      if (!root) continue;
      EXPECT_EQ(stat_of(path).st_uid, 1234u);
      EXPECT_EQ(stat_of(path).st_gid, 5678u);
    }
    if (i == 0) restore(repository, back_up(repository, database).snapshot, options);
  }
}

TEST_F(Backup, ADatabaseThatShrinksAndGrowsIsFollowed) {
  LivingDatabase database(600);
  back_up(repository, database);
  for (std::uint64_t id = 200; id < 600; ++id) database.free_block(id);
  database.write();
  BackupResult small = back_up(repository, database);
  EXPECT_EQ(give_back(repository, small.snapshot), state_of(database));
  for (std::uint64_t id = 200; id < 900; ++id) database.set_block(id, 3);
  database.write();
  BackupResult large = back_up(repository, database);
  EXPECT_EQ(give_back(repository, large.snapshot), state_of(database));
}

TEST_F(Backup, ADatabaseOfAnotherBlockSizeUnderTheSameNameIsANewOne) {
  LivingDatabase database;
  back_up(repository, database);
  test::DatabaseBuilder builder(262144);
  builder.header.block_count = 3;
  builder.header.meta_block = test::pointer(1, 3);
  for (std::uint64_t id = 0; id < 3; ++id) builder.write_block(id, Bytes(1000, 7));
  builder.write_chain(test::free_list_bytes({.free = {}, .multi_use = {}, .metadata = {{1, 0xf0}}}),
                      {test::pointer(1, 16)});
  Bytes file = builder.file();
  remove_file(database.path());
  database.folder().put("app.duckdb", file);
  back_up(repository, database);
  std::copy(file.begin() + 4096, file.begin() + 8192, file.begin() + 8192);
  EXPECT_EQ(give_back(repository, "latest").file, file);
}

TEST_F(Backup, AnEncryptedDatabaseIsKeptWithoutItsKey) {
  DatabaseId identifier{};
  identifier.fill(9);
  Encryption encryption;
  encryption.cipher = Encryption::Cipher::gcm;
  test::Sealer sealer(encryption, identifier, "key");
  test::DatabaseBuilder builder(262144, &sealer);
  builder.main.version = 68;
  builder.main.identifier = identifier;
  builder.header.block_count = 20;
  builder.header.meta_block = test::pointer(1, 3);
  for (std::uint64_t id = 0; id < 20; ++id) {
    builder.write_block(id, Bytes(1000, static_cast<std::uint8_t>(id)));
  }
  builder.write_chain(test::free_list_bytes({.free = {}, .multi_use = {}, .metadata = {{1, 0xf0}}}),
                      {test::pointer(1, 16)});
  LivingDatabase database;
  Bytes file = builder.file();
  remove_file(database.path());
  database.folder().put("app.duckdb", file);
  BackupResult result = back_up(repository, database);
  EXPECT_TRUE(result.details.encrypted);
  EXPECT_EQ(give_back(repository, "latest").file, file);
}

TEST_F(Backup, NeedNotBeAllowedToRemoveAnything) {
  LivingDatabase database(4);
  auto guarded =
      std::make_shared<test::WatchedStore>(store, [](std::string_view verb, std::string_view key) {
        if (verb == "remove") throw Error(Errc::refused, "{} stays", key);
      });
  Repository may_only_add = Repository::open(guarded, std::nullopt);
  constexpr std::uint64_t kBackups =
      40;  // some of them merge indexes, and find old ones superseded
  for (std::uint64_t n = 0; n < kBackups; ++n) {
    database.set_block(3, 10 + n);
    database.write();
    store->advance_clock(std::chrono::hours(1));
    EXPECT_THAT(back_up(may_only_add, database).warnings, testing::IsEmpty());
  }
  EXPECT_EQ(give_back(repository, "latest"), state_of(database));
}

// Who backs up every hour and never prunes has few indexes, and those superseded go a day later.
TEST_F(Backup, ManyOfThemLeaveFewIndexes) {
  LivingDatabase database(4);
  std::map<std::string, test::Restored> states;
  constexpr std::uint64_t kBackups = 150;
  for (std::uint64_t n = 0; n < kBackups; ++n) {
    database.set_block(3, 10 + n);
    database.write();
    store->advance_clock(std::chrono::hours(1));
    states[back_up(repository, database).snapshot.id] = state_of(database);
    Index index(*store, repository.sealer());
    ASSERT_LE(index.files().size(), 21u) << n;
    // And those superseded by an index that is not a day old: of two merges of 64 backups, at most.
    ASSERT_LE(keys_of(*store, "index/").size(), 21u + 2 * (64 + 8)) << n;
  }
  for (const FoundSnapshot& found : read_snapshots(repository)) {
    ASSERT_TRUE(give_back(repository, found.snapshot) == states.at(found.name.id));
  }
}

}  // namespace
}  // namespace duckback
