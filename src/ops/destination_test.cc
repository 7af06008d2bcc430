#include "ops/destination.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <thread>

#include "base/error.h"

namespace duckback {
namespace {

class Destinations : public testing::Test {
 protected:
  Destinations() {
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    folder_ = fs::canonical(::mkdtemp(name.data()));
    std::ofstream(source()) << "database";
  }
  ~Destinations() override { fs::remove_all(folder_); }

  fs::path source() const { return folder_ / "app.duckdb"; }
  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }
  Errc refusal(const std::string& destination) const {
    try {
      check_apart(source(), source(), destination);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << destination << " was not refused";
    return Errc::io;
  }
  fs::path folder_;
};

TEST_F(Destinations, AFileNameIsTakenAsItIs) {
  Destination destination(in_folder("copy.duckdb"), {});
  EXPECT_EQ(destination.path(), folder_ / "copy.duckdb");
  EXPECT_FALSE(destination.chosen());
}

TEST_F(Destinations, AFolderGetsATimeStampedName) {
  for (const std::string& given : {in_folder(""), folder_.string(), in_folder("new/er/")}) {
    Destination destination(given, {});
    EXPECT_TRUE(destination.chosen());
    EXPECT_THAT(destination.path().filename().string(),
                testing::MatchesRegex("backup-[0-9]{8}-[0-9]{6}\\.duckdb"));
    EXPECT_TRUE(stat_path(given));
  }
}

TEST_F(Destinations, AFolderThatWasMadeForNothingGoesAgain) {
  fs::create_directory(folder_ / "mine");
  { Destination unused(in_folder("mine/new/er/"), {}); }
  EXPECT_FALSE(stat_path(folder_ / "mine/new"));
  EXPECT_TRUE(stat_path(folder_ / "mine"));
  { Destination unused(in_folder("mine/"), {}); }
  EXPECT_TRUE(stat_path(folder_ / "mine")) << "it was there before";
  {
    Destination used(in_folder("mine/new/er/"), {});
    std::ofstream(used.path()) << "copy";
  }
  EXPECT_TRUE(stat_path(folder_ / "mine/new/er"));
}

TEST_F(Destinations, AFileIsNoFolder) {
  for (const char* name : {"app.duckdb/", "app.duckdb/x", "app.duckdb/x/y/"}) {
    try {
      Destination(in_folder(name), {});
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::refused);
      EXPECT_THAT(error.what(), testing::HasSubstr("app.duckdb is a file, not a folder"));
    }
  }
}

TEST_F(Destinations, TheStampGoesBeforeTheExtension) {
  Destination destination(in_folder("app.v1.duckdb"), {.timestamp = true});
  EXPECT_THAT(destination.path().filename().string(),
              testing::MatchesRegex("app\\.v1-[0-9]{8}-[0-9]{6}\\.duckdb"));
}

TEST_F(Destinations, TwoCopiesOfOneSecondHaveDifferentNames) {
  SystemTime now = std::chrono::system_clock::now();
  Destination first(in_folder(""), {.now = now});
  std::ofstream(first.path()) << "copy";
  Destination second(in_folder(""), {.now = now});
  EXPECT_NE(first.path(), second.path());
  EXPECT_THAT(second.path().filename().string(), testing::EndsWith("-2.duckdb"));
  second.advance();
  EXPECT_THAT(second.path().filename().string(), testing::EndsWith("-3.duckdb"));
}

TEST_F(Destinations, ALinkIsFollowed) {
  std::ofstream(folder_ / "real.duckdb") << "old";
  fs::create_symlink("real.duckdb", folder_ / "link.duckdb");
  EXPECT_EQ(Destination(in_folder("link.duckdb"), {}).path(), folder_ / "real.duckdb");
}

TEST_F(Destinations, AWalMayComeAndGoMeanwhile) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) {
      std::ofstream(source().string() + ".wal") << "wal";
      fs::remove(source().string() + ".wal");
    }
  });
  for (int round = 0; round < 2000; ++round) {
    EXPECT_NO_THROW(check_apart(source(), source(), folder_ / "copy.duckdb"));
  }
  stop = true;
  writer.join();
}

TEST_F(Destinations, AMissingFolderIsNamed) {
  try {
    Destination(in_folder("missing/copy.duckdb"), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr(in_folder("missing")));
  }
}

TEST_F(Destinations, ADatabaseWithoutARecordThatCanBeReadIsNotReplaced) {
  fs::path other = folder_ / "other.duckdb";
  std::ofstream(other) << std::string(8, 'x') << "DUCK" << std::string(100, '\0');
  EXPECT_THROW(check_replaceable(other), Error);
  std::ofstream(other.string() + ".duckback.json") << "{}";
  EXPECT_THROW(check_replaceable(other), Error);
}

TEST_F(Destinations, ADeviceIsRefused) { EXPECT_THROW(Destination("/dev/null", {}), Error); }

TEST_F(Destinations, TheDatabaseAndLinksToItAreRefused) {
  EXPECT_EQ(refusal(source()), Errc::refused);
  fs::create_hard_link(source(), folder_ / "hard.duckdb");
  EXPECT_EQ(refusal(in_folder("hard.duckdb")), Errc::refused);
  fs::create_symlink(source(), folder_ / "soft.duckdb");
  EXPECT_EQ(refusal(in_folder("soft.duckdb")), Errc::refused);
  EXPECT_EQ(refusal(in_folder("./../" + folder_.filename().string() + "/app.duckdb")),
            Errc::refused);
}

TEST_F(Destinations, TheWalNamesOfTheDatabaseAreRefused) {
  EXPECT_EQ(refusal(source().string() + ".wal"), Errc::refused);
  EXPECT_EQ(refusal(source().string() + ".wal.checkpoint"), Errc::refused);
  EXPECT_EQ(refusal(source().string() + ".wal.recovery"), Errc::refused);
}

TEST_F(Destinations, ACopyWhoseWalNameIsTheDatabaseIsRefused) {
  fs::rename(source(), folder_ / "x.wal");
  EXPECT_THROW(check_apart(folder_ / "x.wal", folder_ / "x.wal", folder_ / "x"), Error);
}

TEST_F(Destinations, AnotherFileIsNotRefused) {
  std::ofstream(folder_ / "other.duckdb") << "old";
  check_apart(source(), source(), folder_ / "other.duckdb");
  check_apart(source(), source(), folder_ / "none.duckdb");
}

}  // namespace
}  // namespace duckback
