#include "duckfile/free_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "duckfile/block_map.h"
#include "test/support/duckfile_builder.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using test::pointer;
using testing::HasSubstr;

// What the visitor was told, as it would be written.
test::FreeListFields read(const Bytes& bytes, const DatabaseHeader& header,
                          const BlockCipher* cipher = nullptr) {
  test::FreeListFields told;
  read_free_list(MemorySource("app.duckdb", bytes), header, cipher,
                 {.free_block = [&](std::uint64_t id) { told.free.push_back(id); },
                  .multi_use_block =
                      [&](std::uint64_t id, std::uint32_t n) {
                        told.multi_use.push_back({id, n});
                      },
                  .metadata_block =
                      [&](std::uint64_t id, std::uint64_t mask) {
                        told.metadata.push_back({id, mask});
                      }});
  return told;
}

std::string damage(const test::DatabaseBuilder& database) {
  return error_of(Errc::corrupt, [&] { read(database.file(), database.header); });
}

test::FreeListFields some_fields(std::uint64_t free_count) {
  test::FreeListFields fields;
  for (std::uint64_t i = 0; i < free_count; ++i) fields.free.push_back(10 + i);
  fields.multi_use = {{4, 2}, {5, 0xfffffff0}};
  fields.metadata = {{0, 0xfffffffffffffffe}, {2, 0x8000000000000001}};
  return fields;
}

TEST(FreeList, ADatabaseWithoutOneHasNoFreeBlocks) {
  test::DatabaseBuilder database;
  test::FreeListFields told = read(database.file(), database.header);
  EXPECT_TRUE(told.free.empty() && told.multi_use.empty() && told.metadata.empty());
}

// Every count, so that each field straddles the end of a sub-block at some byte.
TEST(FreeList, IsReadAcrossSubBlocksAndBlocks) {
  for (std::uint64_t count = 0; count < 130; ++count) {
    test::DatabaseBuilder database;
    database.header.block_count = 200;
    test::FreeListFields fields = some_fields(count);
    database.write_chain(test::free_list_bytes(fields),
                         {pointer(2, 63), pointer(0, 1), pointer(0, 0), pointer(2, 5),
                          pointer(3, 0), pointer(0, 7)});
    test::FreeListFields told = read(database.file(), database.header);
    ASSERT_EQ(told.free, fields.free);
    ASSERT_EQ(told.multi_use, fields.multi_use);
    ASSERT_EQ(told.metadata, fields.metadata);
  }
}

TEST(FreeList, IsReadFromSealedBlocks) {
  DatabaseId identifier{};
  for (auto cipher : {Encryption::Cipher::gcm, Encryption::Cipher::ctr}) {
    test::Sealer sealer({.authenticated_v1 = true, .cipher = cipher}, identifier, "a key");
    for (std::uint32_t block_bytes : {16384u, 262144u}) {
      test::DatabaseBuilder database(block_bytes, &sealer);
      database.main.version = 68;
      database.header.block_count = 200;
      test::FreeListFields fields = some_fields(50);
      database.write_chain(test::free_list_bytes(fields), {pointer(2, 0), pointer(0, 63)});
      Bytes bytes = database.file();
      MainHeader main = read_main_header(MemorySource("app.duckdb", bytes));
      BlockCipher key(main, "a key");
      EXPECT_EQ(read(bytes, database.header, &key).free, fields.free);
      BlockCipher wrong(main, "no key");
      error_of(Errc::corrupt, [&] { read(bytes, database.header, &wrong); });
    }
  }
}

TEST(FreeList, AChainThatReturnsToItselfIsCorrupt) {
  for (std::size_t back_to = 0; back_to < 5; ++back_to) {
    test::DatabaseBuilder database;
    database.header.block_count = 1'000'000'000;
    Bytes ids(240);
    store_le(ids.data() + 16, std::uint64_t{900'000'000});
    std::vector<std::uint64_t> chain = {pointer(0, 0), pointer(1, 9), pointer(0, 2), pointer(2, 2),
                                        pointer(1, 1)};
    for (std::size_t i = 0; i < chain.size(); ++i) {
      database.write_sub_block(chain[i], chain[i + 1 < chain.size() ? i + 1 : back_to],
                               i == 0 ? ByteView(ids) : ByteView());
    }
    database.header.free_list = chain[0];
    EXPECT_THAT(damage(database), HasSubstr("without a cycle"));
  }
}

TEST(FreeList, AChainThatEndsTooEarlyIsCorrupt) {
  test::DatabaseBuilder database;
  database.header.block_count = 200;
  Bytes bytes = test::free_list_bytes(some_fields(100));
  database.write_chain(ByteView(bytes).first(240), {pointer(0, 0)});
  EXPECT_EQ(damage(database),
            "app.duckdb: expected more bytes than the chain has in the free list (block 0, "
            "sub-block 0, offset 12296)");
}

TEST(FreeList, APointerOutsideTheDatabaseIsCorrupt) {
  for (std::uint64_t bad :
       {pointer(200, 0), pointer(0, 64), pointer(0, 255), pointer((std::uint64_t{1} << 56) - 1, 0),
        pointer(std::uint64_t{1} << 45, 0)}) {
    test::DatabaseBuilder first;
    first.header.block_count = 200;
    first.header.free_list = bad;
    EXPECT_THAT(damage(first), HasSubstr("in the database header"));

    test::DatabaseBuilder later;
    later.header.block_count = 200;
    Bytes bytes = test::free_list_bytes(some_fields(100));
    later.header.free_list = pointer(0, 3);
    later.write_sub_block(pointer(0, 3), bad, ByteView(bytes).first(240));
    EXPECT_THAT(damage(later), HasSubstr("(block 0, sub-block 3, offset 13040)"));
  }
}

TEST(FreeList, AnIdBeyondTheBlockCountIsCorrupt) {
  for (std::uint64_t bad : {std::uint64_t{200}, ~std::uint64_t{0}, std::uint64_t{1} << 62}) {
    for (int part : {0, 1, 2}) {
      test::DatabaseBuilder database;
      database.header.block_count = 200;
      test::FreeListFields fields = some_fields(3);
      if (part == 0) fields.free[1] = bad;
      if (part == 1) fields.multi_use[1].first = bad;
      if (part == 2) fields.metadata[1].first = bad;
      database.write_chain(test::free_list_bytes(fields), {pointer(0, 0)});
      EXPECT_THAT(damage(database), HasSubstr(fmt::format("a block id below 200, not {},", bad)));
    }
  }
}

TEST(FreeList, MoreEntriesThanBlocksIsCorrupt) {
  test::DatabaseBuilder database;
  database.header.block_count = 12;
  database.write_chain(test::free_list_bytes(some_fields(13)), {pointer(0, 0)});
  EXPECT_THAT(damage(database), HasSubstr("no more entries than blocks"));
}

// The count is believable for the header, the chain behind it is not there.
TEST(FreeList, AHostileCountCostsNoMoreThanTheFileHolds) {
  test::DatabaseBuilder database;
  database.header.block_count = (std::uint64_t{1} << 45) - 1;
  Bytes ids(240);
  store_le(ids.data() + 16, database.header.block_count);
  database.write_chain(ids, {pointer(0, 0)});
  EXPECT_THAT(damage(database), HasSubstr("more bytes than the chain has"));
  Bytes bytes = database.file();
  error_of(Errc::corrupt, [&] {
    read_block_map(MemorySource("app.duckdb", bytes), bytes.size(), database.header, nullptr);
  });
}

// So does what a data block holds that was given out in place of the list's.
TEST(FreeList, IdsThatDoNotAscendAreCorrupt) {
  for (std::uint64_t second : {10, 3}) {
    test::DatabaseBuilder database;
    database.header.block_count = 200;
    test::FreeListFields fields = some_fields(2);
    fields.free[1] = second;
    database.write_chain(test::free_list_bytes(fields), {pointer(0, 0)});
    EXPECT_THAT(damage(database), HasSubstr("an id above 10"));
  }
}

TEST(FreeList, AListThatDoesNotNameItsOwnBlockIsCorrupt) {
  test::DatabaseBuilder database;
  database.header.block_count = 200;
  database.write_chain(test::free_list_bytes(some_fields(4)), {pointer(1, 0)});
  EXPECT_THAT(damage(database), HasSubstr("own block"));
}

TEST(FreeList, ABlockOfTheChainThatIsNotWholeIsCorrupt) {
  test::DatabaseBuilder database;
  database.header.block_count = 200;
  database.write_chain(test::free_list_bytes(some_fields(60)), {pointer(0, 0), pointer(1, 0)});
  Bytes good = database.file();
  auto damage_of = [&](const Bytes& bytes) {
    return error_of(Errc::corrupt, [&] { read(bytes, database.header); });
  };
  Bytes flipped = good;
  flipped[kBlockStart + 16384 + 9000] ^= 4;
  EXPECT_THAT(damage_of(flipped), HasSubstr("the checksum of block 1 (free list, offset 28672)"));
  for (std::size_t size = kBlockStart; size < good.size(); size += 1000) {
    Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(damage_of(cut), HasSubstr("the file ends before"));
  }
}

TEST(BlockMap, UsedIsEverythingThatIsNotFree) {
  test::DatabaseBuilder database;
  database.header.block_count = 8;
  database.write_block(7, {});
  database.write_chain(
      test::free_list_bytes({.free = {1, 5}, .multi_use = {{3, 2}}, .metadata = {{0, 1}}}),
      {pointer(0, 0)});
  Bytes bytes = database.file();
  BlockMap map =
      read_block_map(MemorySource("app.duckdb", bytes), bytes.size(), database.header, nullptr);
  EXPECT_EQ(map.total_blocks, 8u);
  EXPECT_EQ(map.free_blocks, 2u);
  EXPECT_EQ(map.used_blocks(), 6u);
  EXPECT_EQ(map.used.count(), 6u);
  EXPECT_FALSE(map.used.test(1));
  EXPECT_FALSE(map.used.test(5));
  EXPECT_TRUE(map.metadata.test(0));
  EXPECT_EQ(map.metadata.count(), 1u);
  EXPECT_EQ(map.used_beyond_file, 0u);
}

TEST(BlockMap, AFreeTailMayBeCutOffAndAUsedOneIsCounted) {
  test::DatabaseBuilder database;
  database.header.block_count = 8;
  database.write_block(3, {});
  database.write_chain(
      test::free_list_bytes({.free = {1, 4, 5, 6, 7}, .multi_use = {}, .metadata = {{0, 1}}}),
      {pointer(0, 0)});
  Bytes bytes = database.file();
  MemorySource file("app.duckdb", bytes);
  BlockMap map = read_block_map(file, bytes.size(), database.header, nullptr);
  EXPECT_EQ(map.free_blocks, 5u);
  EXPECT_EQ(map.used.count(), 3u);
  EXPECT_EQ(map.used_beyond_file, 0u);

  BlockMap cut = read_block_map(file, bytes.size() - 1, database.header, nullptr);
  EXPECT_EQ(cut.used_beyond_file, 1u);
  EXPECT_EQ(cut.free_blocks, 5u);
  EXPECT_EQ(cut.used.count(), 2u);
}

TEST(BlockMap, AHostileBlockCountCostsNoMoreThanTheFileHolds) {
  test::DatabaseBuilder database;
  database.header.block_count = (std::uint64_t{1} << 45) - 1;
  database.write_chain(test::free_list_bytes({.free = {1}, .multi_use = {}, .metadata = {{0, 1}}}),
                       {pointer(0, 0)});
  Bytes bytes = database.file();
  BlockMap map =
      read_block_map(MemorySource("app.duckdb", bytes), bytes.size(), database.header, nullptr);
  EXPECT_EQ(map.used.size(), 1u);
  EXPECT_EQ(map.used_beyond_file, (std::uint64_t{1} << 45) - 3);
}

}  // namespace
}  // namespace duckback
