#include "duckfile/block_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/duckfile_builder.h"

namespace duckback {
namespace {

using test::TinyDatabase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Checked {
  BlockCheck check;
  std::vector<std::string> findings;
  Bytes seen;
};

Checked check(const Bytes& file) {
  MemorySource source("app.duckdb", file);
  MainHeader main = read_main_header(source);
  std::optional<Slots> slots = read_slots(source, main, nullptr);
  Checked checked;
  checked.check = check_blocks(
      source, slots->header(), nullptr,
      [&](const BlockFinding& finding) { checked.findings.push_back(to_text(finding)); },
      [&](ByteView bytes) { checked.seen.insert(checked.seen.end(), bytes.begin(), bytes.end()); });
  return checked;
}

std::uint64_t offset_of(std::uint64_t id) { return block_offset(id, TinyDatabase::kBlockBytes); }

TEST(BlockCheck, AWholeFileIsGoodAndSeenOnceFromBeginToEnd) {
  Bytes file = TinyDatabase().build();
  Checked result = check(file);
  EXPECT_TRUE(result.check.good());
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.check.used_blocks, 6u);
  EXPECT_EQ(result.check.free_blocks, 2u);
  EXPECT_EQ(result.check.metadata_blocks, 1u);
  EXPECT_EQ(result.seen, file);
}

TEST(BlockCheck, EveryDamagedBlockIsNamedNotOnlyTheFirst) {
  Bytes file = TinyDatabase().build();
  file[offset_of(1) + 100] ^= 1;
  file[offset_of(7) + 16383] ^= 0x80;
  Checked result = check(file);
  EXPECT_EQ(result.check.findings, 2u);
  EXPECT_THAT(result.findings, ElementsAre("block 1 at offset 28672: its checksum is wrong",
                                           "block 7 at offset 126976: its checksum is wrong"));
}

TEST(BlockCheck, FreeBlocksMayHoldAnything) {
  Bytes file = TinyDatabase().build();
  file[offset_of(2) + 100] ^= 1;
  file[offset_of(6)] ^= 1;
  EXPECT_TRUE(check(file).check.good());
}

TEST(BlockCheck, AHoleInAUsedBlockIsDamage) {
  Bytes file = TinyDatabase().build();
  std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(offset_of(4)), TinyDatabase::kBlockBytes,
              std::uint8_t{0});
  EXPECT_THAT(check(file).findings, ElementsAre(HasSubstr("block 4 at")));
}

TEST(BlockCheck, ATailThatWasFreeMayBeCutOff) {
  EXPECT_TRUE(check(TinyDatabase{.free = {6, 7}, .file_blocks = 6}.build()).check.good());
}

TEST(BlockCheck, AFileCutShortMissesItsBlocks) {
  Bytes file = TinyDatabase().build();
  file.resize(offset_of(5) + 10);
  Checked result = check(file);
  EXPECT_THAT(result.findings, ElementsAre("block 5 at offset 94208: the file ends before the "
                                           "block does"));
  EXPECT_EQ(result.check.missing_blocks, 2);
  EXPECT_EQ(result.seen, file);
}

TEST(BlockCheck, WithoutAReadableFreeListAllBlocksWithContentAreChecked) {
  Bytes file = TinyDatabase().build();
  file[offset_of(3) + 200] ^= 1;
  file[offset_of(7) + 200] ^= 1;
  Checked result = check(file);
  EXPECT_FALSE(result.check.good());
  EXPECT_THAT(result.check.free_list_error, HasSubstr("block 3"));
  EXPECT_THAT(result.findings, ElementsAre(HasSubstr("block 3 at"), HasSubstr("block 7 at")));
}

}  // namespace
}  // namespace duckback
