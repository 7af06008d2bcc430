#include "duckfile/crypto.h"

#include <gtest/gtest.h>

#include "duckfile/block.h"
#include "test/support/duckfile_builder.h"

namespace duckback {
namespace {

DatabaseId some_identifier() {
  DatabaseId identifier;
  for (std::size_t i = 0; i < identifier.size(); ++i) {
    identifier[i] = static_cast<std::uint8_t>(0xf8 + i);
  }
  return identifier;
}

struct Sealed : testing::TestWithParam<std::tuple<bool, Encryption::Cipher>> {
  Encryption encryption{.authenticated_v1 = std::get<0>(GetParam()),
                        .cipher = std::get<1>(GetParam())};
  // Spaces: not base64.
  test::Sealer sealer{encryption, some_identifier(), "a secret key"};
  Bytes head =
      test::main_header({.version = 67, .identifier = some_identifier(), .sealer = &sealer});
  MainHeader main = read_main_header(MemorySource("app.duckdb", head));
  bool gcm() const { return encryption.cipher == Encryption::Cipher::gcm; }
};

TEST_P(Sealed, TheRightKeyFitsAndNoOther) {
  EXPECT_TRUE(BlockCipher(main, "a secret key").fits(main));
  for (const char* key : {"", "a secret ke", "a secret key ", "A secret key"}) {
    EXPECT_FALSE(BlockCipher(main, key).fits(main)) << key;
  }
}

TEST_P(Sealed, ABlockOpensToWhatWasSealed) {
  Bytes payload(16384 - 40);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 7);
  Bytes sealed = test::block(payload, 16384, &sealer);
  Bytes opened = sealed;
  BlockCipher cipher(main, "a secret key");
  ASSERT_TRUE(cipher.decrypt_block(opened));
  EXPECT_EQ(Bytes(opened.begin() + BlockCipher::kHeaderBytes, opened.end()), payload);
  Bytes scratch;
  EXPECT_TRUE(block_is_whole(sealed, &cipher, scratch));
  EXPECT_FALSE(block_is_whole(sealed, nullptr, scratch));
  BlockCipher wrong(main, "another");
  EXPECT_FALSE(block_is_whole(sealed, &wrong, scratch));
}

TEST_P(Sealed, AFlippedByteOfABlockIsFound) {
  Bytes sealed = test::block(Bytes(100, 0x5a), 16384, &sealer);
  BlockCipher cipher(main, "a secret key");
  std::size_t nonce = encryption.nonce_bytes();
  for (std::size_t i = 0; i < sealed.size(); i += i < 64 ? 1 : 97) {
    // CTR has no tag, and 1.5's layout has padding.
    if (i >= nonce + (gcm() ? 16 : 0) && i < 32) continue;
    Bytes bad = sealed;
    bad[i] ^= 1;
    EXPECT_FALSE(cipher.decrypt_block(bad)) << i;
  }
}

TEST_P(Sealed, TheSlotsAreSealedAsBlocksAre) {
  test::DatabaseBuilder database(16384, &sealer);
  database.main = {.version = 67, .identifier = some_identifier(), .sealer = &sealer};
  database.header.block_count = 12;
  Bytes bytes = database.file();
  MemorySource file("app.duckdb", bytes);
  BlockCipher cipher(main, "a secret key");
  auto slots = read_slots(file, main, &cipher);
  ASSERT_TRUE(slots);
  EXPECT_EQ(slots->header().iteration, 5u);
  EXPECT_EQ(slots->header().block_count, 12u);
  BlockCipher wrong(main, "another");
  EXPECT_FALSE(read_slots(file, main, &wrong));
}

INSTANTIATE_TEST_SUITE_P(Crypto, Sealed,
                         testing::Combine(testing::Bool(),
                                          testing::Values(Encryption::Cipher::gcm,
                                                          Encryption::Cipher::ctr)),
                         [](const auto& set) {
                           return std::string(std::get<0>(set.param) ? "V1" : "V0") +
                                  (std::get<1>(set.param) == Encryption::Cipher::gcm ? "Gcm"
                                                                                     : "Ctr");
                         });

// Whether DuckDB would take `given` as the key whose bytes are `bytes`.
bool is_key(std::string_view given, std::string_view bytes) {
  test::Sealer sealer({.authenticated_v1 = true}, some_identifier(), bytes);
  Bytes head =
      test::main_header({.version = 68, .identifier = some_identifier(), .sealer = &sealer});
  MainHeader main = read_main_header(MemorySource("app.duckdb", head));
  return BlockCipher(main, given).fits(main);
}

TEST(Crypto, AKeyThatIsBase64IsDecodedFirst) {
  EXPECT_TRUE(is_key("c2VjcmV0IQ==", "secret!"));
  EXPECT_TRUE(is_key("c2VjcmV0IHgu", "secret x."));
  EXPECT_TRUE(is_key("c2VjcmV0IHg=", "secret x"));
  EXPECT_TRUE(is_key("quack123", "\xaa\xe6\x9c\x93\x5d\xb7"));
  EXPECT_TRUE(is_key("+/+/", "\xfb\xff\xbf"));
  EXPECT_FALSE(is_key("quack123", "quack123"));
  // No proper base64, and yet DuckDB decodes it.
  EXPECT_TRUE(is_key("QQ=C", "A"));
}

TEST(Crypto, HexEscapesInAKeyAreBytes) {
  EXPECT_TRUE(is_key("\\x41b\\xfF", "Ab\xff"));
  EXPECT_TRUE(is_key("\\x51\\x51==", "A"));
  for (const char* key : {"\\", "\\x4", "\\y41", "a\\xg1"}) EXPECT_TRUE(is_key(key, key)) << key;
}

TEST(Crypto, AKeyThatIsNoBase64IsTakenAsItIs) {
  for (const char* key : {"", "quack", "quack12", "a secret key", "c2Vj=mV0", "====", "-_-_",
                          "a=bc", "Schl\xc3\xbcss"}) {
    EXPECT_TRUE(is_key(key, key)) << key;
  }
}

}  // namespace
}  // namespace duckback
