// What `backup --verify open` proves, with a real DuckDB.
#include <gmock/gmock.h>

#include "duckfile/checksum.h"
#include "ops/backup.h"
#include "ops/find_snapshot.h"
#include "ops/forget_snapshots.h"
#include "repo/mark.h"
#include "test/support/error_of.h"
#include "test/support/test_repository.h"
#include "test/support/worker_test.h"

namespace duckback {
namespace {

using test::error_of;
using test::keys_of;
using testing::HasSubstr;
using testing::IsEmpty;

class BackupVerify : public WorkerTest {
 protected:
  void SetUp() override {
    WorkerTest::SetUp();
    if (IsSkipped()) return;
    source = make("app.duckdb",
                  "CREATE TABLE t AS SELECT range AS i, 'text ' || range AS s FROM range(100000);"
                  "CREATE SCHEMA s; CREATE TABLE s.u AS SELECT 1 AS one;");
    fs::create_directory(scratch());
  }
  fs::path scratch() const { return folder() / "scratch"; }

  BackupOptions options_for(VerifyLevel level) const {
    BackupOptions backup_options;
    backup_options.source = source.string();
    backup_options.verify = level;
    backup_options.library = options().library;
    backup_options.scratch = scratch();
    backup_options.threads = 2;
    return backup_options;
  }
  BackupResult back_up(VerifyLevel level) const { return backup(repository, options_for(level)); }
  SnapshotDetails latest() const { return find_snapshot(repository, "latest").details; }

  // Makes DuckDB fail on the file although every checksum of it is right: its header points
  // beside the catalog.
  void break_catalog() {
    File file = File::open_write(source);
    MainHeader main = read_main_header(file);
    std::optional<Slots> slots = read_slots(file, main, nullptr);
    ASSERT_TRUE(slots);
    Slot slot = slots->active_raw();
    std::uint64_t wrong = slots->header().meta_block + (std::uint64_t{9} << 56);
    for (std::size_t i = 0; i < 8; ++i) slot[16 + i] = static_cast<std::uint8_t>(wrong >> (8 * i));
    std::uint64_t sum = duckdb_checksum(ByteView(slot).subspan(8));
    for (std::size_t i = 0; i < 8; ++i) slot[i] = static_cast<std::uint8_t>(sum >> (8 * i));
    file.write_at(kSlotBytes * (1 + static_cast<std::uint64_t>(slots->active)), slot);
  }

  // Flips a byte of the first chunk of every pack of data.
  void damage_packs() const {
    for (const std::string& key : keys_of(*store, "packs/")) {
      Bytes bytes = store->get(key);
      if (bytes[8] != 1) continue;
      bytes[50] ^= 1;
      store->remove(key);
      store->put(key, bytes);
    }
  }

  fs::path source;
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  Repository repository = Repository::create(store, std::nullopt);
};

const std::vector<std::string> kTables = {"main.t 100000", "s.u 1"};

std::vector<std::string> lines_of(const SnapshotDetails& details) {
  std::vector<std::string> lines;
  for (const Sidecar::Table& table : details.tables.value()) {
    lines.push_back(fmt::format("{}.{} {}", table.schema, table.table, table.rows));
  }
  return lines;
}

TEST_F(BackupVerify, TablesAndRowsAreRecordedInTheSnapshot) {
  BackupResult result = back_up(VerifyLevel::open);
  EXPECT_FALSE(result.verify_error);
  EXPECT_EQ(latest().verified, "open");
  EXPECT_EQ(latest().library_version, "v1.5.6");
  EXPECT_EQ(lines_of(latest()), kTables);
  EXPECT_TRUE(fs::is_empty(scratch()));
}

TEST_F(BackupVerify, AnUntouchedDatabaseIsOpenedIfItWasNot) {
  back_up(VerifyLevel::blocks);
  EXPECT_FALSE(latest().tables);
  test::let_time_pass_since_last_look(repository);
  BackupResult result = back_up(VerifyLevel::open);
  EXPECT_TRUE(result.untouched);
  EXPECT_EQ(latest().verified, "open");
  EXPECT_EQ(lines_of(latest()), kTables);
}

TEST_F(BackupVerify, WhatWasOnceProvenOfTheSameBytesStays) {
  back_up(VerifyLevel::full);
  EXPECT_FALSE(back_up(VerifyLevel::blocks).untouched);
  EXPECT_EQ(latest().verified, "full");
  EXPECT_EQ(lines_of(latest()), kTables);
  back_up(VerifyLevel::open);
  EXPECT_EQ(latest().verified, "full");
  run(source, "INSERT INTO s.u VALUES (2)");
  back_up(VerifyLevel::blocks);
  EXPECT_EQ(latest().verified, "blocks");
  EXPECT_FALSE(latest().tables);
}

TEST_F(BackupVerify, ItIsTheRepositoryThatIsProvenAndNotTheSource) {
  back_up(VerifyLevel::blocks);
  test::let_time_pass_since_last_look(repository);
  damage_packs();
  EXPECT_THAT(error_of(Errc::damaged, [&] { back_up(VerifyLevel::open); }),
              HasSubstr("no snapshot was made"));
  EXPECT_EQ(keys_of(*store, "snapshots/").size(), 1u);
  EXPECT_THAT(keys_of(*store, "sessions/"), IsEmpty());
  EXPECT_TRUE(fs::is_empty(scratch()));
}

TEST_F(BackupVerify, NoSnapshotIsThereUntilItWasOpenedInAFolderOfItsOwn) {
  BackupOptions watched = options_for(VerifyLevel::open);
  std::vector<fs::perms> folders;
  watched.step = [&](const std::string& what) {
    if (what != "opening it with DuckDB") return;
    EXPECT_THAT(keys_of(*store, "snapshots/"), IsEmpty());
    EXPECT_FALSE(keys_of(*store, "index/").empty());
    for (const fs::directory_entry& entry : fs::directory_iterator(scratch())) {
      folders.push_back(entry.status().permissions());
      EXPECT_TRUE(stat_path(entry.path() / "app.duckdb"));
    }
  };
  backup(repository, watched);
  EXPECT_THAT(folders, testing::ElementsAre(fs::perms::owner_all));
  EXPECT_EQ(keys_of(*store, "snapshots/").size(), 1u);
}

TEST_F(BackupVerify, WhatBeginsAnewForAPruneIsOpenedAnew) {
  BackupOptions watched = options_for(VerifyLevel::open);
  int opened = 0;
  watched.step = [&](const std::string& what) {
    if (what != "opening it with DuckDB" || ++opened > 1) return;
    for (const std::string& key : keys_of(*store, "packs/")) {
      put_mark(repository, key.substr(key.rfind('/') + 1));
    }
  };
  BackupResult result = backup(repository, watched);
  EXPECT_EQ(opened, 2);
  EXPECT_FALSE(result.verify_error);
  EXPECT_EQ(latest().verified, "open");
  EXPECT_EQ(keys_of(*store, "snapshots/").size(), 1u);
}

TEST_F(BackupVerify, AStopWhileItIsVerifiedLeavesNoSnapshot) {
  BackupOptions watched = options_for(VerifyLevel::open);
  std::stop_source stop;
  watched.stop = stop.get_token();
  watched.step = [&](const std::string& what) {
    if (what == "opening it with DuckDB") stop.request_stop();
  };
  EXPECT_THROW(backup(repository, watched), Interrupted);
  EXPECT_THAT(keys_of(*store, "snapshots/"), IsEmpty());
  EXPECT_THAT(keys_of(*store, "sessions/"), IsEmpty());
  EXPECT_TRUE(fs::is_empty(scratch()));
}

TEST_F(BackupVerify, WhatDuckDbRefusesIsKeptAndMarkedAndNotCalledVerified) {
  back_up(VerifyLevel::open);
  SnapshotName good = find_snapshot(repository, "latest").name;
  run(source, "INSERT INTO s.u VALUES (2)");
  break_catalog();
  BackupResult result = back_up(VerifyLevel::open);
  ASSERT_TRUE(result.verify_error);
  EXPECT_EQ(name_of(result.verify_error->code()), name_of(Errc::unverified));
  SnapshotDetails details = latest();
  EXPECT_TRUE(details.failed);
  EXPECT_EQ(details.failed->find(scratch().string()), std::string::npos) << *details.failed;
  EXPECT_FALSE(details.verified);
  EXPECT_FALSE(details.tables);
  EXPECT_FALSE(details.good());
  EXPECT_TRUE(fs::is_empty(scratch()));

  // The same bytes are no better for not being opened.
  BackupResult again = back_up(VerifyLevel::blocks);
  EXPECT_FALSE(again.verify_error);
  EXPECT_THAT(again.warnings, testing::ElementsAre(HasSubstr("failed")));
  EXPECT_TRUE(latest().failed);

  ForgetSnapshotsOptions forget;
  forget.policy.last = 1;
  forget_snapshots(repository, forget);
  EXPECT_EQ(keys_of(*store, good.key).size(), 1u) << "the last that opened stays";
}

TEST_F(BackupVerify, WithoutALibraryNothingIsStored) {
  BackupOptions wrong = options_for(VerifyLevel::open);
  wrong.library = folder() / "no.so";
  std::size_t before = keys_of(*store).size();
  error_of(Errc::unsupported, [&] { backup(repository, wrong); });
  EXPECT_EQ(keys_of(*store).size(), before);
}

TEST_F(BackupVerify, WithoutAScratchFolderNothingIsStored) {
  BackupOptions wrong = options_for(VerifyLevel::open);
  wrong.scratch = folder() / "none";
  std::size_t before = keys_of(*store).size();
  error_of(Errc::not_found, [&] { backup(repository, wrong); });
  EXPECT_EQ(keys_of(*store).size(), before);
}

TEST_F(BackupVerify, WhatAnOlderDuckDbCannotOpenIsNoDamage) {
  run(folder() / "other.duckdb", "ATTACH '" + (folder() / "new.duckdb").string() +
                                     "' AS n (STORAGE_VERSION 'v1.5.0'); CREATE TABLE n.t AS "
                                     "SELECT 1 AS i; DETACH n");
  BackupOptions old = options_for(VerifyLevel::open);
  old.source = (folder() / "new.duckdb").string();
  old.library = source_tree() / ".deps/libduckdb/1.2.2/libduckdb.so";
  if (!fs::exists(old.library)) GTEST_SKIP() << "there is no " << old.library;
  BackupResult result = backup(repository, old);
  EXPECT_FALSE(result.verify_error);
  EXPECT_THAT(result.warnings, testing::ElementsAre(HasSubstr("this DuckDB cannot open it")));
  EXPECT_EQ(latest().verified, "blocks");
  EXPECT_FALSE(latest().failed);
}

}  // namespace
}  // namespace duckback
