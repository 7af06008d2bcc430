#include "duckdb/block_users.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "test/support/worker_test.h"

namespace duckback {
namespace {

using testing::Contains;
using testing::IsEmpty;

constexpr std::uint64_t kBlockBytes = 262144;

class BlockUsers : public WorkerTest {
 protected:
  std::vector<BlockUser> users(const fs::path& database,
                               const std::vector<std::uint64_t>& blocks) const {
    return find_block_users({.database = database, .block_bytes = kBlockBytes, .blocks = blocks},
                            options());
  }
  static std::vector<std::uint64_t> all_blocks(const fs::path& database) {
    std::vector<std::uint64_t> blocks(fs::file_size(database) / kBlockBytes);
    std::iota(blocks.begin(), blocks.end(), 0);
    return blocks;
  }
  static std::set<std::uint64_t> blocks_of(const std::vector<BlockUser>& users,
                                           const std::string& schema, const std::string& table) {
    std::set<std::uint64_t> blocks;
    for (const BlockUser& user : users) {
      if (user.schema == schema && user.table == table) blocks.insert(user.block);
    }
    return blocks;
  }
  // Nothing in a hole has a right checksum.
  static void lose_block(const fs::path& database, std::uint64_t block) {
    Bytes zeros(kBlockBytes);
    File::open_write(database).write_at(12288 + block * kBlockBytes, zeros);
  }
};

TEST_F(BlockUsers, TablesAreNamedThatDuckDbSaysUseABlock) {
  fs::path database =
      make("a.duckdb",
           "CREATE TABLE t AS SELECT hash(range) AS h FROM range(200000); CHECKPOINT;"
           "CREATE SCHEMA \"a b.c\"; CREATE TABLE \"a b.c\".\"it's\" AS SELECT repeat(range || "
           "'x', 20000) AS long FROM range(40); CHECKPOINT;");
  std::vector<BlockUser> found = users(database, all_blocks(database));
  std::set<std::uint64_t> expected;
  for (const std::string& row :
       ask(database, "",
           "SELECT DISTINCT block_id::VARCHAR FROM pragma_storage_info('t') WHERE block_id >= 0")) {
    expected.insert(std::stoull(row));
  }
  EXPECT_GT(expected.size(), 3u);
  EXPECT_EQ(blocks_of(found, "main", "t"), expected);
  std::set<std::uint64_t> others = blocks_of(found, "a b.c", "it's");
  EXPECT_GT(others.size(), 1u) << "blocks of long strings";
  for (std::uint64_t block : expected) EXPECT_FALSE(others.contains(block));
  EXPECT_THAT(users(database, {*expected.begin()}),
              testing::ElementsAre(BlockUser{*expected.begin(), "main", "t"}));
  EXPECT_THAT(users(database, {}), IsEmpty());
}

TEST_F(BlockUsers, ALostBlockIsStillKnownByItsTable) {
  fs::path database = make("a.duckdb",
                           "CREATE TABLE numbers AS SELECT hash(range) AS h FROM range(100000);"
                           "CHECKPOINT; CREATE TABLE texts AS SELECT 'text ' || range % 1000 AS s "
                           "FROM range(500000); CHECKPOINT");
  for (const char* table : {"numbers", "texts"}) {
    std::set<std::uint64_t> blocks =
        blocks_of(users(database, all_blocks(database)), "main", table);
    ASSERT_FALSE(blocks.empty());
    fs::path lossy = folder() / "lossy.duckdb";
    fs::copy_file(database, lossy, fs::copy_options::overwrite_existing);
    lose_block(lossy, *blocks.rbegin());
    EXPECT_THAT(users(lossy, {*blocks.rbegin()}),
                Contains(BlockUser{*blocks.rbegin(), "main", table}));
  }
}

TEST_F(BlockUsers, ATableIsNotTakenForOneWhoseNameHasMarksMore) {
  fs::path database =
      make("a.duckdb",
           "CREATE TABLE ab AS SELECT hash(range) AS h FROM range(100000); CHECKPOINT;"
           "CREATE TABLE \"a\"\"b\" AS SELECT hash(-range) AS h FROM range(100000); CHECKPOINT");
  EXPECT_THAT(blocks_of(users(database, all_blocks(database)), "main", "a\"b"), IsEmpty());
}

TEST_F(BlockUsers, WithoutItsCatalogADatabaseTellsNothing) {
  fs::path database = make("a.duckdb", "CREATE TABLE t AS SELECT range AS i FROM range(100000)");
  std::vector<std::string> metadata =
      ask(database, "", "SELECT block_id::VARCHAR FROM pragma_metadata_info()");
  ASSERT_FALSE(metadata.empty());
  for (const std::string& block : metadata) lose_block(database, std::stoull(block));
  expect_error([&] { users(database, {1}); }, Errc::unverified, "Corrupt database file");
}

TEST(UnreadableBlock, IsTheOneAtTheLocationThatDuckDbNames) {
  std::string message =
      "DuckDB v1.5.6: IO Error: Corrupt database file: computed checksum 5381 does not match "
      "stored checksum 0 in block at location ";
  EXPECT_EQ(find_unreadable_block(message + "274432", kBlockBytes), 1u);
  EXPECT_EQ(find_unreadable_block(message + "12288.", kBlockBytes), 0u);
  EXPECT_EQ(find_unreadable_block(message + "274433", kBlockBytes), std::nullopt);
  EXPECT_EQ(find_unreadable_block(message + "4096", kBlockBytes), std::nullopt);
  EXPECT_EQ(find_unreadable_block(message, kBlockBytes), std::nullopt);
  EXPECT_EQ(find_unreadable_block("Out of memory", kBlockBytes), std::nullopt);
}

}  // namespace
}  // namespace duckback
