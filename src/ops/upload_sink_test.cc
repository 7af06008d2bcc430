#include "ops/upload_sink.h"

#include <gmock/gmock.h>

#include <random>

#include "store/memory_store.h"
#include "test/support/error_of.h"
#include "test/support/living_database.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using test::LivingDatabase;
using testing::HasSubstr;

constexpr std::uint64_t kBlock = 16384;

Digest digest_of(ByteView bytes) {
  Blake3 hash;
  hash.update(bytes);
  return hash.digest();
}

// Counts the parts that arrive.
class CountingStore : public MemoryStore {
 public:
  std::unique_ptr<Upload> begin_upload(std::string_view key) override {
    return std::make_unique<Counting>(*this, MemoryStore::begin_upload(key));
  }
  std::atomic<std::size_t> parts = 0;

 private:
  struct Counting : Upload {
    Counting(CountingStore& to, std::unique_ptr<Upload> upload)
        : store(to), below(std::move(upload)) {}
    void put_part(std::size_t number, ByteView bytes) override {
      ++store.parts;
      below->put_part(number, bytes);
    }
    ObjectInfo complete() override { return below->complete(); }
    CountingStore& store;
    std::unique_ptr<Upload> below;
  };
};

class UploadSinkTest : public testing::Test {
 protected:
  UploadSink sink(std::uint64_t part_bytes, std::uint64_t space = std::uint64_t{1} << 40) {
    return {store_,
            "copy.duckdb",
            {.scratch = folder_.path(), .part_bytes = part_bytes, .space = space}};
  }
  test::TestFolder folder_;
  CountingStore store_;
};

TEST_F(UploadSinkTest, AnImageArrivesByteForByte) {
  LivingDatabase database(40);
  database.free_block(7);
  database.write();
  for (std::uint64_t part_bytes : {13'000, 16'384, 50'000, 1'000'000}) {
    UploadSink to = sink(part_bytes);
    Image image = capture(database.path(), to, {});
    std::optional<UploadSink::Staged> staged = to.finish(image);
    ASSERT_TRUE(staged);
    EXPECT_FALSE(staged->wal);
    error_of(Errc::not_found, [&] { store_.get("copy.duckdb"); });
    staged->database.upload->complete();
    EXPECT_EQ(store_.get("copy.duckdb"), database.image());
    EXPECT_EQ(staged->database.blake3, digest_of(database.image()));
    store_.remove("copy.duckdb");
  }
}

TEST_F(UploadSinkTest, OnlyAFewPartsWaitOnTheDisk) {
  LivingDatabase database(2000);
  UploadSink to = sink(1 << 20, 8 << 20);
  EXPECT_TRUE(to.finish(capture(database.path(), to, {})));
  UploadSink without_any = sink(1 << 20, 1 << 20);
  EXPECT_THAT(error_of(Errc::no_space, [&] { capture(database.path(), without_any, {}); }),
              HasSubstr("--scratch"));
}

// An image as a capture would give it: some blocks before it knows what is to come, the rest in any
// order, in rounds of which all but the last may end early.
class Rounds {
 public:
  explicit Rounds(unsigned seed) : random_(seed) {}

  void run(UploadSink& sink) {
    int last = below(4);
    for (int round = 0; round <= last; ++round) {
      change();
      play(sink, round < last);
    }
  }
  Image image() const {
    Image image;
    std::copy_n(bytes_.begin(), image.head.size(), image.head.begin());
    image.file_bytes = bytes_.size();
    return image;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  int below(int bound) { return std::uniform_int_distribution(0, bound - 1)(random_); }

  void change() {
    std::size_t blocks = static_cast<std::size_t>(1 + below(60));
    bytes_.resize(kBlockStart + blocks * kBlock);
    used_.resize(blocks);
    for (std::size_t id = 0; id < blocks; ++id) {
      if (below(3) > 0) continue;
      used_[id] = id + 1 == blocks || below(4) > 0;
      auto fill = static_cast<std::uint8_t>(used_[id] ? below(256) : 0);
      std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(kBlockStart + id * kBlock), kBlock,
                  fill);
    }
    bytes_[100] = static_cast<std::uint8_t>(below(256));
  }

  void play(UploadSink& sink, bool may_end_early) {
    sink.begin(bytes_.size(), kBlock, ByteView(bytes_).first(kBlockStart));
    std::vector<std::uint64_t> order;
    Bitmap expected(used_.size());
    for (std::uint64_t id = 0; id < used_.size(); ++id) {
      if (!used_[id]) continue;
      if (below(10) == 0) {
        write(sink, id);
      } else {
        order.push_back(id);
        expected.set(id);
      }
    }
    if (below(5) > 0) sink.expect(expected);
    if (!sink.in_order()) {
      if (below(2) > 0) std::reverse(order.begin(), order.end());
      if (below(3) == 0) std::shuffle(order.begin(), order.end(), random_);
    }
    for (std::uint64_t id : order) {
      if (may_end_early && below(30) == 0) return;
      write(sink, id);
    }
  }

  void write(UploadSink& sink, std::uint64_t id) const {
    auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(kBlockStart + id * kBlock);
    sink.write_blocks(kBlockStart + id * kBlock, Bytes(from, from + kBlock));
  }

  std::mt19937 random_;
  std::vector<bool> used_;
  Bytes bytes_;
};

TEST_F(UploadSinkTest, WhateverTheOrderAndTheRoundsTheLastRoundCounts) {
  for (unsigned seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(seed);
    Rounds rounds(seed);
    UploadSink to = sink(13'000 + seed * 997);
    rounds.run(to);
    std::optional<UploadSink::Staged> staged = to.finish(rounds.image());
    ASSERT_TRUE(staged);
    staged->database.upload->complete();
    EXPECT_TRUE(store_.get("copy.duckdb") == rounds.bytes());
    EXPECT_EQ(staged->database.blake3, digest_of(rounds.bytes()));
  }
}

TEST_F(UploadSinkTest, PartsThatStayedTheSameAreNotSentAgain) {
  LivingDatabase database(64);
  constexpr std::uint64_t kPart = 8 * kBlock;
  UploadSink to = sink(kPart);
  capture(database.path(), to, {});
  database.set_block(30, 2);
  database.write();
  std::size_t parts = (database.bytes().size() + kPart - 1) / kPart;
  std::optional<UploadSink::Staged> staged = to.finish(capture(database.path(), to, {}));
  ASSERT_TRUE(staged);
  staged->database.upload->complete();
  EXPECT_EQ(store_.get("copy.duckdb"), database.image());
  EXPECT_LE(store_.parts, parts + 2);
}

TEST_F(UploadSinkTest, HeadersThatWereRepairedInTheEndNeedAFile) {
  LivingDatabase database(40);
  UploadSink to = sink(2 * kBlock);
  Image image = capture(database.path(), to, {});
  image.head[20] ^= 1;
  std::optional<UploadSink::Staged> staged = to.finish(image);
  if (!staged) return;  // The first part was hashed before.
  staged->database.upload->complete();
  EXPECT_EQ(store_.get("copy.duckdb")[20], database.image()[20] ^ 1);
}

TEST_F(UploadSinkTest, AStoreThatFailsEndsTheCapture) {
  class Failing : public MemoryStore {
    struct Never : Upload {
      void put_part(std::size_t, ByteView) override { throw Error(Errc::unavailable, "no"); }
      ObjectInfo complete() override { return {}; }
    };
    std::unique_ptr<Upload> begin_upload(std::string_view) override {
      return std::make_unique<Never>();
    }
  } store;
  LivingDatabase database(200);
  UploadSink to(store, "a", {.scratch = folder_.path(), .part_bytes = kBlock});
  error_of(Errc::unavailable, [&] { to.finish(capture(database.path(), to, {})); });
}

}  // namespace
}  // namespace duckback
