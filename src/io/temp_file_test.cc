#include "io/temp_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/error_of.h"

namespace duckback {
namespace {

class TempFiles : public testing::Test {
 protected:
  TempFiles() {
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~TempFiles() override { fs::remove_all(folder_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

TEST_F(TempFiles, AnAbandonedOneIsRemoved) {
  {
    TempFile file = TempFile::beside(folder_ / "a.duckdb");
    EXPECT_EQ(file.path().parent_path(), folder_);
    EXPECT_EQ(file.file().stat().mode & 0777, 0600u);
    TempFolder folder = TempFolder::beside(folder_ / "a.duckdb");
    File::create(folder.path() / "inside");
    EXPECT_EQ(stat_path(folder.path())->mode & 0777, 0700u);
    EXPECT_EQ(entries(), 2u);
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(TempFiles, ARenamedOneStays) {
  {
    TempFile file = TempFile::beside(folder_ / "a.duckdb");
    file.rename_to(folder_ / "a.duckdb");
  }
  EXPECT_TRUE(stat_path(folder_ / "a.duckdb"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(TempFiles, ANewNameNeverReplacesAFile) {
  File::create(folder_ / "a.duckdb").write_at(0, as_bytes("old"));
  {
    TempFile file = TempFile::beside(folder_ / "a.duckdb");
    EXPECT_FALSE(file.rename_to_new(folder_ / "a.duckdb"));
    EXPECT_TRUE(file.rename_to_new(folder_ / "b.duckdb"));
  }
  EXPECT_EQ(read_text(folder_ / "a.duckdb", 10), "old");
  EXPECT_TRUE(stat_path(folder_ / "b.duckdb"));
  EXPECT_EQ(entries(), 2u);
}

TEST_F(TempFiles, TheLongestNameHasRoom) {
  fs::path longest = folder_ / std::string(255, 'n');
  TempFile file = TempFile::beside(longest);
  file.rename_to(longest);
  EXPECT_TRUE(stat_path(longest));
}

TEST_F(TempFiles, ANameIsClaimedByOneAtATime) {
  fs::path name = folder_ / "a.duckdb";
  {
    Claim claim(name);
    Claim of_another_name(folder_ / "b.duckdb");
    test::error_of(Errc::conflict, [&] { Claim second(name); });
    EXPECT_EQ(remove_leftovers(name), 0u);
    EXPECT_EQ(entries(), 2u);
  }
  EXPECT_EQ(entries(), 0u);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Claim claim(name);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(entries(), 1u);
  { Claim after_the_killed_one(name); }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(TempFiles, LeftoversOfAKilledProcessAreRemovedAndThoseInUseAreNot) {
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    TempFile file = TempFile::beside(folder_ / "killed.duckdb");
    TempFolder folder = TempFolder::beside(folder_ / "killed.duckdb");
    File::create(folder.path() / "inside");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(entries(), 2u);

  File::create(folder_ / "user.duckback-notes");
  TempFile in_use = TempFile::beside(folder_ / "a.duckdb");
  EXPECT_EQ(remove_leftovers(folder_ / "a.duckdb", SystemTime() + std::chrono::hours(1)), 0u);
  EXPECT_EQ(remove_leftovers(folder_ / "a.duckdb"), 2u);
  EXPECT_EQ(entries(), 2u);
  EXPECT_TRUE(stat_path(in_use.path()));
}

}  // namespace
}  // namespace duckback
