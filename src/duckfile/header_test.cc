#include "duckfile/header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/duckfile_builder.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;

MainHeader parse_main(const Bytes& bytes) {
  return read_main_header(MemorySource("app.duckdb", bytes));
}

std::optional<DatabaseHeader> parse_slot(const Bytes& bytes, std::uint64_t version = 65) {
  Slot slot;
  std::copy_n(bytes.begin(), slot.size(), slot.begin());
  MainHeader main;
  main.version = version;
  return parse_database_header(slot, main, nullptr, "app.duckdb");
}

DatabaseHeader some_header() {
  return {.iteration = 7,
          .meta_block = 3,
          .free_list = test::pointer(3, 1),
          .block_count = 9,
          .block_bytes = 16384,
          .vector_size = 2048,
          .serialization = 4};
}

TEST(Header, TheMainHeaderTellsVersionAndCreator) {
  MainHeader main = parse_main(test::main_header({.version = 67, .library_version = "v1.4.5"}));
  EXPECT_EQ(main.version, 67u);
  EXPECT_EQ(main.library_version, "v1.4.5");
  EXPECT_EQ(main.source_id, "0123456789");
  EXPECT_FALSE(main.encryption);
}

TEST(Header, UnprintableBytesOfTheCreatorAreNotPassedOn) {
  EXPECT_EQ(parse_main(test::main_header({.library_version = "v1\x1b[2J"})).library_version,
            "v1?[2J");
}

TEST(Header, AnyFlippedBitOfTheMainHeaderIsFound) {
  Bytes good = test::main_header({.version = 67});
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 5) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_THROW(parse_main(bad), Error) << bit;
  }
}

TEST(Header, AForeignFileIsRefusedAndNamed) {
  auto refusal = [](std::string_view content) {
    Bytes bytes(content.begin(), content.end());
    return error_of(Errc::refused, [&] { parse_main(bytes); });
  };
  EXPECT_EQ(refusal(""), "app.duckdb is not a DuckDB database: it is empty (0 bytes)");
  EXPECT_THAT(refusal(std::string(5000, '\0')), HasSubstr("it holds only zeros"));
  EXPECT_THAT(refusal(std::string_view("SQLite format 3\0...............", 31)),
              HasSubstr("it is a SQLite database"));
  EXPECT_THAT(refusal("PAR1\x15\x04\x15\x10xxxxxx"), HasSubstr("it is a Parquet file"));
  EXPECT_THAT(refusal("id,name\n1,Zo\xc3\xab\n"), HasSubstr("it looks like text"));
  EXPECT_THAT(refusal("\x7f"
                      "ELF\x02\x01\x01\x01\x01\x01\x01\x01\x01"),
              HasSubstr("its first bytes are not DuckDB's"));
}

TEST(Header, ACutMainHeaderIsCorrupt) {
  Bytes whole = test::main_header();
  for (std::size_t size : {12, 13, 52, 4095}) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THAT(error_of(Errc::corrupt, [&] { parse_main(cut); }),
                HasSubstr(fmt::format("the file has {}", size)));
  }
  for (std::size_t size = 1; size < 12; ++size) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    error_of(Errc::refused, [&] { parse_main(cut); });
  }
}

TEST(Header, AFileFromBeforeDuckDb09IsUnsupported) {
  EXPECT_THAT(error_of(Errc::unsupported, [] { parse_main(test::main_header({.version = 51})); }),
              HasSubstr("storage version 51 is from before DuckDB 0.9"));
}

TEST(Header, EncryptionIsToldByCipherAndLayout) {
  for (bool v1 : {false, true}) {
    for (auto cipher : {Encryption::Cipher::gcm, Encryption::Cipher::ctr}) {
      test::Sealer sealer({.authenticated_v1 = v1, .cipher = cipher}, {}, "secret");
      MainHeader main = parse_main(test::main_header({.version = 67, .sealer = &sealer}));
      ASSERT_TRUE(main.encryption);
      EXPECT_EQ(main.encryption->cipher, cipher);
      EXPECT_EQ(main.encryption->nonce_bytes(), v1 ? 12u : 16u);
    }
  }
}

TEST(Header, AnUnknownCipherOrLayoutIsUnsupported) {
  test::Sealer sealer({}, {}, "secret");
  for (auto [offset, value] : {std::pair{118, 0}, {118, 3}, {118, 255}, {119, 2}}) {
    Bytes bytes = test::main_header({.version = 67, .sealer = &sealer});
    bytes[static_cast<std::size_t>(offset)] = static_cast<std::uint8_t>(value);
    test::fix_checksum(bytes);
    EXPECT_THAT(error_of(Errc::unsupported, [&] { parse_main(bytes); }), HasSubstr("app.duckdb"));
  }
}

TEST(Header, AnotherIdentifierChangesNothingElse) {
  MainHeader main = parse_main(test::main_header({.version = 65}));
  DatabaseId identifier;
  identifier.fill(0xee);
  auto raw = with_identifier(main, identifier);
  MainHeader patched = parse_main(Bytes(raw.begin(), raw.end()));
  EXPECT_EQ(patched.identifier, identifier);
  for (std::size_t i = 8; i < raw.size(); ++i) {
    if (i < 124 || i >= 140) {
      EXPECT_EQ(raw[i], main.raw[i]) << i;
    }
  }
}

TEST(Header, ASlotTellsTheFieldsOfItsCheckpoint) {
  auto header = parse_slot(test::slot(some_header()));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->iteration, 7u);
  EXPECT_EQ(header->meta_block, 3u);
  EXPECT_EQ(header->free_list, test::pointer(3, 1));
  EXPECT_EQ(header->block_count, 9u);
  EXPECT_EQ(header->block_bytes, 16384u);
  EXPECT_EQ(header->serialization, 4u);
}

TEST(Header, AFlippedByteOfASlotMeansItIsBeingWritten) {
  Bytes good = test::slot(some_header());
  for (std::size_t i = 0; i < good.size(); i += 3) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    EXPECT_FALSE(parse_slot(bad)) << i;
  }
}

TEST(Header, FieldsOfOldVersionsHaveTheirDefaults) {
  DatabaseHeader old = some_header();
  old.block_bytes = 0;
  old.vector_size = 0;
  old.serialization = 0x6974736575716572;  // what the buffer held before
  auto header = parse_slot(test::slot(old), 64);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->block_bytes, 262144u);
  EXPECT_EQ(header->vector_size, 2048u);
  EXPECT_EQ(header->serialization, 1u);
}

TEST(Header, AnImpossibleBlockSizeIsCorrupt) {
  for (std::uint32_t size : {1u, 8192u, 16383u, 24576u, 524288u, 1u << 31}) {
    DatabaseHeader header = some_header();
    header.block_bytes = size;
    EXPECT_THAT(error_of(Errc::corrupt, [&] { parse_slot(test::slot(header)); }),
                HasSubstr(fmt::format("not {}", size)));
  }
}

TEST(Header, AnImpossibleBlockCountIsCorrupt) {
  DatabaseHeader header = some_header();
  for (std::uint64_t count : {std::uint64_t{1} << 45, ~std::uint64_t{0}}) {
    header.block_count = count;
    error_of(Errc::corrupt, [&] { parse_slot(test::slot(header)); });
  }
  header.block_count = (std::uint64_t{1} << 45) - 1;
  EXPECT_TRUE(parse_slot(test::slot(header)));
}

TEST(Header, TheSlotWithTheLargerIterationIsActive) {
  auto active = [](std::uint64_t first, std::uint64_t second) {
    DatabaseHeader one = some_header();
    DatabaseHeader two = some_header();
    one.iteration = first;
    two.iteration = second;
    Bytes bytes = test::main_header();
    for (const Bytes& slot : {test::slot(one), test::slot(two)}) {
      bytes.insert(bytes.end(), slot.begin(), slot.end());
    }
    MemorySource file("app.duckdb", bytes);
    return read_slots(file, read_main_header(file), nullptr)->active;
  };
  EXPECT_EQ(active(8, 7), 0);
  EXPECT_EQ(active(7, 8), 1);
  EXPECT_EQ(active(7, 7), 1);
}

TEST(Header, ThereAreNoSlotsWhileEitherIsBeingWritten) {
  test::DatabaseBuilder database;
  Bytes good = database.file();
  for (std::size_t offset : {4096 + 8, 8192 + 4095}) {
    Bytes bytes = good;
    bytes[offset] ^= 1;
    MemorySource file("app.duckdb", bytes);
    EXPECT_FALSE(read_slots(file, read_main_header(file), nullptr));
  }
}

TEST(Header, AFileThatEndsInTheSlotsIsCorrupt) {
  Bytes whole = test::DatabaseBuilder().file();
  for (std::size_t size : {4096, 8192, 12287}) {
    MemorySource file("app.duckdb", ByteView(whole).first(size));
    EXPECT_THAT(error_of(Errc::corrupt, [&] { read_slots(file, read_main_header(file), nullptr); }),
                HasSubstr(fmt::format("the file ends at {}", size)));
  }
}

StorageVersion version_of(std::uint64_t main_version, std::uint64_t serialization) {
  MainHeader main;
  main.version = main_version;
  DatabaseHeader header;
  header.serialization = serialization;
  return storage_version(main, header);
}

TEST(Header, TheStorageVersionIsTheLargerOfTheTwoFields) {
  EXPECT_EQ(version_of(64, 1).number, 64u);
  EXPECT_EQ(version_of(65, 4).number, 65u);
  EXPECT_EQ(version_of(66, 5).number, 66u);
  EXPECT_EQ(version_of(67, 6).number, 67u);
  EXPECT_EQ(version_of(68, 7).number, 68u);
  // Upgraded in place: the main header stays at 65.
  EXPECT_EQ(version_of(65, 7).number, 68u);
  // DuckDB 2.0 writes its number into the slot and 999 into the main header.
  EXPECT_EQ(version_of(999, 69).number, 69u);
  EXPECT_EQ(version_of(65, 69).number, 69u);
  // Some old writers stored the number 64 there.
  EXPECT_EQ(version_of(65, 64).number, 65u);
}

TEST(Header, TheStorageVersionNamesTheOldestDuckDbThatReadsIt) {
  EXPECT_EQ(version_of(64, 1).needs, "DuckDB 1.0");
  EXPECT_EQ(version_of(68, 7).needs, "DuckDB 1.5");
  EXPECT_EQ(version_of(999, 69).needs, "DuckDB 2.0");
  StorageVersion newer = version_of(999, 70);
  EXPECT_FALSE(newer.known);
  EXPECT_EQ(newer.number, 70u);
  EXPECT_EQ(newer.needs, "a DuckDB newer than 2.0");
}

TEST(Header, HostileVersionFieldsGiveAnUnknownVersion) {
  for (std::uint64_t field : {std::uint64_t{0}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    EXPECT_FALSE(version_of(999, field).known) << field;
  }
  EXPECT_FALSE(version_of(65, ~std::uint64_t{0}).known);
}

}  // namespace
}  // namespace duckback
