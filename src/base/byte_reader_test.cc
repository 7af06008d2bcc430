#include "base/byte_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace duckback {
namespace {

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt);
    return error.what();
  }
  return "";
}

TEST(ByteReader, ReadsLittleEndianNumbersInOrder) {
  Bytes bytes = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07};
  ByteReader reader(bytes, "f");
  EXPECT_EQ(reader.read<std::uint8_t>("a"), 0x01);
  EXPECT_EQ(reader.read<std::uint16_t>("b"), 0x0302);
  EXPECT_EQ(reader.read<std::uint32_t>("c"), 0x07060504u);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, AShortReadNamesFileOffsetAndWhatWasExpected) {
  Bytes bytes(10);
  ByteReader reader(bytes, "app.duckdb", 4096);
  reader.skip(4, "start");
  std::string error = error_of([&] { reader.read<std::uint64_t>("iteration"); });
  EXPECT_EQ(error, "app.duckdb: expected iteration (8 bytes) at offset 4100, only 6 are there");
  EXPECT_EQ(reader.position(), 4u);
}

TEST(ByteReader, AHugeCountDoesNotWrapAround) {
  Bytes bytes(10);
  ByteReader reader(bytes, "f");
  reader.skip(4, "start");
  EXPECT_NE(error_of([&] { reader.take(~std::size_t{0} - 2, "all"); }), "");
}

TEST(ByteReader, ReadsLeb128OfEveryLength) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    std::uint64_t value = (std::uint64_t{1} << bits) | 1;
    Bytes bytes;
    for (std::uint64_t rest = value; bytes.empty() || rest != 0; rest >>= 7) {
      if (!bytes.empty()) bytes.back() |= 0x80;
      bytes.push_back(static_cast<std::uint8_t>(rest & 0x7f));
    }
    ByteReader reader(bytes, "f");
    EXPECT_EQ(reader.read_leb128("n"), value);
    EXPECT_EQ(reader.remaining(), 0u);
    ByteReader cut(ByteView(bytes).first(bytes.size() - 1), "f");
    EXPECT_NE(error_of([&] { cut.read_leb128("n"); }), "");
  }
}

TEST(ByteReader, PaddedLeb128IsRead) {
  Bytes bytes = {0x85, 0x80, 0x80, 0x00};
  EXPECT_EQ(ByteReader(bytes, "f").read_leb128("n"), 5u);
}

TEST(ByteReader, Leb128BeyondSixtyFourBitsIsCorrupt) {
  Bytes largest(9, 0xff);
  largest.push_back(0x01);
  EXPECT_EQ(ByteReader(largest, "f").read_leb128("n"), ~std::uint64_t{0});
  for (int last : {0x02, 0x7f, 0x80, 0x81, 0xff}) {
    Bytes bytes(9, 0xff);
    bytes.push_back(static_cast<std::uint8_t>(last));
    bytes.resize(20);
    EXPECT_THAT(error_of([&] { ByteReader(bytes, "f").read_leb128("the count"); }),
                testing::HasSubstr("the count of at most 64 bits"));
  }
}

}  // namespace
}  // namespace duckback
