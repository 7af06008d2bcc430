#include "duckfile/checksum.h"

#include <gtest/gtest.h>

namespace duckback {
namespace {

// DuckDB's loop, one word after the other.
std::uint64_t word_by_word(ByteView bytes) {
  std::uint64_t result = 5381;
  for (std::size_t i = 0; i < bytes.size() / 8; ++i) {
    result ^= load_le<std::uint64_t>(bytes.data() + 8 * i) * 0xbf58476d1ce4e5b9;
  }
  return result;
}

TEST(Checksum, OfNothingIsNotZero) { EXPECT_EQ(duckdb_checksum({}), 5381u); }

TEST(Checksum, IsTheSameAtEveryLengthAndAlignment) {
  Bytes bytes(600);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i + 3);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t words = 0; words < 70; ++words) {
      ByteView part = ByteView(bytes).subspan(begin, words * 8);
      ASSERT_EQ(duckdb_checksum(part), word_by_word(part)) << begin << " " << words;
    }
  }
}

TEST(Checksum, OfWholeWordsCombinesPieceByPiece) {
  Bytes bytes(4096 + 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31);
  ByteView all(bytes);
  EXPECT_EQ(duckdb_checksum(all.first(1024)) ^ duckdb_checksum(all.subspan(1024)) ^ 5381,
            duckdb_checksum(all));
}

TEST(Checksum, CoversTheBytesAfterTheLastWholeWord) {
  Bytes bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::uint64_t whole = duckdb_checksum(bytes);
  for (std::size_t i = 8; i < bytes.size(); ++i) {
    Bytes other = bytes;
    other[i] ^= 1;
    EXPECT_NE(duckdb_checksum(other), whole);
  }
  // A longer tail of zeros is another tail.
  bytes.push_back(0);
  EXPECT_NE(duckdb_checksum(bytes), whole);
}

TEST(Checksum, FindsABlockOfZeros) {
  Bytes zeros(4096);
  EXPECT_NE(duckdb_checksum(ByteView(zeros).subspan(8)), 0u);
}

}  // namespace
}  // namespace duckback
