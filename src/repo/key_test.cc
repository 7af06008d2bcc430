#include "repo/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repo/clear_document.h"
#include "store/memory_store.h"
#include "test/support/actor.h"
#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kRepository = "00112233445566778899aabbccddeeff";
constexpr std::string_view kOtherRepository = "ffeeddccbbaa99887766554433221100";
constexpr KdfCost kCheap = {.n = 1 << 10, .r = 1, .p = 1};

// Of master key 00 01 … 1f; made by another implementation of scrypt and AES-GCM.
std::string known_key(const std::string& n = "1024", const std::string& r = "8",
                      const std::string& p = "1", const std::string& more = "") {
  return write_clear_document(
      "key",
      "{\"repository\":\"00112233445566778899aabbccddeeff\",\"created\":\"2026-11-22T23:45:01Z\","
      "\"host\":\"h\",\"user\":\"u\",\"kdf\":\"scrypt\",\"n\":" +
          n + ",\"r\":" + r + ",\"p\":" + p + more +
          ",\"salt\":\"6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283\","
          "\"nonce\":\"000102030405060708090a0b\",\"wrapped\":\"f406e8ef4b2162347730cf605ac417b31b9"
          "579e7892bef4f5b99a99797ee70aa0a75a6aca8ffa9f888390b3df3182832\"}");
}

class PasswordKeys : public testing::Test {
 protected:
  std::string add(std::string_view password) {
    return add_key(store_, kRepository, master_, password, kCheap);
  }
  OpenedKey open(std::string_view password) { return open_key(store_, kRepository, password); }
  bool opens(std::string_view password) {
    return to_hex(open(password).master.bytes()) == to_hex(master_.bytes());
  }
  void put(const std::string& id, std::string_view text) {
    store_.put("keys/" + id, as_bytes(text));
    store_.put("keys-copy/" + id, as_bytes(text));
  }

  MemoryStore store_;
  Secret master_ = Secret::random();
};

TEST_F(PasswordKeys, APasswordOpensTheMasterKey) {
  std::string id = add("correct horse");
  EXPECT_TRUE(opens("correct horse"));
  EXPECT_EQ(open("correct horse").key_id, id);
  EXPECT_EQ(store_.get("keys/" + id), store_.get("keys-copy/" + id));
}

TEST_F(PasswordKeys, BytesAreAsTheFormatSays) {
  put(std::string(32, 'a'), known_key());
  EXPECT_EQ(to_hex(open("pass word").master.bytes()),
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

TEST_F(PasswordKeys, CostsAsMuchAsTheFormatSaysUnlessToldOtherwise) {
  std::string id = add_key(store_, kRepository, master_, "correct horse");
  Bytes bytes = store_.get("keys/" + id);
  std::string text(bytes.begin(), bytes.end());
  EXPECT_THAT(text, HasSubstr("\"n\":65536"));
  EXPECT_THAT(text, HasSubstr("\"r\":8"));
  EXPECT_THAT(text, HasSubstr("\"p\":2"));
  EXPECT_TRUE(opens("correct horse"));
}

TEST_F(PasswordKeys, AWrongPasswordNamesTheRepositoryAndNoPassword) {
  add("correct horse");
  for (std::string_view wrong : {"battery staple", "correct horse ", "Correct horse", ""}) {
    std::string message = error_of(Errc::wrong_password, [&] { open(wrong); });
    EXPECT_THAT(message, HasSubstr(store_.name()));
    EXPECT_THAT(message, Not(HasSubstr("horse")));
    if (!wrong.empty()) {
      EXPECT_THAT(message, Not(HasSubstr(std::string(wrong))));
    }
  }
}

TEST_F(PasswordKeys, EachKeyIsTried) {
  for (const char* password : {"one", "two", "three", "four"}) add(password);
  for (const char* password : {"one", "two", "three", "four"}) EXPECT_TRUE(opens(password));
  error_of(Errc::wrong_password, [&] { open("five"); });
}

TEST_F(PasswordKeys, AnyBytesArePasswords) {
  std::string odd("nul\0and \xff", 9);
  add(odd);
  EXPECT_TRUE(opens(odd));
  error_of(Errc::wrong_password, [&] { open("nul"); });
  add(std::string(10'000, 'x'));
  EXPECT_TRUE(opens(std::string(10'000, 'x')));
}

TEST_F(PasswordKeys, AnEmptyPasswordIsNone) {
  error_of(Errc::invalid, [&] { add(""); });
  store_.list("", [](const ObjectInfo& object) { ADD_FAILURE() << object.key; });
}

TEST_F(PasswordKeys, TheMasterKeyAndThePasswordAreNowhereInTheStore) {
  add("correct horse");
  store_.list("", [&](const ObjectInfo& object) {
    Bytes bytes = store_.get(object.key);
    std::string text(bytes.begin(), bytes.end());
    EXPECT_THAT(text, Not(HasSubstr("horse")));
    EXPECT_THAT(text, Not(HasSubstr(to_hex(master_.bytes()))));
  });
}

TEST_F(PasswordKeys, TheSamePasswordTwiceMakesKeysThatShareNothing) {
  std::string one = add("correct horse");
  std::string two = add("correct horse");
  for (const char* field : {"\"salt\":\"", "\"nonce\":\"", "\"wrapped\":\""}) {
    auto value = [&](const std::string& id) {
      Bytes bytes = store_.get("keys/" + id);
      std::string text(bytes.begin(), bytes.end());
      return text.substr(text.find(field) + std::string_view(field).size(), 24);
    };
    EXPECT_NE(value(one), value(two));
  }
}

TEST_F(PasswordKeys, EveryFlippedBitIsFoundAndTheCopyIsRead) {
  std::string id = add("correct horse");
  Bytes good = store_.get("keys/" + id);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    store_.put("keys/" + id, bad);
    ASSERT_EQ(list_keys(store_, kRepository).size(), 1u);
    if (bit % 64 == 0) {
      EXPECT_TRUE(opens("correct horse"));
    }
    store_.put("keys-copy/" + id, bad);
    EXPECT_EQ(list_keys(store_, kRepository).size(), 0u);
    std::string message = error_of(Errc::damaged, [&] { open("correct horse"); });
    EXPECT_THAT(message, HasSubstr("keys/" + id));
    store_.put("keys-copy/" + id, good);
  }
}

TEST_F(PasswordKeys, OneOfTheTwoIsEnough) {
  std::string id = add("correct horse");
  Bytes good = store_.get("keys/" + id);
  store_.remove("keys/" + id);
  EXPECT_TRUE(opens("correct horse"));
  store_.put("keys/" + id, ByteView(good).first(good.size() / 2));
  EXPECT_TRUE(opens("correct horse"));
  store_.put("keys/" + id, good);
  store_.remove("keys-copy/" + id);
  EXPECT_TRUE(opens("correct horse"));
}

TEST_F(PasswordKeys, ADamagedKeyDoesNotHideTheOthers) {
  add("correct horse");
  for (const char* digit : {"0", "f"}) {  // listed first and last
    put(std::string(32, *digit), "damaged");
  }
  put("1" + std::string(31, '0'), "duckback key 2\n");
  EXPECT_TRUE(opens("correct horse"));
  EXPECT_EQ(list_keys(store_, kRepository).size(), 1u);
  std::string message = error_of(Errc::wrong_password, [&] { open("battery staple"); });
  EXPECT_THAT(message, HasSubstr("keys/00000000"));
}

TEST_F(PasswordKeys, NoKeyAtAllIsDamage) {
  EXPECT_THAT(error_of(Errc::damaged, [&] { open("correct horse"); }), HasSubstr("there is none"));
  store_.put("keys/README", as_bytes("no key"));
  error_of(Errc::damaged, [&] { open("correct horse"); });
}

TEST_F(PasswordKeys, AKeyOfANewerDerivationIsUnsupported) {
  std::string text =
      "{\"repository\":\"00112233445566778899aabbccddeeff\",\"created\":"
      "\"2026-11-22T23:45:01Z\",\"host\":\"h\",\"user\":\"u\",\"kdf\":\"later\"}";
  put(std::string(32, 'a'), write_clear_document("key", text));
  error_of(Errc::unsupported, [&] { open("pass word"); });
}

TEST_F(PasswordKeys, ParametersThatWouldTakeTheMachinesMemoryAreDamage) {
  for (const char* n : {"0", "1", "512", "1025", "2097152", "9223372036854775808", "-1024",
                        "1024.0", "1e10", "\"1024\"", "null", "18446744073709551616"}) {
    put(std::string(32, 'a'), known_key(n));
    EXPECT_THAT(error_of(Errc::damaged, [&] { open("pass word"); }), HasSubstr("keys/aaaa")) << n;
  }
  for (const char* r : {"0", "17", "4294967304", "-8"}) {
    put(std::string(32, 'a'), known_key("1024", r));
    error_of(Errc::damaged, [&] { open("pass word"); });
  }
  for (const char* p : {"0", "5", "1000000"}) {
    put(std::string(32, 'a'), known_key("1024", "8", p));
    error_of(Errc::damaged, [&] { open("pass word"); });
  }
}

TEST_F(PasswordKeys, UnknownFieldsAreIgnored) {
  put(std::string(32, 'a'), known_key("1024", "8", "1", ",\"later\":[{}]"));
  EXPECT_NO_THROW(open("pass word"));
}

TEST_F(PasswordKeys, FieldsThatDoNotFitAreDamage) {
  for (const char* json : {"{}", "{\"repository\":1}",
                           "{\"repository\":\"00112233445566778899aabbccddeeff\","
                           "\"created\":\"yesterday\",\"host\":\"h\",\"user\":\"u\"}",
                           "{\"repository\":\"00112233445566778899aabbccddeeff\","
                           "\"created\":\"2026-11-22T23:45:01Z\",\"host\":[],\"user\":\"u\"}"}) {
    put(std::string(32, 'a'), write_clear_document("key", json));
    EXPECT_THAT(error_of(Errc::damaged, [&] { open("x"); }), HasSubstr("keys/aaaa")) << json;
  }
}

// An init that dies between its key and its config leaves one; the next init makes another.
TEST_F(PasswordKeys, AKeyOfAnotherRepositoryIsNone) {
  std::string id = add("correct horse");
  add_key(store_, kOtherRepository, Secret::random(), "correct horse", kCheap);
  EXPECT_EQ(open("correct horse").key_id, id);
  ASSERT_EQ(list_keys(store_, kRepository).size(), 1u);
  error_of(Errc::refused, [&] { remove_key(store_, kRepository, id); });
}

TEST_F(PasswordKeys, AKeyGivenANewRepositoryOpensNothing) {
  std::string text = known_key();
  std::string json = text.substr(text.find('\n') + 1, text.find("\nblake3") - text.find('\n') - 1);
  json.replace(json.find(kRepository), kRepository.size(), kOtherRepository);
  put(std::string(32, 'a'), write_clear_document("key", json));
  error_of(Errc::wrong_password, [&] { open_key(store_, kOtherRepository, "pass word"); });
}

TEST_F(PasswordKeys, AreListedOldestFirst) {
  std::vector<std::string> added;
  for (int i = 0; i < 3; ++i) added.push_back(add("correct horse"));
  std::vector<KeyInfo> keys = list_keys(store_, kRepository);
  ASSERT_EQ(keys.size(), 3u);
  for (std::size_t i = 1; i < keys.size(); ++i) EXPECT_LE(keys[i - 1].created, keys[i].created);
  put(std::string(32, 'a'), known_key());  // Long before.
  keys = list_keys(store_, kRepository);
  EXPECT_EQ(keys.front().id, std::string(32, 'a'));
  EXPECT_EQ(keys.front().host, "h");
  EXPECT_EQ(keys.front().user, "u");
}

TEST_F(PasswordKeys, OneIsRemovedByThePrefixOfItsId) {
  std::string one = add("one");
  add("two");
  remove_key(store_, kRepository, one.substr(0, 20));
  error_of(Errc::wrong_password, [&] { open("one"); });
  EXPECT_TRUE(opens("two"));
  store_.list("", [&](const ObjectInfo& object) { EXPECT_THAT(object.key, Not(HasSubstr(one))); });
}

TEST_F(PasswordKeys, TheLastThatCanBeReadIsNeverRemoved) {
  std::string id = add("one");
  error_of(Errc::refused, [&] { remove_key(store_, kRepository, id); });
  put(std::string(32, 'a'), "damaged");
  error_of(Errc::refused, [&] { remove_key(store_, kRepository, id); });
  remove_key(store_, kRepository, std::string(32, 'a'));
  EXPECT_TRUE(opens("one"));
}

// Each may see the other's key, and take it for the one that stays.
TEST_F(PasswordKeys, TwoWhoRemoveTheLastTwoLeaveOne) {
  auto memory = std::make_shared<MemoryStore>();
  std::string ids[2];
  for (int i = 0; i < 2; ++i) {
    ids[i] = add_key(*memory, kRepository, Secret::random(), i == 0 ? "one" : "two", kCheap);
  }
  auto remover = [&](std::shared_ptr<MemoryStore> from, const std::string& id) {
    return std::make_unique<test::Actor>(from, [id](std::shared_ptr<Store> store) {
      try {
        remove_key(*store, kRepository, id);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::refused) << error.what();
      }
    });
  };
  for (int first = 0; first < 14; ++first) {
    for (int second = 0; second < 14; ++second) {
      auto both = std::make_shared<MemoryStore>(*memory);
      auto a = remover(both, ids[0]);
      auto b = remover(both, ids[1]);
      for (int i = 0; i < first && a->step(); ++i) a->next();
      for (int i = 0; i < second && b->step(); ++i) b->next();
      a->finish();
      b->finish();
      EXPECT_GE(list_keys(*both, kRepository).size(), 1u) << first << " " << second;
    }
  }
}

TEST_F(PasswordKeys, APrefixOfNoneOrOfSeveralRemovesNothing) {
  put("a0" + std::string(30, '0'), known_key());
  put("a1" + std::string(30, '0'), known_key());
  error_of(Errc::invalid, [&] { remove_key(store_, kRepository, "a"); });
  error_of(Errc::not_found, [&] { remove_key(store_, kRepository, "b"); });
  error_of(Errc::not_found, [&] { remove_key(store_, kRepository, ""); });
  EXPECT_EQ(list_keys(store_, kRepository).size(), 2u);
}

}  // namespace
}  // namespace duckback
