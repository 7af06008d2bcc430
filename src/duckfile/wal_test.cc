#include "duckfile/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/duckfile_builder.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using test::WalBuilder;
using testing::HasSubstr;

WalContent scan(ByteView bytes, std::optional<Encryption> encryption = {},
                const BlockCipher* cipher = nullptr) {
  MemorySource file("app.duckdb.wal", bytes);
  return WalScanner(file, encryption, cipher).scan();
}

DatabaseId high_identifier() {
  DatabaseId identifier;
  for (std::size_t i = 0; i < identifier.size(); ++i) {
    identifier[i] = static_cast<std::uint8_t>(0xff - i * 15);
  }
  return identifier;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs(const std::vector<ByteRange>& ranges) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> result;
  for (const ByteRange& range : ranges) result.push_back({range.begin, range.end});
  return result;
}
using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST(Wal, AnEmptyFileHasNoHeaderYet) {
  WalContent content = scan({});
  EXPECT_FALSE(content.header);
  EXPECT_EQ(content.commits, 0u);
  EXPECT_FALSE(content.bad_entry);
}

TEST(Wal, AHeaderAloneHoldsNoCommits) {
  WalBuilder wal;
  WalContent content = scan(wal.bytes());
  ASSERT_TRUE(content.header);
  EXPECT_FALSE(content.header->encrypted);
  EXPECT_FALSE(content.header->identifier);
  EXPECT_FALSE(content.header->iteration);
  EXPECT_EQ(content.commits, 0u);
  EXPECT_EQ(content.committed_end, wal.size());
  EXPECT_EQ(content.header->bytes, wal.size());
}

// Bytes from 0x80 on take two bytes each in the file.
TEST(Wal, TheHeaderNamesItsDatabaseAndIteration) {
  for (std::uint64_t iteration :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{1} << 40}) {
    WalBuilder wal(high_identifier(), iteration);
    wal.commit();
    WalContent content = scan(wal.bytes());
    ASSERT_TRUE(content.header);
    EXPECT_EQ(content.header->identifier, high_identifier());
    EXPECT_EQ(content.header->iteration, iteration);
    EXPECT_EQ(content.commits, 1u);
  }
}

TEST(Wal, AHalfWrittenHeaderIsNoHeaderYet) {
  WalBuilder wal(high_identifier(), 300);
  for (std::size_t size = 0; size < wal.size(); ++size) {
    EXPECT_FALSE(scan(ByteView(wal.bytes()).first(size)).header) << size;
  }
  EXPECT_TRUE(scan(wal.bytes()).header);
}

TEST(Wal, AFileThatBeginsOtherwiseIsCorrupt) {
  Bytes foreign(200, 'x');
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(foreign); }),
              HasSubstr("app.duckdb.wal: expected the type of the WAL's first entry"));
  Bytes zeros(4096);
  error_of(Errc::corrupt, [&] { scan(zeros); });
  Bytes other_entry = WalBuilder().bytes();
  other_entry[2] = 26;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(other_entry); }),
              HasSubstr("a WAL version entry"));
}

TEST(Wal, AnUnknownVersionIsUnsupported) {
  for (int version : {0, 1, 4, 127}) {
    Bytes bytes = WalBuilder().bytes();
    bytes[5] = static_cast<std::uint8_t>(version);
    EXPECT_THAT(error_of(Errc::unsupported, [&] { scan(bytes); }),
                HasSubstr(fmt::format("WAL version {}", version)));
  }
}

TEST(Wal, AnIdentifierOfAnotherLengthIsCorrupt) {
  WalBuilder wal(DatabaseId{}, 1);
  Bytes bytes = wal.bytes();
  bytes[8] = 15;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(bytes); }), HasSubstr("identifier of 16 bytes"));
  bytes[8] = 16;
  bytes[9] = 0x80 | 1;  // 1 + 2 * 128 = 257, and all that follows moves
  bytes[10] = 2;
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(bytes); }), HasSubstr("identifier bytes"));
}

TEST(Wal, ATornTailIsCutAtTheLastCommit) {
  WalBuilder wal(high_identifier(), 9);
  std::vector<std::uint64_t> ends = {wal.size()};
  for (int i = 0; i < 3; ++i) {
    wal.insert(33).insert(47).flush();
    ends.push_back(wal.size());
  }
  for (std::size_t size = ends[0]; size <= wal.size(); ++size) {
    WalContent content = scan(ByteView(wal.bytes()).first(size));
    std::size_t commits = 0;
    while (commits + 1 < ends.size() && ends[commits + 1] <= size) ++commits;
    ASSERT_EQ(content.commits, commits) << size;
    ASSERT_EQ(content.committed_end, ends[commits]) << size;
    ASSERT_EQ(content.end_before_row_groups, ends[commits]) << size;
    ASSERT_FALSE(content.bad_entry) << size;
    ASSERT_FALSE(content.marker) << size;
    ASSERT_LE(content.scanned_end, size);
  }
}

TEST(Wal, AnEntryWithAWrongChecksumEndsTheScan) {
  WalBuilder wal;
  std::uint64_t start = wal.commit().size();
  std::uint64_t end = wal.commit().size();
  for (std::uint64_t at = start + 8; at < end; ++at) {
    // Another size makes the entry reach elsewhere.
    std::uint64_t second = start + 16 + 40;
    if (at >= second && at < second + 8) continue;
    Bytes bytes = wal.bytes();
    bytes[at] ^= 1;
    WalContent content = scan(bytes);
    EXPECT_TRUE(content.bad_entry) << at;
    EXPECT_EQ(content.commits, 1u);
    EXPECT_EQ(content.committed_end, start);
    EXPECT_EQ(content.scanned_end, at < second ? start : second);
  }
}

TEST(Wal, AnEntryLongerThanTheFileIsIncomplete) {
  for (std::uint64_t size :
       {std::uint64_t{1} << 20, std::uint64_t{1} << 48, (std::uint64_t{1} << 48) + 1,
        ~std::uint64_t{0}, ~std::uint64_t{0} - 16}) {
    WalBuilder wal;
    std::uint64_t end = wal.commit().size();
    Bytes bytes = wal.bytes();
    bytes.resize(bytes.size() + 100);
    store_le(bytes.data() + end, size);
    WalContent content = scan(bytes);
    EXPECT_EQ(content.committed_end, end) << size;
    EXPECT_EQ(content.scanned_end, end) << size;
    EXPECT_FALSE(content.bad_entry) << size;
  }
}

TEST(Wal, ATailOfZerosIsNoEntry) {
  WalBuilder wal;
  wal.commit();
  Bytes bytes = wal.bytes();
  bytes.resize(bytes.size() + 500);
  WalContent content = scan(bytes);
  EXPECT_EQ(content.committed_end, wal.size());
  EXPECT_TRUE(content.bad_entry);
}

TEST(Wal, EntriesOfManyMegabytesAreCheckedPieceByPiece) {
  for (std::size_t bytes : {(1u << 20) - 1, 1u << 20, (1u << 20) + 1, (3u << 20) + 5, 8u << 20}) {
    WalBuilder wal;
    wal.insert(bytes).flush();
    EXPECT_EQ(scan(wal.bytes()).commits, 1u) << bytes;
    Bytes flipped = wal.bytes();
    flipped[flipped.size() - 40] ^= 0x40;
    EXPECT_TRUE(scan(flipped).bad_entry) << bytes;
  }
}

TEST(Wal, AGrownFileIsScannedOnFromTheLastCommit) {
  WalBuilder wal(high_identifier(), 3);
  std::vector<std::uint64_t> ends;
  for (int i = 0; i < 5; ++i) ends.push_back(wal.insert(20).insert(30).flush().size());
  struct Growing : ByteSource {
    const Bytes* bytes;
    std::size_t visible = 0;
    std::uint64_t size() const override { return visible; }
    std::string name() const override { return "growing"; }
    std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
      return MemorySource("", ByteView(*bytes).first(visible)).read_at(offset, to);
    }
  } file;
  file.bytes = &wal.bytes();
  WalScanner scanner(file, {}, nullptr);
  for (file.visible = 0; file.visible <= wal.size(); ++file.visible) {
    const WalContent& content = scanner.scan();
    WalContent fresh = scan(ByteView(wal.bytes()).first(file.visible));
    ASSERT_EQ(content.commits, fresh.commits) << file.visible;
    ASSERT_EQ(content.committed_end, fresh.committed_end) << file.visible;
    ASSERT_EQ(content.scanned_end, fresh.scanned_end) << file.visible;
  }
  EXPECT_EQ(scanner.content().commits, 5u);
}

// A failed commit is cut off, and the next one written in its place.
TEST(Wal, WhatIsRewrittenBehindTheLastCommitIsReadAnew) {
  WalBuilder first;
  first.commit();
  Bytes bytes = first.bytes();
  WalBuilder failed = first;
  failed.row_groups().insert(90);
  WalBuilder next = first;
  next.insert(60).flush();

  struct Current : ByteSource {
    const Bytes* bytes;
    std::uint64_t size() const override { return bytes->size(); }
    std::string name() const override { return "current"; }
    std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
      return MemorySource("", *bytes).read_at(offset, to);
    }
  } file;
  file.bytes = &failed.bytes();
  WalScanner scanner(file, {}, nullptr);
  EXPECT_EQ(scanner.scan().commits, 1u);
  file.bytes = &next.bytes();
  EXPECT_EQ(scanner.scan().commits, 2u);
  EXPECT_EQ(scanner.content().committed_end, next.size());
  EXPECT_FALSE(scanner.content().has_row_groups);
}

TEST(Wal, RowGroupsCountFromTheirCommitOn) {
  WalBuilder wal;
  std::uint64_t before = wal.commit().size();
  wal.insert().row_groups();
  EXPECT_FALSE(scan(wal.bytes()).has_row_groups);
  std::uint64_t with = wal.flush().size();
  std::uint64_t after = wal.commit().size();
  for (std::uint64_t size : {with, after}) {
    WalContent content = scan(ByteView(wal.bytes()).first(size));
    EXPECT_TRUE(content.has_row_groups);
    EXPECT_EQ(content.end_before_row_groups, before);
    EXPECT_EQ(content.committed_end, size);
  }
  EXPECT_FALSE(scan(ByteView(wal.bytes()).first(before)).has_row_groups);
}

TEST(Wal, AMarkerNamesTheCatalogRootOfItsCheckpoint) {
  for (std::uint64_t root : {std::uint64_t{0}, std::uint64_t{5}, test::pointer(3, 63),
                             test::pointer((std::uint64_t{1} << 40) + 1, 17)}) {
    for (std::uint32_t offset : {0u, 8u, 4080u}) {
      WalBuilder wal;
      std::uint64_t end = wal.commit().size();
      wal.checkpoint(root, offset);
      WalContent content = scan(wal.bytes());
      ASSERT_TRUE(content.marker);
      EXPECT_EQ(content.marker->meta_block, root);
      EXPECT_EQ(content.marker->range.begin, end);
      EXPECT_EQ(content.marker->range.end, wal.size());
      EXPECT_EQ(content.committed_end, end);
      EXPECT_EQ(content.commits, 1u);
      EXPECT_EQ(pairs(shipped_ranges(content, content.committed_end)), (Pairs{{0, end}}));
    }
  }
}

TEST(Wal, AMarkerCountsBeforeItsFlushIsThere) {
  WalBuilder wal;
  std::uint64_t end = wal.commit().size();
  wal.checkpoint(7);
  std::uint64_t flush = 16 + 5;
  for (std::uint64_t size = wal.size() - flush; size < wal.size(); ++size) {
    WalContent content = scan(ByteView(wal.bytes()).first(size));
    ASSERT_TRUE(content.marker) << size;
    EXPECT_EQ(content.marker->meta_block, 7u);
    EXPECT_EQ(content.marker->range.begin, end);
    EXPECT_EQ(content.committed_end, end);
  }
  EXPECT_FALSE(scan(ByteView(wal.bytes()).first(wal.size() - flush - 1)).marker);
}

TEST(Wal, AnOpenMarkerThatIsCutOffAgainIsForgotten) {
  WalBuilder base;
  base.commit();
  WalBuilder marked = base;
  marked.checkpoint(7);
  WalBuilder other = base;
  other.commit();
  Bytes open(marked.bytes().begin(), marked.bytes().end() - 21);
  struct Current : ByteSource {
    const Bytes* bytes;
    std::uint64_t size() const override { return bytes->size(); }
    std::string name() const override { return "current"; }
    std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
      return MemorySource("", *bytes).read_at(offset, to);
    }
  } file;
  file.bytes = &open;
  WalScanner scanner(file, {}, nullptr);
  EXPECT_TRUE(scanner.scan().marker);
  file.bytes = &other.bytes();
  EXPECT_FALSE(scanner.scan().marker);
  EXPECT_EQ(scanner.content().commits, 2u);
  EXPECT_TRUE(scanner.content().stale_markers.empty());
}

TEST(Wal, StaleMarkersAreInTheOrderOfTheFile) {
  WalBuilder wal(high_identifier(), 4);
  std::uint64_t a = wal.commit().size();
  std::uint64_t b = wal.checkpoint(7).size();
  // A CHECKPOINT entry whose FLUSH was lost with a crash.
  std::uint64_t c = wal.entry(Bytes{100, 0, 99, 101, 0, 101, 0, 8, 255, 255, 255, 255}).size();
  std::uint64_t d = wal.commit().size();
  WalContent content = scan(wal.bytes());
  EXPECT_EQ(content.commits, 2u);
  ASSERT_EQ(content.stale_markers.size(), 2u);
  EXPECT_EQ(pairs(shipped_ranges(content, d)), (Pairs{{0, a}, {b, b}, {c, d}}));
}

TEST(Wal, AMarkerWithCommitsBehindItIsStaleAndNotShipped) {
  WalBuilder wal(high_identifier(), 4);
  std::uint64_t a = wal.commit().size();
  std::uint64_t b = wal.checkpoint(7).size();
  std::uint64_t c = wal.commit().size();
  std::uint64_t d = wal.checkpoint(8).checkpoint(9).size();
  std::uint64_t e = wal.commit().size();
  std::uint64_t f = wal.checkpoint(10).size();
  auto check = [&](const WalContent& content) {
    EXPECT_EQ(content.commits, 3u);
    EXPECT_EQ(content.committed_end, e);
    ASSERT_EQ(content.stale_markers.size(), 3u);
    EXPECT_EQ(content.stale_markers[0].range.begin, a);
    EXPECT_EQ(content.stale_markers[0].range.end, b);
    ASSERT_TRUE(content.marker);
    EXPECT_EQ(content.marker->meta_block, 10u);
    EXPECT_EQ(content.marker->range.end, f);
    std::uint64_t between = content.stale_markers[1].range.end;
    EXPECT_EQ(pairs(shipped_ranges(content, e)),
              (Pairs{{0, a}, {b, c}, {between, between}, {d, e}}));
    EXPECT_EQ(pairs(shipped_ranges(content, c)), (Pairs{{0, a}, {b, c}}));
    EXPECT_EQ(pairs(shipped_ranges(content, a)), (Pairs{{0, a}}));
  };
  check(scan(wal.bytes()));

  // The same, seen byte by byte.
  struct Growing : ByteSource {
    const Bytes* bytes;
    std::size_t visible = 0;
    std::uint64_t size() const override { return visible; }
    std::string name() const override { return "growing"; }
    std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
      return MemorySource("", ByteView(*bytes).first(visible)).read_at(offset, to);
    }
  } file;
  file.bytes = &wal.bytes();
  WalScanner scanner(file, {}, nullptr);
  for (file.visible = 0; file.visible < wal.size(); ++file.visible) scanner.scan();
  check(scanner.scan());
}

// DuckDB up to 1.1 appends behind a torn tail: the FLUSH of the marker may be missing.
TEST(Wal, AMarkerWhoseFlushWasLostIsNotShipped) {
  WalBuilder wal;
  std::uint64_t a = wal.commit().size();
  WalBuilder marked = wal;
  marked.checkpoint(7);
  std::uint64_t b = marked.size() - 21;
  Bytes bytes(marked.bytes().begin(), marked.bytes().end() - 21);
  WalBuilder rest;
  std::uint64_t header = rest.size();
  rest.commit();
  bytes.insert(bytes.end(), rest.bytes().begin() + static_cast<std::ptrdiff_t>(header),
               rest.bytes().end());
  WalContent content = scan(bytes);
  EXPECT_EQ(content.commits, 2u);
  EXPECT_FALSE(content.marker);
  EXPECT_EQ(pairs(shipped_ranges(content, content.committed_end)),
            (Pairs{{0, a}, {b, bytes.size()}}));
}

TEST(Wal, AMarkerThatIsNoMarkerIsCorrupt) {
  WalBuilder wal;
  wal.entry(Bytes{100, 0, 99, 101, 0, 100, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0x7f, 0xff, 0xff});
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(wal.bytes()); }),
              HasSubstr("block pointer of at most 64 bits"));
  WalBuilder cut;
  cut.entry(Bytes{100, 0, 99, 101});
  error_of(Errc::corrupt, [&] { scan(cut.bytes()); });
}

TEST(Wal, AnEncryptedWalNeedsAnEncryptedDatabase) {
  test::Sealer sealer({}, {}, "a key");
  WalBuilder wal(std::nullopt, 0, &sealer);
  EXPECT_THAT(error_of(Errc::corrupt, [&] { scan(wal.bytes()); }),
              HasSubstr("its database is not encrypted"));
}

struct SealedWal : testing::TestWithParam<std::tuple<bool, Encryption::Cipher, std::size_t>> {
  Encryption encryption{.authenticated_v1 = std::get<0>(GetParam()),
                        .cipher = std::get<1>(GetParam())};
  test::Sealer sealer{encryption, high_identifier(), "a key"};
  Bytes head =
      test::main_header({.version = 67, .identifier = high_identifier(), .sealer = &sealer});
  MainHeader main = read_main_header(MemorySource("app.duckdb", head));
  BlockCipher cipher{main, "a key"};
  WalBuilder wal{high_identifier(), 6, &sealer};

  SealedWal() { wal.set_tag_bytes(std::get<2>(GetParam())); }
  WalContent with_key() const { return scan(wal.bytes(), encryption, &cipher); }
  WalContent without_key() const { return scan(wal.bytes(), encryption); }
};

TEST_P(SealedWal, CommitsAreFoundWithAndWithoutTheKey) {
  // The first entry is as long as a marker.
  std::uint64_t end = wal.insert(20).insert(3000).flush().commit().size();
  wal.insert(500);
  WalContent open = with_key();
  WalContent closed = without_key();
  EXPECT_EQ(open.header->iteration, 6u);
  for (const WalContent& content : {open, closed}) {
    EXPECT_EQ(content.commits, 2u);
    EXPECT_EQ(content.committed_end, end);
    EXPECT_FALSE(content.marker);
    EXPECT_FALSE(content.bad_entry);
  }
  EXPECT_FALSE(open.has_row_groups);
  // Nobody can see whether there are any.
  EXPECT_TRUE(closed.has_row_groups);
  EXPECT_EQ(closed.end_before_row_groups, closed.header->bytes);
}

TEST_P(SealedWal, ATornTailIsCutAtTheLastCommit) {
  std::vector<std::uint64_t> ends = {wal.size()};
  for (int i = 0; i < 2; ++i) ends.push_back(wal.insert(60).insert(70).flush().size());
  for (std::size_t size = ends[0]; size <= wal.size(); ++size) {
    std::size_t commits = 0;
    while (commits + 1 < ends.size() && ends[commits + 1] <= size) ++commits;
    for (const BlockCipher* key :
         {static_cast<const BlockCipher*>(&cipher), static_cast<const BlockCipher*>(nullptr)}) {
      WalContent content = scan(ByteView(wal.bytes()).first(size), encryption, key);
      // A tagless FLUSH of the first commit looks complete only when the next entry proves it.
      ASSERT_EQ(content.commits, commits) << size;
      ASSERT_EQ(content.committed_end, ends[commits]) << size;
    }
  }
}

TEST_P(SealedWal, RowGroupsAndMarkersAreSeenWithTheKey) {
  std::uint64_t before = wal.commit().size();
  std::uint64_t end = wal.row_groups(90).flush().size();
  wal.checkpoint(test::pointer(4, 2));
  WalContent content = with_key();
  EXPECT_EQ(content.commits, 2u);
  EXPECT_TRUE(content.has_row_groups);
  EXPECT_EQ(content.end_before_row_groups, before);
  ASSERT_TRUE(content.marker);
  EXPECT_EQ(content.marker->meta_block, test::pointer(4, 2));
  EXPECT_EQ(content.committed_end, end);
}

TEST_P(SealedWal, WithoutTheKeyALastEntryAsLongAsAMarkerCountsAsOne) {
  std::uint64_t end = wal.commit().size();
  wal.checkpoint(0, 0);
  WalContent content = without_key();
  ASSERT_TRUE(content.marker);
  EXPECT_EQ(content.marker->meta_block, kNoPointer);
  EXPECT_EQ(content.committed_end, end);
  EXPECT_EQ(content.commits, 1u);
  // With commits behind it, it is shipped: it may have been a small transaction.
  std::uint64_t last = wal.commit().size();
  content = without_key();
  EXPECT_FALSE(content.marker);
  EXPECT_EQ(content.commits, 3u);
  EXPECT_EQ(pairs(shipped_ranges(content, content.committed_end)), (Pairs{{0, last}}));
}

TEST_P(SealedWal, WithoutTheKeyTwoSmallEntriesAreATransaction) {
  std::uint64_t end = wal.commit().insert(12).insert(25).flush().size();
  WalContent content = without_key();
  EXPECT_FALSE(content.marker);
  EXPECT_EQ(content.commits, 2u);
  EXPECT_EQ(content.committed_end, end);
}

TEST_P(SealedWal, AnotherKeyMakesTheFirstEntryBad) {
  wal.commit();
  BlockCipher other(main, "another key");
  WalContent content = scan(wal.bytes(), encryption, &other);
  EXPECT_TRUE(content.bad_entry);
  EXPECT_EQ(content.commits, 0u);
}

TEST_P(SealedWal, EntriesOfManyMegabytesAreCheckedPieceByPiece) {
  for (std::size_t bytes : {(1u << 20) - 8, 1u << 20, (3u << 20) + 5}) {
    WalBuilder large(high_identifier(), 6, &sealer);
    large.set_tag_bytes(std::get<2>(GetParam()));
    large.insert(bytes).flush();
    EXPECT_EQ(scan(large.bytes(), encryption, &cipher).commits, 1u) << bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Wal, SealedWal,
    testing::Values(std::tuple{false, Encryption::Cipher::gcm, 16},
                    std::tuple{true, Encryption::Cipher::gcm, 16},
                    std::tuple{true, Encryption::Cipher::ctr, 0},
                    // DuckDB 1.4 leaves room for a tag that CTR does not have, 1.5 does not.
                    std::tuple{false, Encryption::Cipher::ctr, 16},
                    std::tuple{false, Encryption::Cipher::ctr, 0}),
    [](const auto& set) {
      return std::string(std::get<0>(set.param) ? "V1" : "V0") +
             (std::get<1>(set.param) == Encryption::Cipher::gcm ? "Gcm" : "Ctr") +
             (std::get<2>(set.param) == 0 ? "Tagless" : "Tagged");
    });

}  // namespace
}  // namespace duckback
