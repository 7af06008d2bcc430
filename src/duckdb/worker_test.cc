#include "duckdb/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "io/file.h"
#include "test/support/worker_test.h"

namespace duckback {
namespace {

using testing::HasSubstr;

class Worker : public WorkerTest {};

TEST_F(Worker, TheLibraryAndItsVersionAreFound) {
  LibraryInfo found = find_library(options());
  EXPECT_EQ(found.version, "v1.5.6");
  EXPECT_TRUE(stat_path(found.path));
}

TEST_F(Worker, ALibraryThatIsNotThereIsNamed) {
  WorkerOptions wrong = options();
  wrong.library = folder() / "no.so";
  expect_error([&] { find_library(wrong); }, Errc::unsupported, "there is no DuckDB library at ");
}

TEST_F(Worker, AFileThatIsNoLibraryIsNamed) {
  WorkerOptions wrong = options();
  wrong.library = folder() / "text.so";
  std::ofstream(wrong.library) << "no library";
  expect_error([&] { find_library(wrong); }, Errc::unsupported,
               "text.so is no DuckDB library that can be used");
}

TEST_F(Worker, AnotherLibraryIsNotTakenForDuckDb) {
  WorkerOptions wrong = options();
  wrong.library = "/lib/x86_64-linux-gnu/libc.so.6";
  if (!stat_path(wrong.library)) GTEST_SKIP() << "no C library at " << wrong.library;
  expect_error([&] { find_library(wrong); }, Errc::unsupported, "it has no duckdb_library_version");
}

TEST_F(Worker, TablesOfAllSchemasAreCounted) {
  fs::path database = make("a.duckdb",
                           "CREATE SCHEMA \"o'dd \"\"s\"; CREATE TABLE \"o'dd \"\"s\".\"t.ä\" AS "
                           "SELECT range AS i FROM range(3000);"
                           "CREATE TABLE t(i INTEGER); CREATE VIEW v AS SELECT 1/0;");
  OpenedDatabase opened = open_database({.database = database}, options());
  EXPECT_EQ(opened.library_version, "v1.5.6");
  std::vector<TableCount> expected = {{"main", "t", 0, {}}, {"o'dd \"s", "t.ä", 3000, {}}};
  EXPECT_EQ(opened.tables, expected);
}

TEST_F(Worker, QuotesSpacesAndForeignLettersInPathsAreJustLetters) {
  fs::create_directory(folder() / "it's \"a\" dür");
  fs::path database = make("it's \"a\" dür/b'; --.duckdb", "CREATE TABLE t AS SELECT 1 AS i");
  EXPECT_EQ(open_database({.database = database, .full_scan = true}, options()).tables[0].rows, 1u);
}

TEST_F(Worker, APathThatIsNotUtf8IsRefused) {
  fs::path database = folder() / "\xff.duckdb";
  fs::copy_file(make("a.duckdb", "CREATE TABLE t(i INTEGER)"), database);
  expect_error([&] { open_database({.database = database}, options()); }, Errc::unsupported,
               "the name is not UTF-8");
}

TEST_F(Worker, NoDatabaseIsMadeWhereNoneIs) {
  fs::path none = folder() / "none.duckdb";
  expect_error([&] { open_database({.database = none}, options()); }, Errc::not_found,
               "there is no database");
  std::ofstream(folder() / "empty.duckdb").flush();
  expect_error([&] { open_database({.database = folder() / "empty.duckdb"}, options()); },
               Errc::unverified, "is empty");
  EXPECT_FALSE(stat_path(none));
}

TEST_F(Worker, AFileThatIsNoDatabaseIsAnError) {
  fs::path text = folder() / "text.duckdb";
  std::ofstream(text) << std::string(20000, 'x');
  expect_error([&] { open_database({.database = text}, options()); }, Errc::unverified, "opening");
}

TEST_F(Worker, ChecksumsTellAnEmptyStringFromNull) {
  fs::path one = make("1.duckdb", "CREATE TABLE t AS SELECT 1 AS i, '' AS s");
  fs::path other = make("2.duckdb", "CREATE TABLE t AS SELECT 1 AS i, NULL::VARCHAR AS s");
  EXPECT_NE(scan(one)[0].checksum, scan(other)[0].checksum);
}

TEST_F(Worker, ChecksumsAreBlindToTheOrderOfRowsAndTheirLayout) {
  const std::string rows = "SELECT i, 'x' || i AS s, [i, NULL] AS l FROM range(300000) r(i) ";
  fs::path one = make("1.duckdb", "CREATE TABLE t AS " + rows);
  fs::path other = make("2.duckdb", "CREATE TABLE t AS " + rows +
                                        "ORDER BY i DESC; DELETE FROM t WHERE i % 3 = 0;"
                                        "INSERT INTO t " +
                                        rows + "WHERE i % 3 = 0;");
  EXPECT_EQ(scan(one), scan(other));
  EXPECT_EQ(scan(one)[0].rows, 300000u);
}

TEST_F(Worker, ChecksumsSeeRowsThatChangeInPairs) {
  fs::path one = make("1.duckdb", "CREATE TABLE t AS SELECT 1 AS i UNION ALL SELECT 1");
  fs::path other = make("2.duckdb", "CREATE TABLE t AS SELECT 2 AS i UNION ALL SELECT 2");
  EXPECT_NE(scan(one)[0].checksum, scan(other)[0].checksum);
}

TEST_F(Worker, ColumnsNamedLikeTheirTableAndGeneratedOnesDoNotDisturbAScan) {
  fs::path one = make("1.duckdb",
                      "CREATE TABLE t(t INTEGER, \"a,(b\" INTEGER GENERATED ALWAYS AS (t + 1), "
                      "d VARCHAR DEFAULT 'GENERATED ALWAYS AS (1)'); INSERT INTO t(t) VALUES (1)");
  EXPECT_EQ(scan(one)[0].rows, 1u);
}

TEST_F(Worker, AFlippedBitInTheDataIsFoundByAFullScan) {
  fs::path database =
      make("a.duckdb", "CREATE TABLE t AS SELECT hash(range) AS i FROM range(1e6::BIGINT)");
  flip_bit(database, 3'000'000);
  EXPECT_EQ(open_database({.database = database, .read_only = true}, options()).tables[0].rows,
            1'000'000u);
  expect_error(
      [&] {
        open_database({.database = database, .read_only = true, .full_scan = true}, options());
      },
      Errc::unverified, "checksum");
}

TEST_F(Worker, AHangEndsAtTheTimeout) {
  fs::path database = make("a.duckdb", "CREATE TABLE t AS SELECT range AS i FROM range(100)");
  WorkerOptions impatient = options();
  impatient.timeout = std::chrono::milliseconds(1);
  expect_error([&] { open_database({.database = database}, impatient); }, Errc::unverified,
               "no answer within 1 ms");
}

TEST_F(Worker, AStopIsNoError) {
  fs::path database = make("a.duckdb", "CREATE TABLE t AS SELECT range AS i FROM range(100)");
  std::stop_source source;
  source.request_stop();
  WorkerOptions stopped = options();
  stopped.stop = source.get_token();
  EXPECT_THROW(open_database({.database = database}, stopped), Interrupted);
}

TEST_F(Worker, AKeyIsNeverInAnError) {
  fs::path database = make("a.duckdb", "CREATE TABLE t(i INTEGER)");
  try {
    open_database({.database = database, .key = "s3cr'et", .read_only = true}, options());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("s3cr")));
  }
}

TEST_F(Worker, NothingIsLeftBeside) {
  fs::path database = make("a.duckdb", "CREATE TABLE t AS SELECT range AS i FROM range(100)");
  open_database({.database = database, .full_scan = true}, options());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder()))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::ElementsAre("a.duckdb"));
}

class EachVersion : public WorkerTest, public testing::WithParamInterface<const char*> {
 protected:
  EachVersion() : WorkerTest(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Libraries, EachVersion,
                         testing::Values("1.1.3", "1.2.2", "1.3.2", "1.4.5", "1.5.6"));

TEST_P(EachVersion, OpensAndScansItsDatabases) {
  fs::path database =
      make("a.duckdb", "CREATE TABLE t AS SELECT range AS i, '' AS s FROM range(5)");
  OpenedDatabase opened = open_database({.database = database, .full_scan = true}, options());
  EXPECT_EQ(opened.library_version, std::string("v") + GetParam());
  EXPECT_EQ(opened.tables[0].rows, 5u);
  EXPECT_TRUE(opened.tables[0].checksum);
}

TEST_P(EachVersion, SettlingFoldsTheWalInAndKeepsEveryRow) {
  fs::path database = make("a.duckdb",
                           "CREATE TABLE t(i INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);"
                           "CHECKPOINT; PRAGMA disable_checkpoint_on_shutdown;"
                           "INSERT INTO t FROM range(2, 10); CREATE INDEX x ON t(i);");
  fs::path wal = database.string() + ".wal";
  ASSERT_TRUE(fs::exists(wal));
  SettledDatabase settled = settle_database(database, true, options());
  EXPECT_EQ(settled.replayed.tables, settled.settled.tables);
  EXPECT_EQ(settled.settled.tables[0].rows, 9u);
  EXPECT_FALSE(fs::exists(wal));
}

}  // namespace
}  // namespace duckback
