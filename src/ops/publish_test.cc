#include "ops/publish.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "ops/sidecar.h"

namespace duckback {
namespace {

class Publishing : public testing::Test {
 protected:
  Publishing() {
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    destination_ = folder_ / "copy.duckdb";
  }
  ~Publishing() override { fs::remove_all(folder_); }

  StagedFile stage(const std::string& text) const {
    TempFile temp = TempFile::beside(destination_);
    temp.file().write_at(0, as_bytes(text));
    return stage_file(std::move(temp));
  }
  FileSink::Staged staged(const std::string& text) const {
    return {.database = stage(text), .wal = std::nullopt};
  }
  FileSink::Staged staged(const std::string& text, const std::string& wal) const {
    return {.database = stage(text), .wal = stage(wal)};
  }
  void put(const std::string& suffix, const std::string& text) const {
    std::ofstream(destination_.string() + suffix) << text;
  }
  std::string get(const std::string& suffix) const {
    fs::path path = destination_.string() + suffix;
    return stat_path(path) ? read_text(path, 1 << 20) : "(none)";
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
  fs::path destination_;
};

const std::string kOld(8000, 'o');
const std::string kNew(9000, 'n');
const std::string kStopped = "it was stopped";

TEST_F(Publishing, ASingleFileReplacesASingleFile) {
  put("", kOld);
  put(".duckback.json", "{}");
  FileSink::Staged copy = staged(kNew);
  EXPECT_TRUE(publish(copy, destination_, true, kStopped));
  EXPECT_EQ(get(""), kNew);
  EXPECT_EQ(entries(), 1u) << "the sidecar of the old copy is gone";
}

TEST_F(Publishing, ACopyWithoutWalTakesTheOldWalAway) {
  put("", kOld);
  for (const char* suffix : {".wal", ".wal.checkpoint", ".wal.recovery"}) put(suffix, "old");
  FileSink::Staged copy = staged(kNew);
  EXPECT_TRUE(publish(copy, destination_, true, kStopped));
  EXPECT_EQ(get(""), kNew);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Publishing, APairReplacesAPair) {
  put("", kOld);
  put(".wal", "old");
  FileSink::Staged copy = staged(kNew, "new");
  EXPECT_TRUE(publish(copy, destination_, true, kStopped));
  EXPECT_EQ(get(""), kNew);
  EXPECT_EQ(get(".wal"), "new");
  EXPECT_EQ(entries(), 2u);
}

TEST_F(Publishing, WhatFailsHalfWayLeavesTheOldPair) {
  put("", kOld);
  put(".wal", "old wal");
  put(".duckback.json", "{}");
  FileSink::Staged copy = staged(kNew, "new wal");
  // The new WAL cannot get its name: somebody took its file away.
  remove_file(copy.wal->temp.path());
  EXPECT_THROW((void)publish(copy, destination_, true, kStopped), Error);
  EXPECT_EQ(get(""), kOld);
  EXPECT_EQ(get(".wal"), "old wal");
  EXPECT_EQ(get(".duckback.json"), "{}");
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Publishing, WithoutReplaceAnExistingCopyStaysAsItIs) {
  put("", kOld);
  put(".wal", "old");
  put(".duckback.json", "{}");
  {
    FileSink::Staged copy = staged(kNew, "new");
    EXPECT_FALSE(publish(copy, destination_, false, kStopped));
    EXPECT_EQ(get(""), kOld);
    EXPECT_EQ(get(".wal"), "old");
    EXPECT_EQ(get(".duckback.json"), "{}");

    EXPECT_TRUE(publish(copy, folder_ / "other.duckdb", false, kStopped));
  }
  EXPECT_EQ(read_text(folder_ / "other.duckdb", 1 << 20), kNew);
  EXPECT_EQ(read_text(folder_ / "other.duckdb.wal", 1 << 20), "new");
}

}  // namespace
}  // namespace duckback
