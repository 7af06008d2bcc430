#include "duckdb/logical_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/worker_test.h"

namespace duckback {
namespace {

using testing::ElementsAre;

class LogicalCopy : public WorkerTest {
 protected:
  explicit LogicalCopy(const std::string& version = "1.5.6") : WorkerTest(version) {}

  // The source, its copy; the copy was compared by the library, here again by its values.
  fs::path copy(const std::string& sql) {
    fs::path source = make("shop.duckdb", sql);
    fs::path target = folder() / "copy.duckdb";
    logical_copy({.source = source, .target = target}, options());
    EXPECT_EQ(scan(source), scan(target));
    return target;
  }
};

TEST_F(LogicalCopy, ForeignKeysInAnyOrderOfNames) {
  copy(
      "CREATE TABLE z_pk(i INTEGER PRIMARY KEY); CREATE TABLE a_fk(i INTEGER REFERENCES z_pk(i));"
      "CREATE TABLE b(i INTEGER PRIMARY KEY); CREATE TABLE c(i INTEGER REFERENCES b(i));"
      "CREATE SCHEMA s; CREATE TABLE s.p(i INTEGER, j INTEGER, UNIQUE (i, j)); CREATE TABLE s.a(i "
      "INTEGER, j INTEGER, FOREIGN KEY (i, j) REFERENCES s.p(i, j)); INSERT INTO s.p VALUES (1, "
      "2), "
      "(2, NULL); INSERT INTO s.a VALUES (1, 2), (9, NULL);"
      "INSERT INTO z_pk FROM range(5000); INSERT INTO a_fk FROM range(5000);"
      "INSERT INTO b VALUES (1); INSERT INTO c VALUES (1);");
}

TEST_F(LogicalCopy, TablesThatReferToThemselves) {
  fs::path target = copy(
      "CREATE TABLE tree(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree(id), n VARCHAR NOT "
      "NULL, CHECK (id <> parent));"
      "INSERT INTO tree VALUES (3, NULL, 'c'), (7, NULL, 'g');"
      "INSERT INTO tree VALUES (1, 3, 'a'); INSERT INTO tree VALUES (2, 1, 'b'), (9, 7, 'i');"
      "CREATE TABLE leaf(i INTEGER REFERENCES tree(id)); INSERT INTO leaf VALUES (2);");
  EXPECT_THROW(run(target, "INSERT INTO tree VALUES (20, 21, '')"), Error);
  EXPECT_THROW(run(target, "INSERT INTO leaf VALUES (21)"), Error);
}

TEST_F(LogicalCopy, ViewsOnViewsMacrosAndTheDatabasesOwnName) {
  fs::path target = copy(
      "CREATE TABLE t(i INTEGER); INSERT INTO t VALUES (1);"
      "CREATE MACRO plus(x, y := 1, z := 'it''s') AS x + y; CREATE MACRO twice(x) AS plus(plus(x));"
      "CREATE MACRO over(a) AS a, (a, b) AS a + b;"
      "CREATE SCHEMA s; CREATE MACRO s.rows(n) AS TABLE SELECT i + n AS i FROM shop.main.t;"
      "CREATE VIEW b AS SELECT i FROM shop.main.t; CREATE VIEW a(x) AS SELECT twice(i) FROM b;"
      "CREATE VIEW \"z z\" AS SELECT * FROM s.rows(5); USE shop.s; CREATE VIEW v AS SELECT * FROM "
      "t;"
      "CREATE TABLE shop.main.d(i INTEGER DEFAULT twice(3), g INTEGER GENERATED ALWAYS AS "
      "(plus(i)), s INTEGER); INSERT INTO shop.main.d(s) VALUES (1);");
  EXPECT_THAT(
      ask(target, "INSERT INTO d(s) VALUES (2)",
          "SELECT (SELECT x FROM a)::VARCHAR, (SELECT i FROM \"z z\")::VARCHAR, i::VARCHAR, "
          "g::VARCHAR, over(1)::VARCHAR, over(1, 2)::VARCHAR, (SELECT i FROM s.v)::VARCHAR FROM d",
          "shop"),
      ElementsAre("3|6|5|6|1|3|1", "3|6|5|6|1|3|1"));
}

TEST_F(LogicalCopy, SequencesContinueWhereTheyWere) {
  fs::path source =
      make("shop.duckdb",
           "CREATE SEQUENCE fresh START 7; CREATE SEQUENCE used START 5 INCREMENT 3;"
           "CREATE SEQUENCE down START -1 INCREMENT -2 MINVALUE -9 MAXVALUE -1;"
           "CREATE SEQUENCE round START 2 MINVALUE 1 MAXVALUE 3 CYCLE;"
           "CREATE SEQUENCE ended MAXVALUE 2; CREATE TABLE t(i INTEGER DEFAULT nextval('used'));"
           "INSERT INTO t VALUES (DEFAULT), (DEFAULT); SELECT nextval('down'), nextval('ended');"
           "SELECT nextval('ended'); SELECT nextval('round'); SELECT nextval('round');");
  fs::path target = folder() / "copy.duckdb";
  logical_copy({.source = source, .target = target}, options());
  const std::string query =
      "SELECT nextval('fresh')::VARCHAR, nextval('used')::VARCHAR, nextval('down')::VARCHAR, "
      "nextval('round')::VARCHAR";
  EXPECT_THAT(ask(target, "", query), ElementsAre("7|11|-3|1"));
  EXPECT_THAT(ask(source, "", query), ElementsAre("7|11|-3|1"));
  EXPECT_THROW(run(target, "SELECT nextval('ended')"), Error);
}

TEST_F(LogicalCopy, CommentsOnEverything) {
  fs::path target = copy(
      "CREATE TABLE t(i INTEGER PRIMARY KEY, \"c c\" INTEGER); CREATE VIEW v AS SELECT i FROM t;"
      "CREATE INDEX x ON t(\"c c\"); CREATE SEQUENCE q; CREATE TYPE e AS ENUM ('a''b', '\"');"
      "CREATE MACRO m(x) AS x; CREATE MACRO tm() AS TABLE SELECT 1;"
      "COMMENT ON TABLE t IS 'it''s'; COMMENT ON COLUMN t.\"c c\" IS 'col'; COMMENT ON VIEW v IS "
      "'v'; COMMENT ON COLUMN v.i IS 'vi'; COMMENT ON INDEX x IS 'x'; COMMENT ON SEQUENCE q IS 'q';"
      "COMMENT ON TYPE e IS 'e'; COMMENT ON MACRO m IS 'm'; COMMENT ON MACRO TABLE tm IS 'tm';");
  EXPECT_THAT(
      ask(target, "",
          "SELECT comment FROM duckdb_tables() UNION ALL SELECT comment FROM duckdb_columns() "
          "UNION ALL SELECT comment FROM duckdb_views() UNION ALL SELECT comment FROM "
          "duckdb_indexes() UNION ALL SELECT comment FROM duckdb_sequences() UNION ALL SELECT "
          "comment FROM duckdb_types() UNION ALL SELECT comment FROM duckdb_functions() "
          "EXCEPT SELECT NULL ORDER BY 1"),
      ElementsAre("col", "e", "it's", "m", "q", "tm", "v", "vi", "x"));
}

TEST_F(LogicalCopy, ValuesByteForByte) {
  fs::path target = copy(
      "CREATE TYPE st AS STRUCT(a INTEGER, \"b b\" ENUM('x', 'y''z'));"
      "CREATE TABLE t AS SELECT '' AS s, NULL::VARCHAR AS n, 'NULL' AS w, ''::BLOB AS b, "
      "'\\x00\\xFF'::BLOB AS bb, 'a' || chr(0) || 'b' AS z, 'nan'::DOUBLE AS d, '-inf'::FLOAT AS "
      "f, "
      "union_value(k := 1) AS u, [[1, NULL], [], NULL] AS l, {'a': 1, 'b b': 'y''z'}::st AS st, "
      "MAP {'k': [1]} AS m, (-170141183460469231731687303715884105728)::HUGEINT AS h, "
      "INTERVAL '1 month 2 days 3 us' AS i, '10110'::BIT AS bit, TIMETZ '12:00:00+05:30' AS tz, "
      "'a'::ENUM('a', 'b''c') AS e, [1, 2]::INTEGER[2] AS arr, 1.50::DECIMAL(30, 2) AS dec");
  EXPECT_THAT(ask(target, "", "SELECT hex(z), hex(bb), union_tag(u)::VARCHAR, s, n FROM t"),
              ElementsAre("610062|00FF|k||<null>"));
}

TEST_F(LogicalCopy, IndexesConstraintsAndQuotedNames) {
  fs::path target = copy(
      "CREATE SCHEMA \"a.b\"; CREATE TABLE \"a.b\".\"t\"\"(\" (\"x,\" INTEGER UNIQUE, \"select\" "
      "VARCHAR NOT NULL CHECK (\"select\" <> ')'), PRIMARY KEY (\"x,\", \"select\"));"
      "INSERT INTO \"a.b\".\"t\"\"(\" VALUES (1, 'a');"
      "CREATE UNIQUE INDEX \"i i\" ON \"a.b\".\"t\"\"(\"((\"x,\" + 1));"
      "CREATE VIEW \"a.b\".\"t\" AS SELECT \"x,\" FROM \"a.b\".\"t\"\"(\";");
  EXPECT_THROW(run(target, "INSERT INTO \"a.b\".\"t\"\"(\" VALUES (1, 'b')"), Error);
  EXPECT_THROW(run(target, "INSERT INTO \"a.b\".\"t\"\"(\" VALUES (2, ')')"), Error);
}

TEST_F(LogicalCopy, WhatCannotBeCarriedIsNamedAndNothingIsLeft) {
  fs::path source = make("a.duckdb",
                         "CREATE TABLE t(i INTEGER); CREATE VIEW stale AS SELECT * FROM t; DROP "
                         "TABLE t;");
  fs::path target = folder() / "copy.duckdb";
  expect_error([&] { logical_copy({.source = source, .target = target}, options()); },
               Errc::unverified, "view main.stale cannot be made again");
  EXPECT_FALSE(fs::exists(target));
  EXPECT_FALSE(fs::exists(target.string() + ".wal"));
}

TEST_F(LogicalCopy, AnExistingTargetIsNotTouched) {
  fs::path source = make("a.duckdb", "CREATE TABLE t(i INTEGER)");
  expect_error([&] { logical_copy({.source = source, .target = source}, options()); },
               Errc::refused, "exists");
  EXPECT_TRUE(fs::exists(source));
}

class LogicalCopyByVersion : public LogicalCopy, public testing::WithParamInterface<const char*> {
 protected:
  LogicalCopyByVersion() : LogicalCopy(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Libraries, LogicalCopyByVersion,
                         testing::Values("1.1.3", "1.2.2", "1.3.2", "1.4.5"));

TEST_P(LogicalCopyByVersion, ASchemaWithSomeOfEverything) {
  copy(
      "CREATE TABLE z(i INTEGER PRIMARY KEY, up INTEGER REFERENCES z(i));"
      "CREATE TABLE a(i INTEGER REFERENCES z(i), g INTEGER GENERATED ALWAYS AS (i + 1));"
      "INSERT INTO z VALUES (1, NULL); INSERT INTO z VALUES (2, 1); INSERT INTO a VALUES (2);"
      "CREATE SCHEMA s; CREATE TYPE s.e AS ENUM ('it''s'); CREATE TABLE s.t(e s.e);"
      "INSERT INTO s.t VALUES ('it''s'), (NULL); CREATE MACRO m(x, y := 2) AS x + y;"
      "CREATE VIEW b AS SELECT i FROM a; CREATE VIEW aa AS SELECT m(i) AS i FROM b;"
      "CREATE SEQUENCE q; SELECT nextval('q'); CREATE INDEX x ON a(i);"
      "COMMENT ON TABLE a IS 'it''s'; COMMENT ON COLUMN a.i IS 'i';");
}

}  // namespace
}  // namespace duckback
