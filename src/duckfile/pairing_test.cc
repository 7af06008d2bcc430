#include "duckfile/pairing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "test/support/duckfile_builder.h"

namespace duckback {
namespace {

using test::TinyDatabase;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Verdict = Pairing::Verdict;

const DatabaseId kId = {1, 2, 3, 200};
const TinyDatabase kModern{.version = 68, .serialization = 7, .iteration = 9, .identifier = kId};

Pairing judge(const TinyDatabase& database, const Bytes& wal) {
  Bytes file = database.build();
  MemorySource source("app.duckdb", file);
  MainHeader main = read_main_header(source);
  std::optional<Slots> slots = read_slots(source, main, nullptr);
  MemorySource wal_source("app.duckdb.wal", wal);
  WalScanner scanner(wal_source, main.encryption, nullptr);
  return judge_pairing(main, &slots->header(), scanner.scan());
}

TEST(Pairing, IdentifierAndIterationProveAPair) {
  EXPECT_EQ(judge(kModern, test::WalBuilder(kId, 9).commit().bytes()).verdict, Verdict::fits);
}

// Case 6.
TEST(Pairing, AWalOfAnotherIterationIsWrongInBothDirectionsAndBothAreNamed) {
  for (std::uint64_t other : {8, 10}) {
    Pairing pairing = judge(kModern, test::WalBuilder(kId, other).commit().bytes());
    EXPECT_EQ(pairing.verdict, Verdict::wrong);
    EXPECT_THAT(pairing.explanation, AllOf(HasSubstr(fmt::format("continues iteration {}", other)),
                                           HasSubstr("is at iteration 9")));
  }
}

// Case 7.
TEST(Pairing, AWalOfAnotherDatabaseIsWrong) {
  Pairing pairing = judge(kModern, test::WalBuilder(DatabaseId{7}, 9).commit().bytes());
  EXPECT_EQ(pairing.verdict, Verdict::wrong);
  EXPECT_THAT(pairing.explanation,
              AllOf(HasSubstr("another database"), HasSubstr("010203c8"), HasSubstr("0700")));
}

// Cases 4, 5 and 7: below 67 the files do not say.
TEST(Pairing, BelowStorageVersion67NothingCanBeProven) {
  EXPECT_EQ(judge(TinyDatabase(), test::WalBuilder().commit().bytes()).verdict,
            Verdict::unprovable);
}

TEST(Pairing, AWalThatTheDatabaseContainsAlreadyIsNotWrong) {
  Bytes wal = test::WalBuilder(kId, 8).commit().checkpoint(3, 0).bytes();
  TinyDatabase database = kModern;
  database.catalog_sub_block = 0;  // the pointer of the root is the block id
  EXPECT_EQ(judge(database, wal).verdict, Verdict::contained);
  database.iteration = 10;
  EXPECT_EQ(judge(database, wal).verdict, Verdict::wrong);
}

TEST(Pairing, AWalWithoutCommitsCannotHarm) {
  EXPECT_EQ(judge(kModern, test::WalBuilder(DatabaseId{7}, 3).bytes()).verdict, Verdict::nothing);
  EXPECT_EQ(judge(kModern, {}).verdict, Verdict::nothing);
}

}  // namespace
}  // namespace duckback
