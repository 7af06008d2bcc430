#include "base/hash.h"

#include <gtest/gtest.h>

namespace duckback {
namespace {

// The input of BLAKE3's published test vectors: 0, 1, …, 250, 0, 1, …
Bytes vector_input(std::size_t bytes) {
  Bytes input(bytes);
  for (std::size_t i = 0; i < bytes; ++i) input[i] = static_cast<std::uint8_t>(i % 251);
  return input;
}

TEST(Hash, IsBlake3) {
  Blake3 empty;
  EXPECT_EQ(to_hex(empty.digest()),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  Blake3 one;
  one.update(vector_input(1));
  EXPECT_EQ(to_hex(one.digest()),
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
}

TEST(Hash, PiecesGiveTheHashOfTheWhole) {
  Bytes input = vector_input(100'000);
  Blake3 whole;
  whole.update(input);
  Blake3 pieces;
  for (std::size_t at = 0, part = 1; at < input.size(); at += part, part = part * 3 + 1) {
    pieces.update(ByteView(input).subspan(at, std::min(part, input.size() - at)));
  }
  EXPECT_EQ(pieces.digest(), whole.digest());
}

TEST(Hash, ZerosCountAsIfTheyWereGiven) {
  std::uint64_t count = 256 * 1024 * 2 + 5;
  Blake3 given;
  given.update(Bytes(count));
  Blake3 counted;
  counted.update_zeros(count);
  EXPECT_EQ(counted.digest(), given.digest());
}

TEST(Hash, HexIsLowerCase) { EXPECT_EQ(to_hex(Bytes{0x00, 0x0f, 0xab}), "000fab"); }

}  // namespace
}  // namespace duckback
