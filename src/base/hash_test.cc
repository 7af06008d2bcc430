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

TEST(Hash, KeyedAndDerivingModesAreBlake3s) {
  // The published test vectors' key and context.
  ByteView key = as_bytes("whats the Elvish word for friend");
  std::string_view purpose = "BLAKE3 2019-12-27 16:29:52 test vectors context";
  Blake3 keyed = Blake3::keyed(key);
  EXPECT_EQ(to_hex(keyed.digest()),
            "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26");
  keyed.update(vector_input(1));
  EXPECT_EQ(to_hex(keyed.digest()),
            "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b");
  Digest derived;
  derive_key(purpose, {}, derived);
  EXPECT_EQ(to_hex(derived), "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
  derive_key(purpose, vector_input(1), derived);
  EXPECT_EQ(to_hex(derived), "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c");
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
