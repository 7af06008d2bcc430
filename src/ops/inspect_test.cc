#include "ops/inspect.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "test/support/duckfile_builder.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::TinyDatabase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string error_of(const fs::path& path) {
  try {
    inspect(path, std::nullopt);
  } catch (const Error& error) {
    return std::string(name_of(error.code())) + ": " + error.what();
  }
  return "";
}

TEST(Inspect, ShowsWhatTheHeadersAndTheFreeListSay) {
  test::TestFolder folder;
  fs::path path = folder.put("app.duckdb", TinyDatabase{.version = 65, .serialization = 4}.build());
  Inspection report = inspect(path, std::nullopt);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.active, 1);
  EXPECT_EQ(report.header()->iteration, 5u);
  EXPECT_EQ(report.storage->number, 65u);
  EXPECT_EQ(report.storage->needs, "DuckDB 1.2");
  EXPECT_EQ(report.blocks->total, 8u);
  EXPECT_EQ(report.blocks->used, 6u);
  EXPECT_EQ(report.blocks->free, 2u);
  EXPECT_EQ(report.blocks->metadata, 1u);
  EXPECT_FALSE(report.wal);
  EXPECT_FALSE(report.writer);
  EXPECT_FALSE(report.moved);
}

TEST(Inspect, ShowsTheWalAndWhetherItBelongs) {
  test::TestFolder folder;
  DatabaseId id = {1};
  fs::path path = folder.put(
      "app.duckdb", TinyDatabase{.version = 68, .serialization = 7, .identifier = id}.build());
  Bytes wal = test::WalBuilder(id, 4).commit().commit().bytes();
  folder.put("app.duckdb.wal", wal);
  Inspection report = inspect(path, std::nullopt);
  EXPECT_EQ(report.wal->content.commits, 2u);
  EXPECT_EQ(report.wal->content.header->iteration, 4u);
  EXPECT_EQ(report.pairing->verdict, Pairing::Verdict::wrong);
}

TEST(Inspect, ADamagedDatabaseIsShownAsFarAsItCanBeRead) {
  test::TestFolder folder;
  Bytes file = TinyDatabase().build();
  file[2 * kSlotBytes + 100] ^= 1;  // the younger slot
  file[block_offset(3, TinyDatabase::kBlockBytes) + 100] ^= 1;
  Inspection report = inspect(folder.put("app.duckdb", file), std::nullopt);
  EXPECT_EQ(report.active, 0);
  EXPECT_EQ(report.header()->iteration, 4u);
  EXPECT_FALSE(report.blocks);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("database header 2 (offset 8192)"),
                                           HasSubstr("checksum of block 3")));
}

TEST(Inspect, ATruncatedDatabaseIsShownAsFarAsItGoes) {
  test::TestFolder folder;
  Bytes file = TinyDatabase().build();
  file.resize(5000);
  Inspection report = inspect(folder.put("app.duckdb", file), std::nullopt);
  EXPECT_EQ(report.main->library_version, "v1.5.6");
  EXPECT_EQ(report.header(), nullptr);
  EXPECT_EQ(report.problems.size(), 2u);
}

TEST(Inspect, TellsWhoHoldsTheLock) {
  test::TestFolder folder;
  fs::path path = folder.put("app.duckdb", TinyDatabase().build());
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::close(done[1]);
    int descriptor = ::open(path.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    char byte = ::fcntl(descriptor, F_SETLK, &lock) == 0 ? '+' : '-';
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 0) ::_exit(1);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, '+');
  Inspection report = inspect(path, std::nullopt);
  for (int end : {ready[0], ready[1], done[0], done[1]}) ::close(end);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(report.writer);
  EXPECT_EQ(report.writer->pid, child);
  EXPECT_FALSE(inspect(path, std::nullopt).writer);
}

TEST(Inspect, SaysWhatAFileIsThatIsNoDatabase) {
  test::TestFolder folder;
  EXPECT_THAT(error_of(folder.put("empty", {})), HasSubstr("refused"));
  EXPECT_THAT(error_of(folder.put("empty", {})), HasSubstr("it is empty"));
  EXPECT_THAT(error_of(folder.put("text", as_bytes("hello, this is some text"))),
              HasSubstr("looks like text"));
  EXPECT_THAT(error_of(folder.put("sqlite", as_bytes("SQLite format 3 and more"))),
              HasSubstr("SQLite"));
  EXPECT_THAT(error_of(folder.path()), HasSubstr("is a folder"));
  EXPECT_THAT(error_of(folder / "missing"), HasSubstr("not_found"));
}

// Case 8.
TEST(Inspect, AWalWithoutItsDatabaseIsWarnedAbout) {
  test::TestFolder folder;
  folder.put("app.duckdb.wal", test::WalBuilder().bytes());
  EXPECT_THAT(error_of(folder / "app.duckdb"), HasSubstr("do not open"));
}

// Case 29.
TEST(Inspect, AStorageVersionFromTheFutureIsShown) {
  test::TestFolder folder;
  Inspection report =
      inspect(folder.put("app.duckdb", TinyDatabase{.version = 999, .serialization = 70}.build()),
              std::nullopt);
  EXPECT_EQ(report.storage->number, 70u);
  EXPECT_FALSE(report.storage->known);
  EXPECT_EQ(report.storage->needs, "a DuckDB newer than 2.0");
}

}  // namespace
}  // namespace duckback
