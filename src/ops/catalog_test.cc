#include "ops/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "test/support/copy_folder.h"

namespace duckback {
namespace {

using test::CopyFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = CatalogCopy::State;

TEST(Catalog, ShowsCopiesByDatabaseAndFromOldToNewWhateverTheirNames) {
  CopyFolder folder;
  folder.add("a.duckdb", "2026-11-03T00:00:00Z");
  folder.add("b.duckdb", "2026-11-01T00:00:00Z");
  folder.add("c.duckdb", "2026-11-02T00:00:00Z", {.database = "/data/aaa.duckdb"});
  std::vector<std::string> names;
  for (const CatalogCopy& copy : read_catalog(folder.path()).copies) {
    names.push_back(copy.path.filename());
    EXPECT_EQ(copy.problem, "");
    EXPECT_TRUE(copy.good());
  }
  EXPECT_THAT(names, ElementsAre("c.duckdb", "b.duckdb", "a.duckdb"));
}

TEST(Catalog, ADatabaseWithoutSidecarIsNotDuckbacks) {
  CopyFolder folder;
  folder.put("live.duckdb", test::TinyDatabase().build());
  folder.put("notes.txt", as_bytes("hello"));
  folder.put(".a.duckdb.duckback-abc123", test::TinyDatabase().build());
  Catalog catalog = read_catalog(folder.path());
  EXPECT_THAT(catalog.copies, IsEmpty());
  ASSERT_THAT(catalog.foreign, SizeIs(1));
  EXPECT_EQ(catalog.foreign[0].path.filename(), "live.duckdb");
}

TEST(Catalog, ADamagedSidecarIsReportedAndTheRestIsShown) {
  CopyFolder folder;
  folder.add("a.duckdb", "2026-11-03T00:00:00Z");
  folder.put("b.duckdb.duckback.json", as_bytes("{\"format\": 1, "));
  folder.put("c.duckdb.duckback.json", {});
  Catalog catalog = read_catalog(folder.path());
  EXPECT_THAT(catalog.copies, SizeIs(1));
  ASSERT_THAT(catalog.problems, SizeIs(2));
  EXPECT_THAT(catalog.problems[0].message, HasSubstr("b.duckdb.duckback.json"));
}

TEST(Catalog, TellsHowACopyDiffersFromItsSidecar) {
  CopyFolder folder;
  Catalog catalog;
  auto only = [&] {
    catalog = read_catalog(folder.path());
    EXPECT_THAT(catalog.copies, SizeIs(1));
    EXPECT_FALSE(catalog.copies[0].good());
    return catalog.copies[0];
  };
  fs::path path = folder.add("a.duckdb", "2026-11-03T00:00:00Z", {.with_wal = true});
  File::open_write(path).truncate(20'000);
  EXPECT_EQ(only().state, State::changed);
  EXPECT_THAT(only().problem, HasSubstr("it has 20000 bytes"));

  folder.add("a.duckdb", "2026-11-03T00:00:00Z", {.with_wal = true});
  remove_file(folder / "a.duckdb.wal");
  EXPECT_THAT(only().problem, HasSubstr("its WAL is gone"));

  folder.add("a.duckdb", "2026-11-03T00:00:00Z");
  folder.put("a.duckdb.wal", test::WalBuilder().bytes());
  EXPECT_THAT(only().problem, HasSubstr("a WAL lies beside"));

  remove_file(folder / "a.duckdb.wal");
  remove_file(path);
  EXPECT_EQ(only().state, State::missing);

  folder.add("a.duckdb", "2026-11-03T00:00:00Z");
  rename_file(path, folder / "b.duckdb");
  rename_file(sidecar_path(path), sidecar_path(folder / "b.duckdb"));
  EXPECT_EQ(only().state, State::changed);
  EXPECT_THAT(only().problem, HasSubstr("'a.duckdb'"));
}

TEST(Catalog, NeedsAFolder) {
  CopyFolder folder;
  EXPECT_THROW(read_catalog(folder / "missing"), Error);
  EXPECT_THROW(read_catalog(folder.put("file", {})), Error);
}

}  // namespace
}  // namespace duckback
