#include "repo/config.h"

#include <gtest/gtest.h>

#include "repo/clear_document.h"
#include "store/faulty_store.h"
#include "store/memory_store.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;

Config plain_config() {
  return {.id = random_id(),
          .created = parse_utc("2026-11-22T23:45:01Z"),
          .encrypted = false,
          .secret = Secret::random()};
}

Bytes flipped(Bytes bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  return bytes;
}

void put_both(Store& store, std::string_view text) {
  store.put("config", as_bytes(text));
  store.put("config-copy", as_bytes(text));
}

TEST(ClearDocument, IsThreeLinesAsTheFormatSays) {
  // The checksum was computed by another implementation of BLAKE3.
  std::string text =
      "duckback key 1\n{\"x\": 1}\n"
      "blake3 ec5bf4975b86f754dcb986311efb5ef2e0174d697334308f6f9b20c78b260d0e\n";
  EXPECT_EQ(write_clear_document("key", "{\"x\": 1}"), text);
  EXPECT_EQ(read_clear_document("key", as_bytes(text), "keys/x"), "{\"x\": 1}");
}

TEST(ClearDocument, CutShortOrLongerIsDamaged) {
  std::string text = write_clear_document("key", "{\"x\": 1}");
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
    std::string message = error_of(
        Errc::damaged, [&] { read_clear_document("key", as_bytes(text).first(bytes), "keys/x"); });
    EXPECT_NE(message.find("keys/x"), message.npos);
  }
  for (const char* more : {"\n", " ", "x"}) {
    error_of(Errc::damaged, [&] { read_clear_document("key", as_bytes(text + more), "keys/x"); });
  }
}

TEST(ClearDocument, OfAnotherKindIsDamaged) {
  std::string text = write_clear_document("key", "{}");
  error_of(Errc::damaged, [&] { read_clear_document("config", as_bytes(text), "config"); });
}

TEST(ClearDocument, ANewerVersionIsSaidAndNotTakenForDamage) {
  std::string text = "duckback key 2\nwhatever this is then\n";
  Blake3 hash;
  hash.update(as_bytes(text));
  text += "blake3 " + to_hex(hash.digest()) + "\n";
  error_of(Errc::unsupported, [&] { read_clear_document("key", as_bytes(text), "keys/x"); });
}

TEST(ClearDocument, OnlyAJsonObjectIsTaken) {
  for (const char* json : {"", "{", "[]", "1", "null", "{\"x\":}", "{} {}"}) {
    std::string text = write_clear_document("key", json);
    error_of(Errc::damaged, [&] { read_clear_document("key", as_bytes(text), "keys/x"); });
  }
}

TEST(ClearDocument, DeepNestingIsDamaged) {
  std::string json = "{\"x\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  std::string text = write_clear_document("key", json);
  ASSERT_LT(text.size(), kClearDocumentBytesMost);
  error_of(Errc::damaged, [&] { read_clear_document("key", as_bytes(text), "keys/x"); });
  EXPECT_NO_THROW(read_clear_document(
      "key", as_bytes(write_clear_document("key", "{\"x\":[[{\"y\":[]}]]}")), "keys/x"));
}

TEST(ClearDocument, OfMoreThan64KiBIsDamagedAndNeverFetched) {
  std::string json = "{\"x\":\"" + std::string(kClearDocumentBytesMost, 'x') + "\"}";
  std::string text = write_clear_document("key", json);
  error_of(Errc::damaged, [&] { read_clear_document("key", as_bytes(text), "keys/x"); });
  class Counting : public MemoryStore {
   public:
    Bytes get(std::string_view key, Range range) override {
      ++gets;
      return MemoryStore::get(key, range);
    }
    int gets = 0;
  } store;
  put_both(store, text);
  error_of(Errc::damaged, [&] { read_config(store); });
  EXPECT_EQ(store.gets, 0);
}

TEST(Config, WhatIsCreatedIsRead) {
  for (bool encrypted : {false, true}) {
    MemoryStore store;
    Config config = plain_config();
    config.encrypted = encrypted;
    if (encrypted) config.secret.reset();
    create_config(store, config);
    Config read = read_config(store);
    EXPECT_EQ(read.id, config.id);
    EXPECT_EQ(read.created, config.created);
    EXPECT_EQ(read.encrypted, encrypted);
    ASSERT_EQ(read.secret.has_value(), !encrypted);
    if (!encrypted) {
      EXPECT_EQ(to_hex(read.secret->bytes()), to_hex(config.secret->bytes()));
    }
    EXPECT_EQ(store.get("config"), store.get("config-copy"));
  }
}

TEST(Config, ARepositoryIsCreatedOnce) {
  MemoryStore store;
  create_config(store, plain_config());
  Bytes first = store.get("config");
  error_of(Errc::refused, [&] { create_config(store, plain_config()); });
  // Also where only the copy is left: the old packs still need it.
  store.remove("config");
  error_of(Errc::refused, [&] { create_config(store, plain_config()); });
  EXPECT_EQ(store.get("config-copy"), first);
}

TEST(Config, ACrashWhileItIsCreatedLeavesARepositoryOrNone) {
  for (bool unacknowledged : {false, true}) {
    for (std::size_t step = 0; step < 2; ++step) {
      MemoryStore store;
      DyingStore dying(store, step, unacknowledged);
      Config config = plain_config();
      EXPECT_THROW(create_config(dying, config), DyingStore::Dead);
      if (step == 0 && !unacknowledged) {
        error_of(Errc::no_repository, [&] { read_config(store); });
        EXPECT_NO_THROW(create_config(store, plain_config()));
      } else {
        EXPECT_EQ(read_config(store).id, config.id);
        error_of(Errc::refused, [&] { create_config(store, plain_config()); });
      }
    }
  }
}

TEST(Config, WhereNothingIsThereIsNoRepository) {
  MemoryStore store;
  store.put("config-of-something-else", as_bytes("x"));
  std::string message = error_of(Errc::no_repository, [&] { read_config(store); });
  EXPECT_NE(message.find("duckback init"), message.npos);
}

TEST(Config, EveryFlippedBitIsFoundAndTheCopyIsRead) {
  MemoryStore store;
  Config config = plain_config();
  create_config(store, config);
  Bytes good = store.get("config");
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bad = flipped(good, bit);
    error_of(Errc::damaged, [&] { read_clear_document("config", bad, "config"); });
    store.put("config", bad);
    EXPECT_EQ(read_config(store).id, config.id);
    store.put("config-copy", bad);
    std::string message = error_of(Errc::damaged, [&] { read_config(store); });
    EXPECT_NE(message.find("config"), message.npos);
    store.put("config-copy", good);
  }
}

TEST(Config, OneOfTheTwoIsEnough) {
  MemoryStore store;
  Config config = plain_config();
  create_config(store, config);
  Bytes good = store.get("config");
  store.remove("config");
  EXPECT_EQ(read_config(store).id, config.id);
  store.put("config", {});
  EXPECT_EQ(read_config(store).id, config.id);
  store.put("config", good);
  store.remove("config-copy");
  EXPECT_EQ(read_config(store).id, config.id);
  // Damage is not the same as never having been there.
  store.put("config", {});
  error_of(Errc::damaged, [&] { read_config(store); });
  store.remove("config");
  store.put("config-copy", {});
  error_of(Errc::damaged, [&] { read_config(store); });
}

TEST(Config, ABadSectorIsReadAroundAndAStoreThatDoesNotAnswerIsNot) {
  class Failing : public MemoryStore {
   public:
    Bytes get(std::string_view key, Range range) override {
      if (key == "config") throw Error(code, "config cannot be read");
      return MemoryStore::get(key, range);
    }
    Errc code = Errc::io;
  } store;
  Config config = plain_config();
  create_config(store, config);
  EXPECT_EQ(read_config(store).id, config.id);
  store.remove("config-copy");
  error_of(Errc::io, [&] { read_config(store); });
  store.code = Errc::unavailable;
  error_of(Errc::unavailable, [&] { read_config(store); });
}

TEST(Config, UnknownFieldsAreIgnored) {
  MemoryStore store;
  std::string id = random_id();
  put_both(store, write_clear_document("config", "{\"id\":\"" + id +
                                                     "\",\"created\":\"2026-11-22T23:45:01Z\","
                                                     "\"encryption\":\"aes-256-gcm\","
                                                     "\"later\":{\"a\":[1,2]}}"));
  EXPECT_EQ(read_config(store).id, id);
}

TEST(Config, FieldsThatDoNotFitAreDamage) {
  const std::string id = "\"id\":\"00112233445566778899aabbccddeeff\",";
  const std::string created = "\"created\":\"2026-11-22T23:45:01Z\",";
  const std::string none = "\"encryption\":\"none\",";
  const std::string gcm = "\"encryption\":\"aes-256-gcm\"";
  for (const std::string& fields :
       {std::string(), id + created + "\"x\":1", id + gcm, created + gcm,
        "\"id\":7," + created + gcm, "\"id\":\"../../etc\"," + created + gcm,
        id + "\"created\":\"yesterday\"," + gcm, id + "\"created\":{}," + gcm,
        id + created + none + "\"x\":1", id + created + none + "\"secret\":\"00\"",
        id + created + none + "\"secret\":[]"}) {
    MemoryStore store;
    put_both(store, write_clear_document("config", "{" + fields + "}"));
    std::string message = error_of(Errc::damaged, [&] { read_config(store); });
    EXPECT_NE(message.find("config"), message.npos);
  }
}

TEST(Config, AnUnknownEncryptionIsUnsupported) {
  MemoryStore store;
  put_both(store, write_clear_document("config",
                                       "{\"id\":\"00112233445566778899aabbccddeeff\",\"created\":"
                                       "\"2026-11-22T23:45:01Z\",\"encryption\":\"aes-512\"}"));
  error_of(Errc::unsupported, [&] { read_config(store); });
}

}  // namespace
}  // namespace duckback
