#include "duckdb/ddl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace duckback {
namespace {

using testing::ElementsAre;

TEST(Ddl, GeneratedColumnsAreFoundAmongDefaultsThatLookLikeThem) {
  EXPECT_THAT(find_generated_columns(
                  "CREATE TABLE \"s(\".t(a INTEGER, \"g\"\"(,\" STRUCT(x INTEGER, y VARCHAR) "
                  "GENERATED ALWAYS AS((a * f(2, 3))), b VARCHAR DEFAULT('c GENERATED ALWAYS "
                  "AS(1)'), d INTEGER GENERATED ALWAYS AS(1), CHECK((a > 0)));"),
              ElementsAre("g\"(,", "d"));
  EXPECT_THAT(find_generated_columns("CREATE TABLE t(a INTEGER);"), ElementsAre());
}

TEST(Ddl, NamesOfObjectsAreReplaced) {
  EXPECT_EQ(with_name("CREATE TABLE t(a INTEGER);", "\"c\".\"s\".\"t\""),
            "CREATE TABLE \"c\".\"s\".\"t\"(a INTEGER);");
  EXPECT_EQ(with_name("CREATE VIEW \"a.b\".\"v\"\" \" (x) AS SELECT 1;", "p"),
            "CREATE VIEW p (x) AS SELECT 1;");
  EXPECT_EQ(with_name("CREATE MACRO s.m (x) AS (x)", "p"), "CREATE MACRO p (x) AS (x)");
  EXPECT_EQ(with_index_table("CREATE UNIQUE INDEX \"ON\" ON s.t((\"ON\" + 1));", "p"),
            "CREATE UNIQUE INDEX \"ON\" ON p((\"ON\" + 1));");
}

TEST(Ddl, EmptyConstraintsAreReplacedByTheOnesMeant) {
  EXPECT_EQ(with_constraints("CREATE TABLE p(i INTEGER PRIMARY KEY, self INTEGER, , "
                             "CHECK((i > f(1, 2))), );",
                             {"FOREIGN KEY (self) REFERENCES p(i)"}),
            "CREATE TABLE p(i INTEGER PRIMARY KEY, self INTEGER, FOREIGN KEY (self) REFERENCES "
            "p(i), CHECK((i > f(1, 2))))");
}

TEST(Ddl, AScriptIsSplitAtTheSemicolonsThatEndStatements) {
  EXPECT_THAT(split_statements("CREATE MACRO m (x) AS ((x || ';'));;\n\nSELECT \";\"; "),
              ElementsAre("CREATE MACRO m (x) AS ((x || ';'))", "SELECT \";\""));
  EXPECT_THAT(split_statements("a; b"), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace duckback
