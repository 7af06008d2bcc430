#include "repo/chunk_id.h"

#include <gtest/gtest.h>

#include <set>

namespace duckback {
namespace {

Secret counting_secret(std::uint8_t first) {
  std::array<std::uint8_t, Secret::kBytes> bytes{};
  for (std::uint8_t& byte : bytes) byte = first++;
  return Secret(bytes);
}

// The expected values were computed by another implementation of BLAKE3.
TEST(Namer, AChunkIsNamedAsTheFormatSays) {
  Namer namer(counting_secret(0));
  EXPECT_EQ(namer.chunk_id(as_bytes("a chunk")).hex(),
            "63de3220734bac3363e54ced21a30c021bce8088e65842a5384e6efb4303ac83");
}

TEST(Namer, ADatabaseIsNamedAsTheFormatSays) {
  Namer namer(counting_secret(0));
  EXPECT_EQ(namer.database_id(std::string_view("host\0/path", 10)), "daa0e0129433979c");
}

TEST(Namer, RepositoriesNameTheSameChunkDifferently) {
  Namer one(counting_secret(0));
  Namer other(counting_secret(1));
  ByteView chunk = as_bytes("a chunk");
  EXPECT_NE(one.chunk_id(chunk), other.chunk_id(chunk));
  EXPECT_NE(one.fingerprint(chunk), other.fingerprint(chunk));
  EXPECT_NE(one.database_id("x"), other.database_id("x"));
}

TEST(Namer, EveryByteOfAChunkCounts) {
  Namer namer(counting_secret(0));
  for (std::size_t bytes : {1u, 16u, 17u, 200u, 241u, 4096u}) {
    Bytes chunk(bytes, 7);
    std::set<ChunkId> ids = {namer.chunk_id(chunk)};
    std::set<Fingerprint> fingerprints = {namer.fingerprint(chunk)};
    for (std::uint8_t& byte : chunk) {
      byte ^= 0x40;
      ids.insert(namer.chunk_id(chunk));
      fingerprints.insert(namer.fingerprint(chunk));
      byte ^= 0x40;
    }
    EXPECT_EQ(ids.size(), bytes + 1);
    EXPECT_EQ(fingerprints.size(), bytes + 1);
    EXPECT_EQ(namer.fingerprint(chunk), namer.fingerprint(Bytes(bytes, 7)));
  }
}

TEST(Namer, AnEmptyChunkHasANameToo) {
  Namer namer(counting_secret(0));
  EXPECT_EQ(namer.chunk_id({}), namer.chunk_id(Bytes()));
  EXPECT_NE(namer.chunk_id({}), namer.chunk_id(Bytes(1)));
  EXPECT_EQ(namer.fingerprint({}), namer.fingerprint(Bytes()));
}

}  // namespace
}  // namespace duckback
