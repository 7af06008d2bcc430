// check --tables: which tables lost blocks are of, with a real DuckDB.
#include <gmock/gmock.h>

#include <set>

#include "ops/backup.h"
#include "ops/check.h"
#include "repo/chunk_reader.h"
#include "test/support/error_of.h"
#include "test/support/test_repository.h"
#include "test/support/worker_test.h"

namespace duckback {
namespace {

using test::error_of;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using LostTable = DamagedSnapshot::Table;

class CheckTables : public WorkerTest {
 protected:
  void SetUp() override {
    WorkerTest::SetUp();
    if (IsSkipped()) return;
    source = make("app.duckdb",
                  "CREATE TABLE numbers AS SELECT hash(range) AS h FROM range(200000); CHECKPOINT;"
                  "CREATE SCHEMA s; CREATE TABLE s.texts AS SELECT 'text ' || range AS s FROM "
                  "range(300000); CHECKPOINT");
    fs::create_directory(folder() / "scratch");
  }

  Snapshot back_up() const {
    BackupOptions backup_options;
    backup_options.source = source.string();
    backup_options.threads = 2;
    return backup(repository, backup_options).snapshot;
  }

  std::uint64_t a_block_of(const std::string& table) const {
    return std::stoull(
        ask(source, "", "SELECT max(block_id)::VARCHAR FROM pragma_storage_info('" + table + "')")
            .at(0));
  }
  std::vector<std::uint64_t> metadata_blocks() const {
    std::vector<std::uint64_t> blocks;
    for (const std::string& row :
         ask(source, "", "SELECT block_id::VARCHAR FROM pragma_metadata_info()")) {
      blocks.push_back(std::stoull(row));
    }
    return blocks;
  }

  // Flips a byte of what is stored for a block, wherever it is.
  void lose_block(const Snapshot& snapshot, std::uint64_t block) const {
    Index index(repository.store(), repository.sealer());
    ChunkReader reader(repository.store(), repository.sealer(), repository.namer(), index);
    MapReader map(snapshot.file, [&](const ChunkId& id) { return reader.read(id); });
    lose_chunk(map.leaf(block / kMapFanOut)->find(block % kMapFanOut)->chunk);
  }
  void lose_chunk(const ChunkId& chunk) const {
    Index index(repository.store(), repository.sealer());
    for (const ChunkPlace& place : index.find_all(chunk)) {
      std::string key = "packs/" + place.pack->id.substr(0, 2) + "/" + place.pack->id;
      Bytes bytes = store->get(key);
      bytes[place.chunk.offset] ^= 1;
      store->remove(key);
      store->put(key, bytes);
    }
  }

  CheckReport check_all() const {
    CheckOptions check_options;
    check_options.data = CheckOptions::Data::all;
    check_options.tables =
        ScratchOptions{.scratch = folder() / "scratch", .library = options().library};
    return check(repository, check_options);
  }
  // All that is said of a snapshot.
  static std::vector<LostTable> tables_of(const CheckReport& report, const Snapshot& snapshot) {
    std::vector<LostTable> tables;
    for (const CheckFinding& finding : report.findings) {
      for (const DamagedSnapshot& one : finding.needed_by) {
        if (one.id != snapshot.id) continue;
        tables.insert(tables.end(), one.tables.begin(), one.tables.end());
      }
    }
    return tables;
  }

  fs::path source;
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  Repository repository = Repository::create(store, std::nullopt);
};

TEST_F(CheckTables, ALostBlockIsOfTheTableThatUsesIt) {
  Snapshot snapshot = back_up();
  lose_block(snapshot, a_block_of("numbers"));
  CheckReport report = check_all();
  EXPECT_THAT(tables_of(report, snapshot),
              ElementsAre(LostTable{"main", "numbers", snapshot.id, 1}));
  EXPECT_TRUE(fs::is_empty(folder() / "scratch"));
}

TEST_F(CheckTables, BlocksOfTwoTablesAreOfBoth) {
  Snapshot snapshot = back_up();
  lose_block(snapshot, a_block_of("numbers"));
  lose_block(snapshot, a_block_of("s.texts"));
  EXPECT_THAT(tables_of(check_all(), snapshot),
              testing::UnorderedElementsAre(LostTable{"main", "numbers", snapshot.id, 1},
                                            LostTable{"s", "texts", snapshot.id, 1}));
}

TEST_F(CheckTables, ASnapshotWithoutItsCatalogIsToldByAnotherWithTheSameBlock) {
  Snapshot older = back_up();
  run(source, "CREATE TABLE more AS SELECT 1 AS i; CHECKPOINT");
  Snapshot newer = back_up();
  std::uint64_t block = a_block_of("numbers");
  lose_block(newer, block);
  // Which it does not share with the older one.
  for (std::uint64_t lost : metadata_blocks()) lose_block(newer, lost);
  CheckReport report = check_all();
  EXPECT_THAT(tables_of(report, older), ElementsAre(LostTable{"main", "numbers", older.id, 1}));
  EXPECT_THAT(tables_of(report, newer), ElementsAre(LostTable{"main", "numbers", older.id, 1}));
  EXPECT_THAT(report.notes, Contains(HasSubstr("snapshot " + newer.id.substr(0, 8))));
}

TEST_F(CheckTables, WhereNoCatalogIsLeftNoTableIsNamed) {
  Snapshot snapshot = back_up();
  lose_block(snapshot, a_block_of("numbers"));
  for (std::uint64_t lost : metadata_blocks()) lose_block(snapshot, lost);
  CheckReport report = check_all();
  EXPECT_THAT(tables_of(report, snapshot), IsEmpty());
  EXPECT_THAT(report.notes, Contains(HasSubstr("is not known")));
  EXPECT_FALSE(report.findings.empty());
}

TEST_F(CheckTables, WithoutItsHeadersASnapshotIsNotOpened) {
  Snapshot snapshot = back_up();
  lose_chunk(snapshot.head);
  lose_block(snapshot, a_block_of("numbers"));
  CheckReport report = check_all();
  EXPECT_THAT(tables_of(report, snapshot), IsEmpty());
}

TEST_F(CheckTables, AWholeRepositoryNeedsNoScratchFolder) {
  back_up();
  fs::remove(folder() / "scratch");
  CheckReport report = check_all();
  EXPECT_TRUE(report.findings.empty());
  EXPECT_THAT(report.notes, IsEmpty());
}

TEST_F(CheckTables, WithoutALibraryItIsSaidBeforeAnythingIsRead) {
  CheckOptions check_options;
  check_options.tables = ScratchOptions{.scratch = "", .library = folder() / "no.so"};
  error_of(Errc::unsupported, [&] { check(repository, check_options); });
}

}  // namespace
}  // namespace duckback
