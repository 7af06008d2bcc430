// What the S3 store does with a real server that checks signatures, alone and behind a proxy that
// fails on purpose. Run by test/support/with_rgw.py.
#include "test/support/s3_server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "store/retrying_store.h"
#include "store/s3_claim.h"
#include "store/s3_xml.h"
#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using test::Faults;
using test::S3Server;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kSmallestPart = 5 << 20;  // for S3 and for Ceph

std::string get(Store& store, const std::string& key) {
  Bytes bytes = store.get(key);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::string> keys(Store& store) {
  std::vector<std::string> found;
  store.list("", [&](const ObjectInfo& object) { found.push_back(object.key); });
  return found;
}

Bytes large(std::size_t bytes) {
  Bytes made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::uint8_t>(i * 31 >> 7);
  return made;
}

// As this process's, but for some.
Environment environment_with(const std::map<std::string, std::string>& others) {
  return [others](const std::string& name) -> std::optional<std::string> {
    auto found = others.find(name);
    return found == others.end() ? process_environment()(name) : found->second;
  };
}

class S3Servers : public testing::Test {
 protected:
  void SetUp() override {
    if (!S3Server::is_there()) GTEST_SKIP() << "no S3 server: run by test/support/with_rgw.py";
  }
  static S3Location faulty_place(S3Options options = {}, bool versioned = false) {
    options.endpoint = S3Server::faulty_endpoint();
    return S3Server::place(options, versioned);
  }
  static std::shared_ptr<Store> retrying(std::shared_ptr<Store> store) {
    return std::make_shared<RetryingStore>(
        std::move(store),
        RetryingStore::Policy{.attempts = 5, .wait = [](std::chrono::milliseconds) {}});
  }
  static S3Client client(const S3Location& location) { return {location, AwsConfig(), {}, {}}; }
  static std::ptrdiff_t uploads_of(const S3Location& place, const std::string& key) {
    HttpAnswer answer = client(place).send_ok(
        {.query = {{"uploads", ""}, {"prefix", fmt::format("{}/{}", place.prefix, key)}}});
    XmlElement page = parse_xml(answer.body);
    return std::ranges::count(page.children, "Upload", &XmlElement::name);
  }
  // One of several creators of `key`, each with a store of its own, succeeds.
  static void race(const std::function<std::shared_ptr<Store>()>& open, const std::string& key) {
    std::atomic<int> winner = -1;
    std::atomic<int> conflicts = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&, i] {
          try {
            open()->create(key, as_bytes(std::to_string(i)));
            winner = i;
          } catch (const Error& error) {
            EXPECT_EQ(name_of(error.code()), "conflict") << error.what();
            ++conflicts;
          }
        });
      }
    }
    EXPECT_EQ(conflicts, 5);
    EXPECT_EQ(get(*open(), key), std::to_string(winner));
  }
};

TEST_F(S3Servers, RefuseKeysThatAreWrong) {
  S3Location place = S3Server::place();
  S3Store unknown(place, {}, environment_with({{"AWS_ACCESS_KEY_ID", "NOBODY"}}), {});
  EXPECT_THAT(error_of(Errc::refused, [&] { unknown.put("a", {}); }), HasSubstr("environment"));
  S3Store wrong(place, {}, environment_with({{"AWS_SECRET_ACCESS_KEY", "wrong-secret"}}), {});
  std::string message = error_of(Errc::refused, [&] { wrong.put("a", Bytes(4 << 20)); });
  EXPECT_THAT(message, HasSubstr("secret key"));
  EXPECT_THAT(message, testing::Not(HasSubstr("wrong-secret")));
  error_of(Errc::refused, [&] { wrong.get("a"); });
  error_of(Errc::refused, [&] { wrong.get("a", {.offset = 0, .bytes = 0}); });
  error_of(Errc::refused, [&] { keys(wrong); });
  error_of(Errc::refused, [&] { wrong.remove("a"); });
  error_of(Errc::refused, [&] { wrong.create("a", {}); });
}

TEST_F(S3Servers, ABucketThatIsNotThereIsNoRepository) {
  S3Location place = S3Server::place();
  place.bucket = "not-made";
  auto store = S3Server::store(place);
  EXPECT_THAT(error_of(Errc::no_repository, [&] { store->get("a"); }), HasSubstr("not-made"));
  error_of(Errc::no_repository, [&] { store->put("a", {}); });
  error_of(Errc::no_repository, [&] { store->create("a", {}); });
  error_of(Errc::no_repository, [&] { store->remove("a"); });
  error_of(Errc::no_repository, [&] { keys(*store); });
}

TEST_F(S3Servers, NameThePermissionThatLacks) {
  if (!S3Server::is_ceph()) GTEST_SKIP() << "MinIO's root may do everything";
  S3Location place = S3Server::place();
  place.bucket = S3Server::bucket("denied");
  std::string_view policy =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",)"
      R"("Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::denied/*"}]})";
  client(place).send_ok({.method = "PUT", .query = {{"policy", ""}}, .body = as_bytes(policy)});
  auto store = S3Server::store(place);
  EXPECT_THAT(error_of(Errc::refused, [&] { store->put("a", {}); }), HasSubstr("s3:PutObject"));
  EXPECT_THAT(error_of(Errc::refused, [&] { store->remove("a"); }), HasSubstr("s3:DeleteObject"));
  error_of(Errc::refused, [&] { store->creates_atomically(); });
  EXPECT_TRUE(keys(*store).empty());
}

TEST_F(S3Servers, PrefixesMayHoldAnyCharacter) {
  std::vector<std::string> prefixes = {
      "a b", "a+b", "%41%2F", "\xc3\xa4\xe1\x88\xb4", "a&b=c#d", "'\"<>*()!$,;:@~", "a\tb"};
  // MinIO keeps objects as files.
  if (S3Server::is_ceph()) prefixes.insert(prefixes.end(), {"a//b", "a/../b", "./a"});
  for (const std::string& odd : prefixes) {
    SCOPED_TRACE(odd);
    S3Location place = S3Server::place();
    S3Location neighbour = place;
    place.prefix += "/" + odd;
    neighbour.prefix += "/" + odd + "x";
    auto store = S3Server::store(place);
    store->put("k/1", as_bytes("x"));
    store->create("k/2", as_bytes("y"));
    S3Server::store(neighbour)->put("k/3", {});
    EXPECT_THAT(keys(*store), ElementsAre("k/1", "k/2"));
    EXPECT_EQ(get(*store, "k/2"), "y");
    store->remove("k/1");
    EXPECT_THAT(keys(*store), ElementsAre("k/2"));
  }
}

TEST_F(S3Servers, WhatOthersPutThereIsNoObject) {
  S3Location place = S3Server::place();
  auto store = S3Server::store(place);
  store->put("a", {});
  for (const char* name : {"/folder/", "/.hidden", "/with space", "/\x01"}) {
    client(place).send_ok({.method = "PUT", .object = place.prefix + name});
  }
  EXPECT_THAT(keys(*store), ElementsAre("a"));
}

TEST_F(S3Servers, ListsGoOnForManyPages) {
  S3Location place = S3Server::place();
  auto store = S3Server::store(place);
  std::vector<std::string> made;
  for (int i = 0; i < 1100; ++i) made.push_back(fmt::format("k/{:04}", i));
  {
    std::vector<std::jthread> threads;
    for (std::size_t first : {0u, 1u, 2u, 3u}) {
      threads.emplace_back([&, first] {
        for (std::size_t i = first; i < made.size(); i += 4) store->put(made[i], {});
      });
    }
  }
  EXPECT_EQ(keys(*store), made);
}

TEST_F(S3Servers, LargeObjectsGoInParts) {
  S3Location place =
      S3Server::place({.multipart_above = kSmallestPart, .part_bytes = kSmallestPart});
  auto store = S3Server::store(place);
  Bytes bytes = large(3 * kSmallestPart + 12'345);
  std::uint64_t before = store->traffic().requests();
  store->put("large", bytes);
  EXPECT_EQ(store->traffic().requests() - before, 6u);
  EXPECT_EQ(store->get("large"), bytes);
  EXPECT_EQ(store->get("large", {.offset = bytes.size() - 5}), Bytes(bytes.end() - 5, bytes.end()));
  EXPECT_EQ(uploads_of(place, "large"), 0);
}

TEST_F(S3Servers, AnUploadThatFailsLeavesNothing) {
  S3Location place = faulty_place({.multipart_above = kSmallestPart, .part_bytes = kSmallestPart});
  auto store = S3Server::store(place);
  store->put("large", as_bytes("old"));
  {
    Faults faults(R"({"faults": ["error_500"], "match": "partNumber=2"})");
    error_of(Errc::unavailable, [&] { store->put("large", large(3 * kSmallestPart)); });
  }
  {
    Faults faults(R"({"faults": ["error_500", "incomplete"], "match": "^POST .*uploadId="})");
    error_of(Errc::unavailable, [&] { store->put("large", large(2 * kSmallestPart)); });
    error_of(Errc::unavailable, [&] { store->put("large", large(2 * kSmallestPart)); });
  }
  EXPECT_EQ(get(*store, "large"), "old");
  EXPECT_EQ(uploads_of(place, "large"), 0);
}

TEST_F(S3Servers, APartThatFailsIsSentAgain) {
  S3Location place = faulty_place({.multipart_above = kSmallestPart, .part_bytes = kSmallestPart});
  auto store = S3Server::store(place);
  Bytes bytes = large(3 * kSmallestPart);
  Faults faults(
      R"({"faults": ["lost_answer", "reset_mid_request"], "match": "partNumber=2", "times": 2})");
  store->put("large", bytes);
  EXPECT_EQ(store->get("large"), bytes);
}

TEST_F(S3Servers, UploadsOfAKeyAreDroppedAndNoOthers) {
  auto store = S3Server::store(S3Server::place());
  std::unique_ptr<Upload> mine = store->begin_upload("a");
  std::unique_ptr<Upload> neighbour = store->begin_upload("a.wal");
  store->drop_uploads("a");
  error_of(Errc::unavailable, [&] { mine->put_part(0, as_bytes("x")); });
  neighbour->put_part(0, as_bytes("x"));
  neighbour->complete();
  EXPECT_THAT(keys(*store), ElementsAre("a.wal"));
}

TEST_F(S3Servers, AnUploadWhoseBeginningIsNotHeardOfIsNotLeft) {
  S3Location place = faulty_place();
  auto store = retrying(S3Server::store(place));
  for (const char* fault : {"lost_answer", "lost_error", "truncated"}) {
    SCOPED_TRACE(fault);
    Faults faults(fmt::format(R"({{"faults": ["{}"], "match": "uploads", "times": 1}})", fault));
    std::unique_ptr<Upload> upload = store->begin_upload("a");
    upload->put_part(0, as_bytes("new"));
    upload->complete();
    EXPECT_EQ(uploads_of(place, "a"), 0);
  }
}

// The second attempt learns that there is no such upload any more.
TEST_F(S3Servers, ACompletionWhoseAnswerIsLostIsKnownAgain) {
  auto store = retrying(S3Server::store(faulty_place()));
  for (const char* fault : {"lost_answer", "lost_error", "truncated"}) {
    SCOPED_TRACE(fault);
    store->put("a", as_bytes("old"));
    std::unique_ptr<Upload> upload = store->begin_upload("a");
    upload->put_part(0, as_bytes("new"));
    Faults faults(
        fmt::format(R"({{"faults": ["{}"], "match": "^POST .*uploadId=", "times": 1}})", fault));
    EXPECT_EQ(upload->complete().bytes, 3u);
    EXPECT_EQ(get(*store, "a"), "new");
  }
}

TEST_F(S3Servers, WhatAKilledProcessLeftIsRemoved) {
  S3Location place = S3Server::place();
  auto store = S3Server::store(place);
  store->put("a", {});
  S3Client raw = client(place);
  for (const char* left : {"/.duckback/claims/x/y", "/.duckback/probe/z"}) {
    raw.send_ok({.method = "PUT", .object = place.prefix + left});
  }
  EXPECT_EQ(store->remove_leftovers(SystemTime() + std::chrono::hours(1)), 0u);
  EXPECT_EQ(store->remove_leftovers(SystemTime::max()), 2u);
  EXPECT_EQ(store->remove_leftovers(SystemTime::max()), 0u);
  EXPECT_THAT(keys(*store), ElementsAre("a"));
  // An upload may be anybody's.
  raw.send_ok({.method = "POST", .object = place.prefix + "/large", .query = {{"uploads", ""}}});
  EXPECT_EQ(store->remove_leftovers(SystemTime::max()), 0u);
  EXPECT_EQ(uploads_of(place, "large"), 1);
}

TEST_F(S3Servers, AreAskedWhetherTheyHonourConditions) {
  EXPECT_TRUE(S3Server::store(S3Server::place())->creates_atomically());
  auto versioned = S3Server::store(S3Server::place({}, true));
  EXPECT_NE(versioned->creates_atomically(), S3Server::is_ceph());
  EXPECT_EQ(versioned->remove_leftovers(SystemTime::max()), 0u);
  Faults faults(R"({"faults": ["not_implemented"], "match": "if-none-match"})");
  EXPECT_FALSE(S3Server::store(faulty_place())->creates_atomically());
}

TEST_F(S3Servers, OfManyProcessesOneCreates) {
  for (bool versioned : {false, true}) {
    S3Location place = S3Server::place({}, versioned);
    for (int round = 0; round < 5; ++round) {
      race([&] { return S3Server::store(place); }, fmt::format("key/{}", round));
    }
    EXPECT_EQ(S3Server::store(place)->remove_leftovers(SystemTime::max()), 0u);
  }
}

// Without being told so: the first create() finds out.
TEST_F(S3Servers, ThatDoNotKnowConditionsStillCreateOnce) {
  Faults faults(R"({"faults": ["not_implemented"], "match": "if-none-match"})");
  S3Location place = faulty_place({.conditional_put = true});
  race([&] { return S3Server::store(place); }, "key");
}

TEST_F(S3Servers, AConditionThatIsTakenAwayIsNoticed) {
  S3Location place = faulty_place({.conditional_put = true});
  auto store = S3Server::store(place);
  store->put("a", as_bytes("old"));
  Faults faults(R"({"faults": ["stripped"]})");
  error_of(Errc::refused, [&] { store->create("a", as_bytes("new")); });
  EXPECT_EQ(get(*store, "a"), "old");
}

TEST_F(S3Servers, ACreationWhoseAnswerIsLostIsKnownAgain) {
  for (bool versioned : {false, true}) {
    for (const char* fault : {"lost_answer", "lost_error", "truncated", "reset_mid_answer"}) {
      SCOPED_TRACE(fault);
      auto store = retrying(S3Server::store(faulty_place({}, versioned)));
      store->create("before", {});  // Finds out how.
      Faults faults(fmt::format(
          R"({{"faults": ["{}"], "match": "^PUT .*/[0-9a-f]+/config", "times": 1}})", fault));
      store->create("config", as_bytes("mine"));
      EXPECT_EQ(get(*store, "config"), "mine");
      EXPECT_EQ(S3Server::tell_proxy("{}"), fmt::format(R"({{"{}": 1}})", fault));
      error_of(Errc::conflict, [&] { store->create("config", as_bytes("other")); });
    }
  }
}

TEST_F(S3Servers, ACreationThatSomebodyElseOvertookIsAConflict) {
  S3Location place = faulty_place();
  auto store = retrying(S3Server::store(place));
  store->create("config", as_bytes("theirs"));
  Faults faults(R"({"faults": ["reset_before_answer", "lost_answer"], "match": "^PUT"})");
  error_of(Errc::unavailable, [&] { store->create("config", as_bytes("mine")); });
  S3Server::tell_proxy(R"({"faults": ["reset_before_answer"], "match": "^PUT", "times": 1})");
  error_of(Errc::conflict, [&] { store->create("config", as_bytes("mine")); });
  EXPECT_EQ(get(*store, "config"), "theirs");
}

TEST_F(S3Servers, AClaimHoldsOthersUpUntilItIsDead) {
  S3Location place = S3Server::place();
  S3Client one = client(place);
  std::string folder = place.prefix + "/.duckback/claims/x/";
  bool done = false;
  auto body = [&] { done = true; };
  one.send_ok({.method = "PUT", .object = folder + "a"});
  EXPECT_THAT(
      error_of(
          Errc::unavailable,
          [&] { with_claim(one, folder, "b", {}, body, {.patience = std::chrono::seconds(0)}); }),
      HasSubstr(folder + "a"));
  error_of(Errc::unavailable,
           [&] { with_claim(one, folder, "0", {}, body, {.patience = std::chrono::seconds(0)}); });
  EXPECT_FALSE(done);
  with_claim(one, folder, "b", {}, body, {.dead = std::chrono::seconds(0)});
  EXPECT_TRUE(done);
  EXPECT_EQ(S3Server::store(place)->remove_leftovers(SystemTime::max()), 0u);
}

TEST_F(S3Servers, AClaimStaysWhileItsWriterMayStillBeHeard) {
  S3Location place = S3Server::place();
  S3Client one = client(place);
  std::string folder = place.prefix + "/.duckback/claims/x/";
  error_of(Errc::unavailable, [&] {
    with_claim(one, folder, "a", {}, [] { throw Error(Errc::unavailable, "no answer"); });
  });
  error_of(Errc::unavailable,
           [&] { with_claim(one, folder, "b", {}, [] {}, {.patience = std::chrono::seconds(0)}); });
  error_of(Errc::conflict, [&] {
    with_claim(one, folder, "a", {}, [] { throw Error(Errc::conflict, "exists"); });
  });
  with_claim(one, folder, "b", {}, [] {});
}

TEST_F(S3Servers, WhatChangesOnItsWayIsNotTaken) {
  for (S3Options options :
       {S3Options{}, S3Options{.content_md5 = true}, S3Options{.multipart_above = 10}}) {
    auto store = S3Server::store(faulty_place(options));
    Faults faults(R"({"faults": ["corrupted"], "match": "PUT", "times": 4})");
    error_of(Errc::unavailable, [&] { store->put("a", as_bytes("a few bytes more than ten")); });
    error_of(Errc::not_found, [&] { store->get("a"); });
    retrying(store)->put("a", as_bytes("a few bytes more than ten"));
    EXPECT_EQ(get(*store, "a"), "a few bytes more than ten");
  }
}

TEST_F(S3Servers, WithoutAHashOfTheBodyMd5ProtectsIt) {
  S3Options options{
      .endpoint = S3Server::tls_endpoint(), .unsigned_payload = true, .content_md5 = true};
  auto store = S3Server::store(S3Server::place(options));
  Faults faults(R"({"faults": ["corrupted"], "match": "PUT", "times": 1})");
  EXPECT_THAT(error_of(Errc::unavailable, [&] { store->put("a", as_bytes("bytes")); }),
              HasSubstr("Digest"));
  store->put("a", as_bytes("bytes"));
  EXPECT_EQ(get(*store, "a"), "bytes");
}

TEST_F(S3Servers, AnUnsignedBodyNeedsTls) {
  error_of(Errc::invalid, [] { S3Server::store(S3Server::place({.unsigned_payload = true})); });
}

TEST_F(S3Servers, ACertificateOfNobodyIsRefused) {
  S3Location place = S3Server::place({.endpoint = S3Server::tls_endpoint()});
  auto store = S3Server::store(place, {.ca_file = "/etc/ssl/certs/ca-certificates.crt"});
  EXPECT_THAT(error_of(Errc::refused, [&] { store->put("a", {}); }), HasSubstr("AWS_CA_BUNDLE"));
  S3Server::store(place)->put("a", {});
}

TEST_F(S3Servers, AClockThatIsWrongIsMadeGood) {
  auto store = S3Server::store(faulty_place());
  Faults faults(R"({"faults": ["skewed"]})");
  store->put("a", as_bytes("x"));
  EXPECT_EQ(get(*store, "a"), "x");
  EXPECT_EQ(store->traffic().requests(), 3u);
}

TEST_F(S3Servers, ATokenThatEndsOnTheWayIsRenewed) {
  test::TestFolder folder;
  fs::path script = folder / "give";
  std::string keys = fmt::format(R"(echo '{{"AccessKeyId": "{}", "SecretAccessKey": "{}", )",
                                 process_environment()("AWS_ACCESS_KEY_ID").value(),
                                 process_environment()("AWS_SECRET_ACCESS_KEY").value());
  std::ofstream(script) << keys << R"("Version": 1, "Note": "'$(date +%s%N)'"}')"
                        << "\n"
                        << "echo x >> " << (folder / "count").string() << "\n";
  folder.put("config",
             as_bytes(fmt::format("[default]\ncredential_process = sh {}\n", script.string())));
  S3Store store(faulty_place(), {},
                environment_with({{"AWS_ACCESS_KEY_ID", ""},
                                  {"AWS_SECRET_ACCESS_KEY", ""},
                                  {"AWS_CONFIG_FILE", (folder / "config").string()}}),
                {});
  store.put("a", as_bytes("x"));
  Faults faults(R"({"faults": ["expired_token"], "times": 1})");
  // The same keys again are no others: it is said, not tried for ever.
  EXPECT_THAT(error_of(Errc::refused, [&] { store.get("a"); }), HasSubstr("ExpiredToken"));
  EXPECT_EQ(read_text(folder / "count", 100), "x\nx\n");
  EXPECT_EQ(get(store, "a"), "x");
  std::ofstream(script) << keys << R"("Expiration": "2126-01-01T00:00:00Z"}')"
                        << "\n";
  S3Server::tell_proxy(R"({"faults": ["expired_token"], "times": 1})");
  EXPECT_EQ(get(store, "a"), "x");
  EXPECT_EQ(S3Server::tell_proxy("{}"), R"({"expired_token": 1})");
}

TEST_F(S3Servers, ThatFallSilentAreGivenUpAndAskedAgain) {
  HttpOptions impatient{.stalled_timeout = std::chrono::milliseconds(1000)};
  auto store = retrying(S3Server::store(faulty_place(), impatient));
  store->create("before", {});
  Faults faults(R"({"faults": ["silent"], "times": 1})");
  store->create("a", as_bytes("x"));
  S3Server::tell_proxy(R"({"faults": ["silent"], "times": 1})");
  EXPECT_EQ(get(*store, "a"), "x");
}

TEST_F(S3Servers, LockedObjectsStay) {
  S3Location place = S3Server::place({.lock_mode = "COMPLIANCE", .lock_days = 1});
  place.bucket = "locked-" + place.prefix.substr(place.prefix.size() - 16);
  S3Client raw = client(place);
  raw.send_ok({.method = "PUT", .headers = {{"x-amz-bucket-object-lock-enabled", "true"}}});
  auto store = S3Server::store(place);
  store->put("a", as_bytes("x"));
  S3Request head{.method = "HEAD", .object = place.prefix + "/a"};
  HttpAnswer said = raw.send_ok(head);
  EXPECT_EQ(header_of(said.headers, "x-amz-object-lock-mode"), "COMPLIANCE");
  S3Request removal{
      .method = "DELETE",
      .object = head.object,
      .query = {{"versionId", std::string(header_of(said.headers, "x-amz-version-id"))}},
      .permission = "s3:DeleteObjectVersion"};
  // MinIO says 400 and InvalidRequest.
  error_of(S3Server::is_ceph() ? Errc::refused : Errc::io, [&] { raw.send_ok(removal); });
  // What it leaves for a moment only is not locked.
  EXPECT_NE(store->creates_atomically(), S3Server::is_ceph());
  store->create("b", as_bytes("y"));
  error_of(Errc::conflict, [&] { store->create("b", as_bytes("z")); });
  EXPECT_EQ(store->remove_leftovers(SystemTime::max()), 0u);
}

}  // namespace
}  // namespace duckback
