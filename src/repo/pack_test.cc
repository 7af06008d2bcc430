#include "repo/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/repo_objects.h"

namespace duckback {
namespace {

Bytes compressed(ByteView chunk, Compression compression) {
  Bytes room;
  ByteView stored = compress_chunk(chunk, compression, room);
  return {stored.begin(), stored.end()};
}

using test::error_of;
using test::Fields;
using testing::HasSubstr;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }
Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// Text that zstd makes small.
Bytes words(std::size_t count, std::size_t seed = 0) {
  std::string text;
  while (text.size() < count) text += fmt::format("row {} of many; ", seed + text.size() / 100);
  text.resize(count);
  return bytes_of(text);
}

class Pack : public testing::TestWithParam<bool> {
 protected:
  Namer namer{test::a_secret()};
  Sealer sealer{test::kRepository,
                GetParam() ? std::optional<Secret>(test::a_secret()) : std::nullopt};
  MemoryStore store;
  std::mt19937_64 random{1};

  PackBuilder::Finished pack(const std::vector<Bytes>& chunks,
                             ObjectKind kind = ObjectKind::data_pack) {
    PackBuilder builder(sealer, kind);
    for (const Bytes& chunk : chunks) {
      builder.add(namer.chunk_id(chunk), compressed(chunk, Compression::normal), chunk.size());
    }
    PackBuilder::Finished finished = std::move(builder).finish();
    store.put(pack_key(finished.info.id), finished.bytes);
    return finished;
  }

  // All that the pack holds, as somebody reads it who has nothing but the pack.
  std::vector<Bytes> read(const std::string& pack_id, std::uint64_t pack_bytes) {
    PackDirectory directory = read_pack_directory(store, sealer, pack_id, pack_bytes);
    std::string key = pack_key(pack_id);
    ObjectSealer object = sealer.reopen(directory.info.kind, directory.info.salt);
    std::vector<Bytes> chunks;
    for (const PackedChunk& chunk : directory.chunks) {
      Bytes section = store.get(key, {chunk.offset, chunk.stored + kTagBytes});
      chunks.push_back(unpack_chunk(object.open(chunk.offset, chunk.id.digest, section, key), chunk,
                                    namer, key));
    }
    return chunks;
  }

  std::string damage_of_directory(ByteView chunks, const Bytes& directory) {
    test::Object object = test::raw_pack(sealer.begin(ObjectKind::data_pack), chunks, directory);
    store.put(pack_key(object.id), object.bytes);
    std::string message = error_of(
        Errc::damaged, [&] { read_pack_directory(store, sealer, object.id, object.bytes.size()); });
    EXPECT_THAT(message, HasSubstr(pack_key(object.id)));
    return message;
  }

  std::string damage_of_chunk(Bytes stored, std::size_t raw) {
    auto length = static_cast<std::uint32_t>(stored.size());
    return error_of(Errc::damaged, [&] {
      unpack_chunk(std::move(stored), {{}, 44, length, static_cast<std::uint32_t>(raw)}, namer,
                   "packs/12/1234");
    });
  }
};

INSTANTIATE_TEST_SUITE_P(, Pack, testing::Bool(),
                         [](const auto& test) { return test.param ? "encrypted" : "plain"; });

TEST(CompressChunk, StoresWhatShrinksAsAFrameOfItsSize) {
  Namer namer(test::a_secret());
  for (Compression compression : {Compression::normal, Compression::max}) {
    for (std::size_t size : {100u, 12'288u, 262'144u - 8, 1u << 20}) {
      Bytes chunk = words(size);
      Bytes stored = compressed(chunk, compression);
      EXPECT_LT(stored.size(), size - size / 16);
      EXPECT_EQ(ZSTD_getFrameContentSize(stored.data(), stored.size()), size);
      PackedChunk packed{namer.chunk_id(chunk), 44, static_cast<std::uint32_t>(stored.size()),
                         static_cast<std::uint32_t>(size)};
      EXPECT_EQ(unpack_chunk(stored, packed, namer, "a pack"), chunk);
    }
  }
}

TEST(CompressChunk, StoresWhatSavesLessThanASixteenthAsItIs) {
  std::mt19937_64 random(2);
  for (Compression compression : {Compression::normal, Compression::max}) {
    Bytes chunk = test::random_bytes(random, 64'000);
    EXPECT_EQ(compressed(chunk, compression), chunk);
    std::fill(chunk.begin(), chunk.begin() + 64'000 / 20, std::uint8_t{0});
    EXPECT_EQ(compressed(chunk, compression), chunk);
    std::fill(chunk.begin(), chunk.begin() + 64'000 / 10, std::uint8_t{0});
    EXPECT_LT(compressed(chunk, compression).size(), 60'000u);
    for (std::size_t size = 0; size < 16; ++size) {
      Bytes tiny(size);
      EXPECT_EQ(compressed(tiny, compression).size(), size);
    }
  }
}

TEST(CompressChunk, LeavesAllAsItIsWhenSwitchedOff) {
  EXPECT_EQ(compressed(words(5000), Compression::off), words(5000));
}

TEST_P(Pack, GivesBackItsChunksByItsDirectory) {
  std::vector<Bytes> chunks = {
      words(262'144), test::random_bytes(random, 5000), words(1), {}, Bytes(1 << 20)};
  for (ObjectKind kind : {ObjectKind::data_pack, ObjectKind::map_pack}) {
    PackBuilder::Finished finished = pack(chunks, kind);
    EXPECT_EQ(finished.info.bytes, finished.bytes.size());
    EXPECT_EQ(finished.info.id, test::named(finished.bytes).id);
    PackDirectory directory =
        read_pack_directory(store, sealer, finished.info.id, finished.bytes.size());
    EXPECT_EQ(directory.info, finished.info);
    ASSERT_EQ(directory.chunks.size(), chunks.size());
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_EQ(directory.chunks[i].id, namer.chunk_id(chunks[i]));
      EXPECT_EQ(directory.chunks[i].offset, finished.chunks[i].offset);
      EXPECT_EQ(directory.chunks[i].stored, finished.chunks[i].stored);
      EXPECT_EQ(directory.chunks[i].raw, chunks[i].size());
    }
    EXPECT_EQ(read(finished.info.id, finished.info.bytes), chunks);
  }
}

TEST_P(Pack, OfTheSameChunksNeverHasTheSameNameTwice) {
  EXPECT_NE(pack({words(100)}).info.id, pack({words(100)}).info.id);
}

TEST_P(Pack, HasADirectoryOfAnyLength) {
  for (std::size_t count : {0u, 1u, 1637u, 1638u, 1639u, 5000u}) {  // 64 KiB hold 1637 entries
    std::vector<Bytes> chunks;
    for (std::size_t i = 0; i < count; ++i) chunks.push_back(bytes_of(fmt::format("{}", i)));
    PackBuilder::Finished finished = pack(chunks);
    EXPECT_EQ(read(finished.info.id, finished.info.bytes), chunks);
  }
}

TEST_P(Pack, IsFullWithSoManyBytesOrChunks) {
  PackBuilder large(sealer, ObjectKind::data_pack);
  Bytes chunk = test::random_bytes(random, 1 << 20);
  for (int i = 0; i < 32; ++i) {
    EXPECT_FALSE(large.full());
    large.add(test::chunk_id(1), chunk, chunk.size());
  }
  EXPECT_TRUE(large.full());

  PackBuilder many(sealer, ObjectKind::data_pack);
  for (std::size_t i = 0; i < kPackChunksMost; ++i) many.add(test::chunk_id(1), Bytes(1), 1);
  EXPECT_TRUE(many.full());
  PackBuilder::Finished finished = std::move(many).finish();
  store.put(pack_key(finished.info.id), finished.bytes);
  EXPECT_EQ(read_pack_directory(store, sealer, finished.info.id, finished.info.bytes).chunks.size(),
            kPackChunksMost);
}

// Nothing in a pack is irrelevant: the footer leads to the directory, all else is sealed.
TEST_P(Pack, ShowsEveryFlippedBitWhenItIsRead) {
  std::vector<Bytes> chunks = {words(300), bytes_of("chunk"), {}};
  PackBuilder::Finished finished = pack(chunks, ObjectKind::map_pack);
  ASSERT_EQ(read(finished.info.id, finished.info.bytes), chunks);
  for (std::size_t bit = 0; bit < finished.bytes.size() * 8; ++bit) {
    Bytes flipped = finished.bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    store.put(pack_key(finished.info.id), flipped);
    try {
      read(finished.info.id, finished.info.bytes);
      ADD_FAILURE() << "bit " << bit % 8 << " of byte " << bit / 8;
    } catch (const Error& error) {
      bool is_version = bit / 8 == 9;
      EXPECT_TRUE(error.code() == Errc::damaged ||
                  (is_version && error.code() == Errc::unsupported))
          << error.what();
      EXPECT_THAT(error.what(), HasSubstr(pack_key(finished.info.id)));
    }
  }
}

TEST_P(Pack, ThatIsTruncatedOrOverlongIsDamaged) {
  PackBuilder::Finished finished = pack({words(100)});
  for (std::size_t size = 0; size < finished.bytes.size(); ++size) {
    store.put(pack_key(finished.info.id), ByteView(finished.bytes).first(size));
    error_of(Errc::damaged, [&] { read(finished.info.id, size); });
    error_of(Errc::damaged, [&] { read(finished.info.id, finished.info.bytes); });
  }
  Bytes longer = finished.bytes;
  longer.push_back(0);
  store.put(pack_key(finished.info.id), longer);
  error_of(Errc::damaged, [&] { read(finished.info.id, longer.size()); });
}

TEST_P(Pack, ThatIsGoneIsNotFound) {
  EXPECT_THAT(error_of(Errc::not_found, [&] { read(std::string(64, 'a'), 1000); }),
              HasSubstr(pack_key(std::string(64, 'a'))));
}

TEST_P(Pack, WithAFooterThatLiesIsDamaged) {
  PackBuilder::Finished finished = pack({words(100)});
  std::size_t footer = finished.bytes.size() - 8;
  auto right = load_le<std::uint32_t>(finished.bytes.data() + footer);
  for (std::uint32_t length : {0u, 15u, 16u, right - 40, right - 1, right + 1, right + 40,
                               static_cast<std::uint32_t>(footer), 0x7fffffffu, 0xffffffffu}) {
    store_le(finished.bytes.data() + footer, length);
    store.put(pack_key(finished.info.id), finished.bytes);
    error_of(Errc::damaged, [&] { read(finished.info.id, finished.info.bytes); });
  }
}

TEST_P(Pack, WithADirectoryThatDoesNotFitIsDamaged) {
  Bytes chunk(100 + kTagBytes);
  auto entry = [](std::uint32_t stored, std::uint32_t raw) {
    return Fields().add(test::chunk_id(1).digest).number(stored).number(raw).bytes();
  };
  const Bytes two = Fields().add(entry(84, 84)).add(entry(0, 0)).bytes();
  test::Object good = test::raw_pack(sealer.begin(ObjectKind::data_pack), chunk, two);
  store.put(pack_key(good.id), good.bytes);
  EXPECT_EQ(read_pack_directory(store, sealer, good.id, good.bytes.size()).chunks.size(), 2u);

  EXPECT_THAT(damage_of_directory(chunk, entry(101, 101)), HasSubstr("lengths"));
  EXPECT_THAT(damage_of_directory(chunk, entry(0xffffffff, 0xffffffff)), HasSubstr("lengths"));
  EXPECT_THAT(damage_of_directory(chunk, entry(100, 99)), HasSubstr("lengths"));
  EXPECT_THAT(damage_of_directory(chunk, entry(100, (1 << 20) + 1)), HasSubstr("lengths"));
  EXPECT_THAT(damage_of_directory(chunk, entry(99, 99)), HasSubstr("116 bytes in all"));
  EXPECT_THAT(damage_of_directory(chunk, {}), HasSubstr("116 bytes in all"));
  Bytes part = entry(100, 100);
  part.pop_back();
  EXPECT_THAT(damage_of_directory(chunk, part), HasSubstr("a chunk's length"));
  EXPECT_THAT(damage_of_directory({}, Bytes((kPackChunksMost + 1) * 40)), HasSubstr("length"));
}

TEST_P(Pack, LargerThanAnyIsDamaged) {
  EXPECT_THAT(
      error_of(Errc::damaged,
               [&] { read_pack_directory(store, sealer, std::string(64, 'a'), 1ull << 40); }),
      HasSubstr("no pack has"));
}

TEST_P(Pack, OfAnotherKindIsDamaged) {
  test::Object object = test::raw_pack(sealer.begin(ObjectKind::index), {}, {});
  store.put(pack_key(object.id), object.bytes);
  error_of(Errc::damaged,
           [&] { read_pack_directory(store, sealer, object.id, object.bytes.size()); });
}

TEST_P(Pack, HoldsNoFrameThatClaimsAnotherSize) {
  Bytes chunk = words(1000);
  Bytes frame = compressed(chunk, Compression::normal);
  EXPECT_THAT(damage_of_chunk(frame, 999), HasSubstr("no zstd frame of 999 bytes"));
  EXPECT_THAT(damage_of_chunk(frame, 1 << 20), HasSubstr("no zstd frame"));
  EXPECT_THAT(damage_of_chunk(frame, (1 << 20) + 1), HasSubstr("to become 1048577"));
  EXPECT_THAT(damage_of_chunk(frame, 1000), HasSubstr("other bytes"));
  EXPECT_THAT(damage_of_chunk(Bytes(frame.begin(), frame.end() - 1), 1000), HasSubstr("no zstd"));
  EXPECT_THAT(damage_of_chunk({}, 1000), HasSubstr("no zstd"));
  EXPECT_THAT(damage_of_chunk(Bytes(10), 9), HasSubstr("to become 9"));

  // A frame that keeps its size to itself.
  Bytes unsized(ZSTD_compressBound(chunk.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  unsized.resize(
      ZSTD_compress2(context, unsized.data(), unsized.size(), chunk.data(), chunk.size()));
  ZSTD_freeCCtx(context);
  EXPECT_THAT(damage_of_chunk(unsized, 1000), HasSubstr("no zstd"));
}

TEST_P(Pack, ProvesItsChunksByTheirIds) {
  Bytes chunk = bytes_of("one");
  PackedChunk packed{namer.chunk_id(chunk), 44, 3, 3};
  EXPECT_EQ(text_of(unpack_chunk(chunk, packed, namer, "a pack")), "one");
  EXPECT_THAT(error_of(Errc::damaged,
                       [&] { unpack_chunk(bytes_of("two"), packed, namer, "packs/ab/abc"); }),
              HasSubstr("packs/ab/abc: what is stored as chunk"));
}

}  // namespace
}  // namespace duckback
