#include "repo/sealer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "repo/hex.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;

constexpr std::string_view kRepository = "00112233445566778899aabbccddeeff";
constexpr std::string_view kOtherRepository = "00112233445566778899aabbccddeefe";
constexpr std::uint64_t kAt = kObjectHeaderBytes;

Secret counting_secret() {
  std::array<std::uint8_t, Secret::kBytes> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return Secret(bytes);
}

// Every fact holds for a repository that is encrypted and for one that is not.
class Sealing : public testing::TestWithParam<bool> {
 protected:
  static Sealer make(std::string_view repository = kRepository) {
    return Sealer(repository, GetParam() ? std::optional(counting_secret()) : std::nullopt);
  }
  static Bytes seal(const ObjectSealer& object, std::string_view label, std::string_view text) {
    Bytes section;
    object.seal(kAt, as_bytes(label), as_bytes(text), section);
    return section;
  }
  // Reads a section the way a reader of the object would.
  static Bytes open(const Sealer& sealer, ByteView header, std::uint64_t offset,
                    std::string_view label, ByteView section) {
    return sealer.reopen(ObjectKind::index, header, "index/x")
        .open(offset, as_bytes(label), section, "index/x");
  }
};

INSTANTIATE_TEST_SUITE_P(, Sealing, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& sealed) {
                           return sealed.param ? "Encrypted" : "Plain";
                         });

TEST_P(Sealing, WhatIsSealedOpens) {
  Sealer sealer = make();
  for (std::size_t bytes : {0u, 1u, 15u, 16u, 4097u, 1u << 20}) {
    ObjectSealer object = sealer.begin(ObjectKind::index);
    Bytes content(bytes, 5);
    Bytes section = {1, 2, 3};  // what is there already stays
    object.seal(kAt, as_bytes("page"), content, section);
    ASSERT_EQ(section.size(), 3 + bytes + kTagBytes);
    EXPECT_EQ(section[2], 3);
    ByteView sealed = ByteView(section).subspan(3);
    EXPECT_EQ(open(sealer, object.header(), kAt, "page", sealed), content);
    EXPECT_EQ(object.open(kAt, as_bytes("page"), sealed, "index/x"), content);
  }
}

// The sections were made by another implementation of BLAKE3, HKDF and AES-GCM.
TEST_P(Sealing, BytesAreAsTheFormatSays) {
  Bytes header = parse_hex(
      GetParam() ? "6475636b6261636b030101006465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e"
                   "7f80818283"
                 : "6475636b6261636b030100006465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e"
                   "7f80818283",
      kObjectHeaderBytes);
  Bytes section =
      parse_hex(GetParam() ? "8fd7e1d2a756b9cc4576a600bc37be4cdf56c2e2edc701a6b187646262de"
                           : "77686174206973207365616c6564fddf3128362727f19a2b2aa21b6788bd",
                30);
  Bytes opened = open(make(), header, kAt, "page", section);
  EXPECT_EQ(std::string(opened.begin(), opened.end()), "what is sealed");
}

TEST_P(Sealing, EveryBitOfASectionCounts) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section = seal(object, "page", "some bytes");
  for (std::size_t bit = 0; bit < 8 * section.size(); ++bit) {
    Bytes bad = section;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    std::string message =
        error_of(Errc::damaged, [&] { open(sealer, object.header(), kAt, "page", bad); });
    EXPECT_NE(message.find("index/x"), message.npos) << message;
  }
}

TEST_P(Sealing, EveryBitOfTheHeaderCounts) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section = seal(object, "page", "some bytes");
  constexpr std::size_t kVersionAt = 9;
  for (std::size_t bit = 0; bit < 8 * kObjectHeaderBytes; ++bit) {
    ObjectHeader bad = object.header();
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    // A higher version cannot be told from damage.
    bool newer = bit / 8 == kVersionAt && bad[kVersionAt] > 1;
    error_of(newer ? Errc::unsupported : Errc::damaged,
             [&] { open(sealer, bad, kAt, "page", section); });
  }
}

TEST_P(Sealing, ASectionOpensOnlyAtItsPlace) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section = seal(object, "page", "some bytes");
  auto fails = [&](const Sealer& with, std::uint64_t offset, std::string_view label) {
    error_of(Errc::damaged, [&] { open(with, object.header(), offset, label, section); });
  };
  for (int bit = 0; bit < 64; ++bit) fails(sealer, kAt ^ (std::uint64_t{1} << bit), "page");
  for (std::string_view label : {"", "pag", "pagf", "page ", "table"}) fails(sealer, kAt, label);
  fails(make(kOtherRepository), kAt, "page");
  EXPECT_NO_THROW(open(make(), object.header(), kAt, "page", section));
}

TEST_P(Sealing, ASectionOfAnotherLengthIsDamaged) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section = seal(object, "page", "some bytes");
  for (std::size_t bytes = 0; bytes < section.size(); ++bytes) {
    error_of(Errc::damaged,
             [&] { open(sealer, object.header(), kAt, "page", ByteView(section).first(bytes)); });
  }
  section.push_back(0);
  error_of(Errc::damaged, [&] { open(sealer, object.header(), kAt, "page", section); });
}

TEST_P(Sealing, AHeaderOfAnotherLengthIsDamaged) {
  Sealer sealer = make();
  ObjectHeader header = sealer.begin(ObjectKind::index).header();
  for (std::size_t bytes = 0; bytes < header.size(); ++bytes) {
    error_of(Errc::damaged,
             [&] { sealer.reopen(ObjectKind::index, ByteView(header).first(bytes), "index/x"); });
  }
}

TEST_P(Sealing, AnObjectOfAnotherKindIsDamaged) {
  Sealer sealer = make();
  ObjectHeader header = sealer.begin(ObjectKind::data_pack).header();
  error_of(Errc::damaged, [&] { sealer.reopen(ObjectKind::index, header, "index/x"); });
}

TEST_P(Sealing, TwoObjectsOfTheSameContentShareNoBytes) {
  Sealer sealer = make();
  std::set<Bytes> headers;
  std::set<Bytes> tags;
  std::set<Bytes> sections;
  for (int i = 0; i < 100; ++i) {
    ObjectSealer object = sealer.begin(ObjectKind::index);
    Bytes section = seal(object, "page", "the same text every time");
    headers.insert(Bytes(object.header().begin(), object.header().end()));
    tags.insert(Bytes(section.end() - kTagBytes, section.end()));
    sections.insert(Bytes(section.begin(), section.end() - kTagBytes));
  }
  EXPECT_EQ(headers.size(), 100u);
  EXPECT_EQ(tags.size(), 100u);
  EXPECT_EQ(sections.size(), GetParam() ? 100u : 1u);
}

TEST_P(Sealing, KindAndSaltAreEnoughToOpen) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section = seal(object, "page", "some bytes");
  Salt salt;
  std::copy_n(object.header().end() - salt.size(), salt.size(), salt.begin());
  ObjectSealer again = sealer.reopen(ObjectKind::index, salt);
  EXPECT_EQ(again.header(), object.header());
  EXPECT_EQ(again.open(kAt, as_bytes("page"), section, "index/x").size(), 10u);
}

TEST_P(Sealing, ManyThreadsOpenSectionsOfOneObject) {
  Sealer sealer = make();
  ObjectSealer object = sealer.begin(ObjectKind::index);
  std::vector<Bytes> sections;
  for (std::uint64_t i = 0; i < 64; ++i) {
    sections.emplace_back();
    object.seal(1000 * i, as_bytes("page"), Bytes(500, static_cast<std::uint8_t>(i)),
                sections.back());
  }
  std::atomic<int> opened = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < sections.size(); ++i) {
        Bytes content = object.open(1000 * i, as_bytes("page"), sections[i], "index/x");
        if (content == Bytes(500, static_cast<std::uint8_t>(i))) ++opened;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, 4 * 64);
}

// The nonce is the offset, so equal text at two places of one object must not look the same.
TEST(Sealer, TheSameTextAtTwoPlacesIsEncryptedDifferently) {
  Sealer sealer(kRepository, counting_secret());
  ObjectSealer object = sealer.begin(ObjectKind::index);
  std::set<Bytes> starts;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Bytes section;
    object.seal(kAt + 32 * i, {}, Bytes(16), section);
    starts.insert(Bytes(section.begin(), section.begin() + 16));
  }
  EXPECT_EQ(starts.size(), 1000u);
}

TEST(SealerDeathTest, ANonceIsNeverUsedTwice) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  Sealer sealer(kRepository, counting_secret());
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes bytes;
  object.seal(kAt, {}, Bytes(10), bytes);
  EXPECT_DEATH(object.seal(kAt, {}, Bytes(10), bytes), "sealed");
  EXPECT_DEATH(object.seal(kAt + 1, {}, Bytes(10), bytes), "sealed");
  // Nor by who opens an object again: its salt, so its key, is in use.
  ObjectSealer again = sealer.reopen(ObjectKind::index, object.header(), "index/x");
  EXPECT_DEATH(again.seal(kAt + 1000, {}, Bytes(10), bytes), "sealed");
}

TEST(Sealer, AnEncryptedRepositoryTakesNoPlainObject) {
  Sealer plain(kRepository, std::nullopt);
  Sealer encrypted(kRepository, counting_secret());
  ObjectHeader planted = plain.begin(ObjectKind::index).header();
  error_of(Errc::damaged, [&] { encrypted.reopen(ObjectKind::index, planted, "index/x"); });
  ObjectHeader header = encrypted.begin(ObjectKind::index).header();
  error_of(Errc::damaged, [&] { plain.reopen(ObjectKind::index, header, "index/x"); });
}

TEST(Sealer, AnotherMasterKeyOpensNothing) {
  Sealer sealer(kRepository, counting_secret());
  ObjectSealer object = sealer.begin(ObjectKind::index);
  Bytes section;
  object.seal(kAt, {}, Bytes(10), section);
  Sealer other(kRepository, Secret::random());
  error_of(Errc::damaged, [&] {
    other.reopen(ObjectKind::index, object.header(), "index/x").open(kAt, {}, section, "index/x");
  });
}

TEST(Sealer, WhatIsNoIdIsNoRepository) {
  for (std::string_view id : {"", "0011", "00112233445566778899AABBCCDDEEFF"}) {
    error_of(Errc::damaged, [&] { Sealer(id, std::nullopt); });
  }
}

}  // namespace
}  // namespace duckback
