#include "ops/diff_tables.h"

#include <gmock/gmock.h>

namespace duckback {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(DiffTables, EveryTableOfEitherIsThereOnceByItsName) {
  EXPECT_THAT(diff_tables({{"s", "gone", 7}, {"main", "t", 3}, {"main", "same", 1}},
                          {{"main", "same", 1}, {"main", "t", 5}, {"a", "new", 0}}),
              ElementsAre(TableDifference{"a", "new", std::nullopt, 0},
                          TableDifference{"main", "same", 1, 1}, TableDifference{"main", "t", 3, 5},
                          TableDifference{"s", "gone", 7, std::nullopt}));
  EXPECT_THAT(diff_tables({}, {}), IsEmpty());
}

TEST(DiffTables, TablesOfOneNameInTwoSchemasAreTwo) {
  EXPECT_THAT(diff_tables({{"a", "t", 1}}, {{"b", "t", 1}}),
              ElementsAre(TableDifference{"a", "t", 1, std::nullopt},
                          TableDifference{"b", "t", std::nullopt, 1}));
}

}  // namespace
}  // namespace duckback
