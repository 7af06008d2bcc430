#include "ops/sidecar.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"

namespace duckback {
namespace {

class Sidecars : public testing::Test {
 protected:
  Sidecars() {
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    copy_ = fs::path(::mkdtemp(name.data())) / "a copy.duckdb";
  }
  ~Sidecars() override { fs::remove_all(copy_.parent_path()); }
  fs::path copy_;
};

Sidecar full_sidecar() {
  Sidecar sidecar;
  sidecar.host = "host";
  sidecar.database = "/data/ü \"app\".duckdb";
  sidecar.name = "app";
  sidecar.time = parse_utc("2026-11-22T10:00:00Z");
  sidecar.file = "a copy.duckdb";
  sidecar.bytes = 1'234'567'890'123;
  sidecar.blake3 = std::string(64, 'a');
  sidecar.wal = Sidecar::Wal{"a copy.duckdb.wal", 77, std::string(64, 'b')};
  sidecar.method = "cp";
  sidecar.certification = "certified";
  sidecar.storage_version = 65;
  sidecar.needs = "DuckDB 1.2";
  sidecar.encrypted = true;
  sidecar.source_bytes = 5;
  sidecar.source_wal_bytes = 6;
  sidecar.blocks = 7;
  sidecar.free_blocks = 8;
  sidecar.settled = true;
  sidecar.library_version = "v1.5.6";
  sidecar.tables = std::vector<Sidecar::Table>{{"main", "t", 9}};
  sidecar.damaged_blocks = 10;
  sidecar.verified = Sidecar::Verified{parse_utc("2026-11-22T10:00:01Z"), "full"};
  sidecar.failed = Sidecar::Failed{parse_utc("2026-11-22T10:00:02Z"), "block 7"};
  return sidecar;
}

TEST_F(Sidecars, SayAfterwardsWhatWasSaved) {
  Sidecar saved = full_sidecar();
  save_sidecar(copy_, saved);
  Sidecar loaded = load_sidecar(copy_);
  EXPECT_EQ(loaded.host, saved.host);
  EXPECT_EQ(loaded.database, saved.database);
  EXPECT_EQ(loaded.name, saved.name);
  EXPECT_EQ(loaded.time, saved.time);
  EXPECT_EQ(loaded.file, saved.file);
  EXPECT_EQ(loaded.bytes, saved.bytes);
  EXPECT_EQ(loaded.blake3, saved.blake3);
  ASSERT_TRUE(loaded.wal);
  EXPECT_EQ(loaded.wal->file, saved.wal->file);
  EXPECT_EQ(loaded.wal->bytes, saved.wal->bytes);
  EXPECT_EQ(loaded.wal->blake3, saved.wal->blake3);
  EXPECT_EQ(loaded.method, saved.method);
  EXPECT_EQ(loaded.certification, saved.certification);
  EXPECT_EQ(loaded.storage_version, saved.storage_version);
  EXPECT_EQ(loaded.needs, saved.needs);
  EXPECT_TRUE(loaded.encrypted);
  EXPECT_EQ(loaded.source_bytes, saved.source_bytes);
  EXPECT_EQ(loaded.source_wal_bytes, saved.source_wal_bytes);
  EXPECT_EQ(loaded.blocks, saved.blocks);
  EXPECT_EQ(loaded.free_blocks, saved.free_blocks);
  EXPECT_TRUE(loaded.settled);
  EXPECT_EQ(loaded.library_version, saved.library_version);
  ASSERT_TRUE(loaded.tables);
  ASSERT_EQ(loaded.tables->size(), 1u);
  EXPECT_EQ(loaded.tables->front().schema, "main");
  EXPECT_EQ(loaded.tables->front().table, "t");
  EXPECT_EQ(loaded.tables->front().rows, 9u);
  EXPECT_EQ(loaded.damaged_blocks, saved.damaged_blocks);
  ASSERT_TRUE(loaded.failed);
  EXPECT_EQ(loaded.failed->time, saved.failed->time);
  EXPECT_EQ(loaded.failed->finding, "block 7");
  ASSERT_TRUE(loaded.verified);
  EXPECT_EQ(loaded.verified->time, saved.verified->time);
  EXPECT_EQ(loaded.verified->level, "full");
}

TEST_F(Sidecars, WhatIsUnknownStaysUnknown) {
  Sidecar saved;
  saved.time = parse_utc("2026-11-22T10:00:00Z");
  save_sidecar(copy_, saved);
  Sidecar loaded = load_sidecar(copy_);
  EXPECT_FALSE(loaded.name);
  EXPECT_FALSE(loaded.wal);
  EXPECT_FALSE(loaded.library_version);
  EXPECT_FALSE(loaded.tables);
  EXPECT_FALSE(loaded.verified);
}

TEST_F(Sidecars, OnlyTheOwnerMayReadOne) {
  save_sidecar(copy_, full_sidecar());
  EXPECT_EQ(stat_path(sidecar_path(copy_))->mode & 0777, 0600u);
}

TEST_F(Sidecars, APathThatIsNotUtf8CanBeSaved) {
  Sidecar saved = full_sidecar();
  saved.database = "/data/\xff.duckdb";
  save_sidecar(copy_, saved);
  EXPECT_EQ(load_sidecar(copy_).database, "/data/\xef\xbf\xbd.duckdb");
}

TEST_F(Sidecars, TheNameOrElseThePathTellsCopiesApart) {
  Sidecar one = full_sidecar();
  Sidecar other = full_sidecar();
  other.database = "/moved/app.duckdb";
  EXPECT_EQ(one.identity(), other.identity());
  one.name.reset();
  other.name.reset();
  EXPECT_NE(one.identity(), other.identity());
}

TEST_F(Sidecars, ADamagedOneIsAnErrorThatNamesTheFile) {
  for (const char* text : {"", "{", "[]", "{\"format\": 1}", "{\"format\": \"x\"}"}) {
    std::ofstream(sidecar_path(copy_)) << text;
    try {
      load_sidecar(copy_);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt) << text;
      EXPECT_THAT(error.what(), testing::HasSubstr("a copy.duckdb.duckback.json")) << text;
    }
  }
}

}  // namespace
}  // namespace duckback
