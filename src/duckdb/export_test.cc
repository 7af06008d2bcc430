#include "duckdb/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/worker_test.h"

namespace duckback {
namespace {

class Export : public WorkerTest, public testing::WithParamInterface<const char*> {
 protected:
  Export() : WorkerTest(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Libraries, Export, testing::Values("1.3.2", "1.5.6"));

TEST_P(Export, ComesBackByImportDatabase) {
  fs::path source = make(
      "shop.duckdb",
      "CREATE TABLE z(i INTEGER PRIMARY KEY, up INTEGER REFERENCES z(i));"
      "INSERT INTO z VALUES (9, NULL); INSERT INTO z VALUES (1, 9); INSERT INTO z VALUES (4, 1);"
      "CREATE TABLE a(i INTEGER REFERENCES z(i), g INTEGER GENERATED ALWAYS AS (i + 1));"
      "INSERT INTO a VALUES (4); CREATE SCHEMA \"s s\"; CREATE TYPE e AS ENUM ('it''s');"
      "CREATE TABLE \"s s\".\"t'\" AS SELECT 'it''s'::e AS e, '' AS s, NULL::VARCHAR AS n, "
      "(-170141183460469231731687303715884105728)::HUGEINT AS h, INTERVAL '1 month 3 us' AS i, "
      "'\\x00'::BLOB AS b, [[1], NULL] AS l, {'a': 'nan'::DOUBLE} AS st, '101'::BIT AS bit;"
      "CREATE MACRO m(x, y := 2) AS x + y; CREATE VIEW b AS SELECT i FROM a;"
      "CREATE VIEW aa AS SELECT m(i) AS i FROM b; CREATE SEQUENCE q; SELECT nextval('q');"
      "CREATE INDEX x ON a(i); COMMENT ON TABLE a IS 'it''s'; COMMENT ON INDEX x IS 'x';");
  fs::path folder = this->folder() / "it's [an] export*";
  OpenedDatabase exported = export_parquet({.source = source, .folder = folder}, options());
  EXPECT_EQ(exported.tables, scan(source));

  fs::path back = this->folder() / "back.duckdb";
  run(back, "IMPORT DATABASE " + quote_text(folder.string()));
  EXPECT_EQ(scan(back), scan(source));
  EXPECT_THAT(
      ask(back, "",
          "SELECT nextval('q')::VARCHAR, (SELECT i FROM aa)::VARCHAR, (SELECT comment FROM "
          "duckdb_tables() WHERE table_name = 'a'), (SELECT comment FROM duckdb_indexes())"),
      testing::ElementsAre("2|6|it's|x"));
}

TEST_P(Export, WhatParquetCannotCarryIsAnErrorAndNothingIsLeft) {
  fs::path source = make("a.duckdb", "CREATE TABLE t AS SELECT [(-1e38)::HUGEINT + 1] AS nested");
  expect_error(
      [&] { export_parquet({.source = source, .folder = folder() / "export"}, options()); },
      Errc::unsupported, "table main.t: Parquet does not carry its values as they are");
  EXPECT_FALSE(fs::exists(folder() / "export"));
}

}  // namespace
}  // namespace duckback
