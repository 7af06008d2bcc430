#include "ops/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "test/support/copy_folder.h"
#include "test/support/worker_test.h"

namespace duckback {
namespace {

using test::CopyFolder;
using test::TinyDatabase;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kTime = "2026-11-01T00:00:00Z";

std::vector<std::string> findings_of(const VerifyReport& report) {
  EXPECT_EQ(report.findings.size(), report.finding_count);
  std::vector<std::string> texts;
  for (const VerifyFinding& finding : report.findings) texts.push_back(finding.text);
  return texts;
}

Errc code_of(const fs::path& path) {
  try {
    verify(path, {});
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return Errc::io;
}

TEST(Verify, AWholeCopyIsGoodAndItsSidecarSaysWhen) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime, {.with_wal = true});
  VerifyReport report = verify(path, {});
  EXPECT_THAT(findings_of(report), IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.blocks->used_blocks, 6u);
  EXPECT_EQ(report.wal_commits, 1u);
  Sidecar sidecar = load_sidecar(path);
  ASSERT_TRUE(sidecar.verified);
  EXPECT_EQ(sidecar.verified->level, "blocks");
}

// Case 14.
TEST(Verify, EveryFlippedBlockIsNamedWithItsOffset) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime);
  folder.flip("1.duckdb", block_offset(1, TinyDatabase::kBlockBytes) + 9);
  folder.flip("1.duckdb", block_offset(5, TinyDatabase::kBlockBytes) + 9);
  VerifyReport report = verify(path, {});
  EXPECT_THAT(findings_of(report),
              ElementsAre("block 1 at offset 28672: its checksum is wrong",
                          "block 5 at offset 94208: its checksum is wrong", HasSubstr("BLAKE3")));
  EXPECT_EQ(report.findings[0].block, 1u);
  EXPECT_EQ(report.findings[0].offset, 28672u);
  Sidecar sidecar = load_sidecar(path);
  EXPECT_FALSE(sidecar.verified);
  ASSERT_TRUE(sidecar.failed);
  EXPECT_THAT(sidecar.failed->finding, HasSubstr("block 1"));
}

TEST(Verify, AFailureIsForgottenWhenTheCopyIsGoodAgain) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime);
  folder.flip("1.duckdb", 30'000);
  EXPECT_FALSE(verify(path, {}).good());
  folder.flip("1.duckdb", 30'000);
  EXPECT_TRUE(verify(path, {}).good());
  EXPECT_FALSE(load_sidecar(path).failed);
}

TEST(Verify, OneChangedByteAnywhereInACopyIsFound) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime, {.with_wal = true});
  std::uint64_t bytes = stat_path(path)->bytes;
  for (std::uint64_t offset = 0; offset < bytes; offset += 1009) {
    folder.flip("1.duckdb", offset);
    EXPECT_FALSE(verify(path, {}).good()) << offset;
    folder.flip("1.duckdb", offset);
  }
  std::uint64_t wal_bytes = stat_path(path.string() + ".wal")->bytes;
  for (std::uint64_t offset = 0; offset < wal_bytes; ++offset) {
    folder.flip("1.duckdb.wal", offset);
    EXPECT_FALSE(verify(path, {}).good()) << "WAL " << offset;
    folder.flip("1.duckdb.wal", offset);
  }
  EXPECT_TRUE(verify(path, {}).good());
}

TEST(Verify, AFurtherProofOfTheSameBytesStays) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime);
  Sidecar sidecar = load_sidecar(path);
  sidecar.verified = Sidecar::Verified{parse_utc(kTime), "full"};
  save_sidecar(path, sidecar);
  EXPECT_TRUE(verify(path, {}).good());
  sidecar = load_sidecar(path);
  EXPECT_EQ(sidecar.verified->level, "full");
  EXPECT_GT(sidecar.verified->time, parse_utc(kTime));
}

TEST(Verify, ADatabaseWithoutSidecarIsCheckedByItsStructure) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase().build());
  VerifyReport report = verify(path, {});
  EXPECT_TRUE(report.good());
  EXPECT_FALSE(report.has_sidecar);
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("no sidecar")));
  folder.flip("1.duckdb", 30'000);
  EXPECT_FALSE(verify(path, {}).good());
}

// Case 32.
TEST(Verify, FreeBlocksOfABloatedFileAreNotChecked) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase{.free = {1, 2, 5, 6}}.build());
  folder.flip("1.duckdb", block_offset(5, TinyDatabase::kBlockBytes) + 9);
  EXPECT_TRUE(verify(path, {}).good());
}

// Case 12.
TEST(Verify, AnIncompleteLastWalEntryIsSaidAndTheCommitsBeforeItCount) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase().build());
  std::size_t end = test::WalBuilder().commit().size();
  Bytes wal = test::WalBuilder().commit().commit().bytes();
  for (std::size_t cut = end + 1; cut < wal.size(); ++cut) {
    folder.put("1.duckdb.wal", ByteView(wal).first(cut));
    VerifyReport report = verify(path, {});
    EXPECT_TRUE(report.good()) << cut;
    EXPECT_EQ(report.wal_commits, 1u) << cut;
  }
  EXPECT_THAT(verify(path, {}).notes, testing::Contains(HasSubstr("is incomplete")));
}

// Case 13.
TEST(Verify, AFlippedWalByteIsFoundWithItsPositionAndTheGoodCommits) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase().build());
  std::size_t second = test::WalBuilder().commit().size();
  Bytes wal = test::WalBuilder().commit().commit().bytes();
  wal[second + 20] ^= 1;
  folder.put("1.duckdb.wal", wal);
  VerifyReport report = verify(path, {});
  EXPECT_THAT(findings_of(report),
              ElementsAre(AllOf(HasSubstr(fmt::format("entry at offset {} is wrong", second)),
                                HasSubstr("the commits before it (1, up to"))));
  EXPECT_EQ(report.findings[0].offset, second);
}

// Cases 6 and 7.
TEST(Verify, AWalThatDoesNotBelongFailsAndBothSidesAreNamed) {
  CopyFolder folder;
  DatabaseId id = {1};
  TinyDatabase modern{.version = 68, .serialization = 7, .iteration = 9, .identifier = id};
  fs::path path = folder.put("1.duckdb", modern.build());
  Bytes wal = test::WalBuilder(id, 8).commit().bytes();
  folder.put("1.duckdb.wal", wal);
  EXPECT_THAT(findings_of(verify(path, {})),
              ElementsAre(AllOf(HasSubstr("iteration 8"), HasSubstr("iteration 9"))));
  wal = test::WalBuilder(DatabaseId{2}, 9).commit().bytes();
  folder.put("1.duckdb.wal", wal);
  EXPECT_THAT(findings_of(verify(path, {})), ElementsAre(HasSubstr("another database")));
}

// Cases 4, 5 and 7.
TEST(Verify, BelowStorageVersion67APairCannotBeProvenAndThatIsSaid) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase().build());
  Bytes wal = test::WalBuilder().commit().bytes();
  folder.put("1.duckdb.wal", wal);
  VerifyReport report = verify(path, {});
  EXPECT_TRUE(report.good());
  EXPECT_THAT(report.notes, testing::Contains(HasSubstr("cannot be proven")));
}

TEST(Verify, ACopyThatDuckDBOpenedSinceIsNotTheCopyAnyMore) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime);
  folder.put("1.duckdb.wal", test::WalBuilder().bytes());
  EXPECT_THAT(findings_of(verify(path, {})), ElementsAre(HasSubstr("a WAL lies beside")));
}

TEST(Verify, ACopyCutShortNamesWhatIsMissing) {
  CopyFolder folder;
  fs::path path = folder.add("1.duckdb", kTime);
  File::open_write(path).truncate(block_offset(7, TinyDatabase::kBlockBytes));
  EXPECT_THAT(findings_of(verify(path, {})),
              ElementsAre(HasSubstr("duckback wrote"), HasSubstr("block 7"), HasSubstr("BLAKE3")));
  File::open_write(path).truncate(3000);
  EXPECT_FALSE(verify(path, {}).good());
  File::open_write(path).truncate(0);
  EXPECT_FALSE(verify(path, {}).good());
  remove_file(path);
  EXPECT_THAT(findings_of(verify(path, {})), ElementsAre(HasSubstr("the file is gone")));
}

TEST(Verify, ADamagedSidecarFailsAndTheFileIsCheckedNevertheless) {
  CopyFolder folder;
  fs::path path = folder.put("1.duckdb", TinyDatabase().build());
  folder.put("1.duckdb.duckback.json", as_bytes("{"));
  VerifyReport report = verify(path, {});
  EXPECT_THAT(findings_of(report), ElementsAre(HasSubstr("no sidecar of a copy")));
  EXPECT_EQ(report.blocks->used_blocks, 6u);
}

TEST(Verify, RefusesWhatIsNoDatabase) {
  CopyFolder folder;
  EXPECT_EQ(code_of(folder / "missing.duckdb"), Errc::not_found);
  EXPECT_EQ(code_of(folder.put("text", as_bytes("hello, this is some text"))), Errc::refused);
  EXPECT_EQ(code_of(folder.put("empty", {})), Errc::refused);
}

TEST(Verify, AHeaderThatClaimsImpossiblyManyBlocksIsAFindingNotAnAllocation) {
  CopyFolder folder;
  TinyDatabase database;
  Bytes file = database.build();
  for (std::uint64_t slot : {1, 2}) {
    store_le(file.data() + slot * kSlotBytes + 32, std::uint64_t{1} << 44);
    test::fix_checksum(MutableBytes(file).subspan(slot * kSlotBytes, kSlotBytes));
  }
  EXPECT_THAT(findings_of(verify(folder.put("1.duckdb", file), {})),
              ElementsAre(HasSubstr("claims 17592186044416 blocks")));
}

class VerifyWithDuckDB : public WorkerTest {
 protected:
  // A real copy of one table of 100 rows, whose sidecar claims `rows`.
  fs::path add(std::uint64_t rows) const {
    fs::path path = make("app.duckdb", "CREATE TABLE t AS SELECT i FROM range(100) r(i)");
    Bytes bytes(stat_path(path)->bytes);
    File::open_read(path).read_at(0, bytes);
    Blake3 hash;
    hash.update(bytes);
    Sidecar sidecar;
    sidecar.time = parse_utc(kTime);
    sidecar.file = "app.duckdb";
    sidecar.bytes = bytes.size();
    sidecar.blake3 = to_hex(hash.digest());
    sidecar.tables = std::vector<Sidecar::Table>{{"main", "t", rows}};
    save_sidecar(path, sidecar);
    return path;
  }
  VerifyReport verify_fully(const fs::path& path) const {
    VerifyOptions with_library;
    with_library.level = VerifyLevel::full;
    with_library.worker = options();
    return verify(path, with_library);
  }
};

TEST_F(VerifyWithDuckDB, AFullVerificationReadsEveryRowAndLeavesNothingBehind) {
  fs::path path = add(100);
  VerifyReport report = verify_fully(path);
  EXPECT_THAT(findings_of(report), IsEmpty());
  EXPECT_EQ(report.library_version, "v1.5.6");
  ASSERT_TRUE(report.tables);
  EXPECT_EQ(report.tables->at(0).rows, 100u);
  EXPECT_EQ(load_sidecar(path).verified->level, "full");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder()), fs::directory_iterator()), 2);
}

TEST_F(VerifyWithDuckDB, OtherRowCountsThanWhenItWasCopiedAreFound) {
  EXPECT_THAT(findings_of(verify_fully(add(99))),
              ElementsAre("table main.t has 100 rows, 99 when it was copied"));
}

}  // namespace
}  // namespace duckback
