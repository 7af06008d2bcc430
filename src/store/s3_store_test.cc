// Answers of servers that are not at hand; what a real one does is in
// test/contract/s3_server_test.cc.
#include "store/s3_store.h"

#include <gmock/gmock.h>

#include <map>

#include "test/support/error_of.h"
#include "test/support/loopback_server.h"

namespace duckback {
namespace {

using test::error_of;
using test::Heard;
using test::http_answer;
using test::LoopbackServer;
using testing::HasSubstr;

class S3Stores : public testing::Test {
 protected:
  S3Store& store(LoopbackServer& server, S3Options options = {}) {
    options.endpoint = server.origin();
    std::map<std::string, std::string> variables = {{"AWS_ACCESS_KEY_ID", "AK"},
                                                    {"AWS_SECRET_ACCESS_KEY", "secret"}};
    store_ = std::make_unique<S3Store>(
        S3Location{"bucket", "p", options}, std::stop_token(),
        [variables](const std::string& name) -> std::optional<std::string> {
          auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        },
        HttpOptions{});
    return *store_;
  }
  // What get() makes of an answer to a request for bytes 2 to 4.
  std::string part(const std::string& answer) {
    LoopbackServer server([&](const Heard&) { return answer; });
    Bytes bytes = store(server).get("a", {.offset = 2, .bytes = 3});
    return {bytes.begin(), bytes.end()};
  }
  std::unique_ptr<S3Store> store_;
};

TEST_F(S3Stores, TakeAPartOnlyIfItIsTheOneAskedFor) {
  EXPECT_EQ(part(http_answer(206, "234", {{"Content-Range", "bytes 2-4/10"}})), "234");
  for (const char* range :
       {"bytes 3-5/10", "bytes 2-4/x", "bytes 2-4/*", "bytes 2-4", "2-4/10", ""}) {
    SCOPED_TRACE(range);
    error_of(Errc::unavailable, [&] { part(http_answer(206, "234", {{"Content-Range", range}})); });
  }
  error_of(Errc::unavailable, [&] {
    part(http_answer(206, "23", {{"Content-Range", "bytes 2-4/10"}}));
  });
  error_of(Errc::damaged, [&] {
    part(http_answer(206, "23", {{"Content-Range", "bytes 2-3/4"}}));
  });
}

TEST_F(S3Stores, AServerWithoutPartsIsGoodForSmallObjects) {
  EXPECT_EQ(part(http_answer(200, "0123456789")), "234");
  error_of(Errc::damaged, [&] { part(http_answer(200, "0123")); });
  EXPECT_THAT(
      error_of(Errc::unsupported, [&] { part(http_answer(200, std::string(1 << 20, 'x'))); }),
      HasSubstr("parts"));
}

TEST_F(S3Stores, AnObjectTooLargeToBeOneIsDamageAndTakesNoMemory) {
  LoopbackServer server([&](const Heard&) {
    return "HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\nand so on";
  });
  EXPECT_THAT(error_of(Errc::damaged, [&] { store(server).get("a"); }), HasSubstr("1099511627776"));
}

TEST_F(S3Stores, SayHowObjectsAreKept) {
  LoopbackServer server([](const Heard&) { return http_answer(200); });
  S3Options options{.storage_class = "STANDARD_IA",
                    .encryption = "aws:kms",
                    .encryption_key = "key/1",
                    .lock_mode = "GOVERNANCE",
                    .lock_days = 1000,
                    .conditional_put = true};
  store(server, options).put("a", as_bytes("x"));
  store_->create("b", as_bytes("x"));
  std::vector<Heard> heard = server.heard();
  for (const Heard& request : heard) {
    EXPECT_EQ(request.header("x-amz-storage-class"), "STANDARD_IA");
    EXPECT_EQ(request.header("x-amz-server-side-encryption"), "aws:kms");
    EXPECT_EQ(request.header("x-amz-server-side-encryption-aws-kms-key-id"), "key/1");
    EXPECT_EQ(request.header("x-amz-object-lock-mode"), "GOVERNANCE");
    SystemTime until = parse_utc(request.header("x-amz-object-lock-retain-until-date"));
    EXPECT_GT(until, std::chrono::system_clock::now() + std::chrono::days(999));
    // S3 asks for it where objects are locked. MD5 of "x" by RFC 1321, in base64.
    EXPECT_EQ(request.header("content-md5"), "ndTkYSaMgDT1yFZOFVxnpg==");
    EXPECT_THAT(std::string(request.header("authorization")),
                HasSubstr("x-amz-object-lock-mode;x-amz-object-lock-retain-until-date"));
  }
  EXPECT_EQ(heard.at(0).header("if-none-match"), "");
  EXPECT_EQ(heard.at(1).header("if-none-match"), "*");
}

TEST_F(S3Stores, WhatTheyTryOutIsKeptPlainly) {
  int puts = 0;
  LoopbackServer server([&](const Heard& request) {
    return http_answer(request.method == "PUT" && ++puts == 2 ? 412 : 200);
  });
  S3Options options{.storage_class = "STANDARD_IA", .lock_mode = "COMPLIANCE", .lock_days = 1};
  EXPECT_TRUE(store(server, options).creates_atomically());
  EXPECT_TRUE(store_->creates_atomically());  // It is known now.
  std::vector<Heard> heard = server.heard();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[2].method, "DELETE");
  for (const Heard& request : heard) {
    EXPECT_THAT(request.target, testing::StartsWith("/bucket/p/.duckback/probe/"));
    EXPECT_EQ(request.header("x-amz-object-lock-mode"), "");
    EXPECT_EQ(request.header("x-amz-storage-class"), "");
  }
}

TEST_F(S3Stores, RemovingFromABucketThatIsGoneIsNoSuccess) {
  LoopbackServer server([](const Heard& request) {
    return http_answer(404,
                       fmt::format("<Error><Code>{}</Code></Error>",
                                   request.target == "/bucket/p/a" ? "NoSuchKey" : "NoSuchBucket"));
  });
  store(server).remove("a");
  error_of(Errc::no_repository, [&] { store_->remove("b"); });
}

std::vector<std::string> keys(int count) {
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) keys.push_back(fmt::format("k{}", i));
  return keys;
}

// "Deleted" of each object that the body of a DeleteObjects names, but those of `except`.
std::string deleted(const std::string& body, const std::string& except = "") {
  std::string answer = "<DeleteResult>";
  for (std::size_t at = body.find("<Key>"); at != body.npos; at = body.find("<Key>", at + 1)) {
    std::string key = body.substr(at, body.find("</Key>", at) - at) + "</Key>";
    bool fails = !except.empty() && key == "<Key>p/" + except + "</Key>";
    answer += fails ? "<Error>" + key + "<Code>AccessDenied</Code></Error>"
                    : "<Deleted>" + key + "</Deleted>";
  }
  return answer + "</DeleteResult>";
}

TEST_F(S3Stores, RemoveAThousandWithOneRequest) {
  LoopbackServer server([](const Heard& request) {
    return http_answer(request.method == "POST" ? 200 : 204, deleted(request.body));
  });
  remove_all(store(server), keys(2001));
  std::vector<Heard> heard = server.heard();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].target, "/bucket?delete=");
  EXPECT_THAT(heard[0].body, testing::StartsWith("<Delete><Object><Key>p/k0</Key></Object>"));
  EXPECT_NE(heard[0].header("content-md5"), "");  // S3 asks for it.
  EXPECT_EQ(heard[2].method + " " + heard[2].target, "DELETE /bucket/p/k2000");
  EXPECT_EQ(store_->traffic().delete_requests, 3u);
}

// Google's servers have no such request, and policies may forbid it.
TEST_F(S3Stores, RemoveOneByOneWhereTheServerRemovesNoThousand) {
  for (int status : {400, 403, 404, 405, 500, 501}) {
    SCOPED_TRACE(status);
    LoopbackServer server(
        [&](const Heard& request) { return http_answer(request.method == "POST" ? status : 204); });
    remove_all(store(server), keys(1500));
    EXPECT_EQ(server.heard().size(), 1501u);
  }
  for (const std::string& answer : {http_answer(200, "<DeleteResult/>"), http_answer(200),
                                    http_answer(200, "a page"), http_answer(503), std::string()}) {
    SCOPED_TRACE(answer);
    LoopbackServer server(
        [&](const Heard& request) { return request.method == "POST" ? answer : http_answer(204); });
    remove_all(store(server), keys(3));
    EXPECT_GE(server.heard().size(), 4u);
  }
}

TEST_F(S3Stores, SayWhyOneOfManyWasNotRemoved) {
  LoopbackServer server([](const Heard& request) {
    if (request.method == "POST") return http_answer(200, deleted(request.body, "k1"));
    return http_answer(403, "<Error><Code>AccessDenied</Code></Error>");
  });
  EXPECT_THAT(error_of(Errc::refused, [&] { remove_all(store(server), keys(3)); }),
              HasSubstr("p/k1"));
  EXPECT_EQ(server.heard().size(), 2u);
  LoopbackServer busy([](const Heard&) { return http_answer(503); });
  error_of(Errc::unavailable, [&] { remove_all(store(busy), keys(3)); });
}

// A server with one upload; the answer to who asks for its parts is given.
std::string with_upload(const Heard& request, const std::string& parts) {
  if (request.target.find("uploads") != std::string::npos && request.method == "GET") {
    return http_answer(200,
                       "<R><Upload><Key>p/a</Key><UploadId>the id</UploadId></Upload>"
                       "<Upload><Key>p/a</Key><UploadId>another</UploadId></Upload>"
                       "<Upload><Key>p/ab</Key><UploadId>a neighbour's</UploadId></Upload></R>");
  }
  if (request.method == "GET") return parts;
  if (request.method == "POST") return http_answer(200, "<R><UploadId>the id</UploadId></R>");
  return http_answer(request.method == "PUT" ? 200 : 204, "", {{"etag", "\"sent\""}});
}

// MD5 by RFC 1321, A.5: of "abc".
constexpr const char* kParts = R"(<R>
  <Part><PartNumber>1</PartNumber><ETag>"900150983cd24fb0d6963f7d28e17f72"</ETag><Size>3</Size></Part>
  <Part><PartNumber>3</PartNumber><ETag>"no digest of it"</ETag><Size>3</Size></Part></R>)";

TEST_F(S3Stores, GoOnWithAnUploadWhosePartsAreTheSame) {
  LoopbackServer server(
      [](const Heard& request) { return with_upload(request, http_answer(200, kParts)); });
  std::string token = store(server).begin_upload("a")->token();
  std::unique_ptr<Upload> upload = store(server).resume_upload("a", token);
  ASSERT_TRUE(upload);
  EXPECT_EQ(server.heard().back().method + " " + server.heard().back().target,
            "DELETE /bucket/p/a?uploadId=another");
  std::size_t heard = server.heard().size();
  EXPECT_EQ(upload->parts_before(), 3u);
  EXPECT_EQ(upload->token(), token);
  EXPECT_FALSE(upload->has_part(0, as_bytes("abd")));
  EXPECT_FALSE(upload->has_part(0, as_bytes("abcd")));
  EXPECT_FALSE(upload->has_part(1, as_bytes("abc")));
  EXPECT_FALSE(upload->has_part(2, as_bytes("abc")));
  EXPECT_TRUE(upload->has_part(0, as_bytes("abc")));
  EXPECT_EQ(server.heard().size(), heard);  // No part was sent.
  upload->put_part(0, as_bytes("abd"));
  EXPECT_FALSE(upload->has_part(0, as_bytes("abc")));
}

TEST_F(S3Stores, DoNotGoOnWithAnUploadThatIsGoneOrWasBegunOtherwise) {
  std::string parts = http_answer(200, kParts);
  LoopbackServer server([&](const Heard& request) { return with_upload(request, parts); });
  std::string token = store(server).begin_upload("a")->token();
  EXPECT_TRUE(store(server).resume_upload("a", token));
  EXPECT_FALSE(store(server, {.storage_class = "STANDARD_IA"}).resume_upload("a", token));
  for (const std::string& none : {std::string(), std::string("x"), std::string(100, 'x')}) {
    EXPECT_FALSE(store(server).resume_upload("a", none));
  }
  for (std::string answer :
       {http_answer(404, "<Error><Code>NoSuchUpload</Code></Error>"), http_answer(403),
        http_answer(200, "<R><Part><PartNumber>0</PartNumber><Size>3</Size></Part></R>"),
        http_answer(200, "<R><Part><PartNumber>10001</PartNumber><Size>3</Size></Part></R>"),
        http_answer(200, "<R><IsTruncated>true</IsTruncated></R>"),
        http_answer(200,
                    "<R><IsTruncated>true</IsTruncated>"
                    "<NextPartNumberMarker>7</NextPartNumberMarker></R>")}) {
    parts = answer;
    EXPECT_FALSE(store(server).resume_upload("a", token)) << answer;
  }
  // What is locked would be so from the time on when it was begun.
  EXPECT_EQ(store(server, {.lock_mode = "GOVERNANCE", .lock_days = 1}).begin_upload("a")->token(),
            "");
}

}  // namespace
}  // namespace duckback
