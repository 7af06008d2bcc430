// Answers that no server at hand gives when asked to; what a real one does is in
// test/contract/s3_server_test.cc.
#include "store/s3_client.h"

#include <gmock/gmock.h>

#include <map>

#include "store/s3_listing.h"
#include "store/s3_store.h"
#include "test/support/error_of.h"
#include "test/support/loopback_server.h"

namespace duckback {
namespace {

using test::error_of;
using test::Heard;
using test::http_answer;
using test::LoopbackServer;
using testing::HasSubstr;
using testing::Not;

std::string error_xml(std::string_view code, std::string_view more = "") {
  return fmt::format(
      "<?xml version=\"1.0\"?><Error><Code>{}</Code><Message>words</Message>{}</Error>", code,
      more);
}

class S3Clients : public testing::Test {
 protected:
  S3Client& client(const std::string& endpoint) {
    std::map<std::string, std::string> variables = {{"AWS_ACCESS_KEY_ID", "AK"},
                                                    {"AWS_SECRET_ACCESS_KEY", "very-secret"},
                                                    {"AWS_SESSION_TOKEN", "very-token"}};
    AwsConfig config([variables](const std::string& name) -> std::optional<std::string> {
      auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    });
    client_ = std::make_unique<S3Client>(S3Location{"bucket", "", {.endpoint = endpoint}}, config,
                                         HttpOptions{}, std::stop_token());
    return *client_;
  }
  // The message with which a request for "key" fails that is answered so.
  std::string failure(Errc code, const std::string& answer) {
    LoopbackServer server([&](const Heard&) { return answer; });
    std::string message = error_of(code, [&] {
      client(server.origin()).send_ok({.object = "key", .permission = "s3:GetObject"});
    });
    for (const char* hidden : {"very-secret", "very-token", "Signature=", "StringToSign"}) {
      EXPECT_THAT(message, Not(HasSubstr(hidden)));
    }
    return message;
  }
  std::unique_ptr<S3Client> client_;
};

TEST_F(S3Clients, TellWhatMayPassFromWhatMayNot) {
  for (int status : {500, 502, 503, 504, 429, 408, 409})
    failure(Errc::unavailable, http_answer(status));
  for (const char* code : {"SlowDown", "RequestTimeout", "IncompleteBody", "BadDigest"}) {
    EXPECT_THAT(failure(Errc::unavailable, http_answer(400, error_xml(code))), HasSubstr(code));
  }
  failure(Errc::not_found, http_answer(404, error_xml("NoSuchKey")));
  failure(Errc::not_found, http_answer(404));
  failure(Errc::conflict, http_answer(412, error_xml("PreconditionFailed")));
  failure(Errc::unsupported, http_answer(501, error_xml("NotImplemented")));
  failure(Errc::no_space, http_answer(507));
  failure(Errc::no_space, http_answer(403, error_xml("QuotaExceeded")));
  failure(Errc::io, http_answer(400, error_xml("InvalidRequest")));
  failure(Errc::io, http_answer(405));
}

TEST_F(S3Clients, SayWhatToDoAboutARefusal) {
  EXPECT_THAT(failure(Errc::refused, http_answer(403, error_xml("AccessDenied"))),
              testing::AllOf(HasSubstr("s3:GetObject"), HasSubstr("the environment"),
                             HasSubstr("s3://bucket/key")));
  EXPECT_THAT(failure(Errc::refused,
                      http_answer(403, error_xml("SignatureDoesNotMatch",
                                                 "<StringToSign>StringToSign</StringToSign>"))),
              HasSubstr("secret key"));
  EXPECT_THAT(failure(Errc::refused, http_answer(400, error_xml("ExpiredToken"))),
              HasSubstr("does not accept the credentials"));
  EXPECT_THAT(failure(Errc::refused, http_answer(403, error_xml("InvalidObjectState"))),
              HasSubstr("thaw"));
  EXPECT_THAT(failure(Errc::no_repository, http_answer(404, error_xml("NoSuchBucket"))),
              HasSubstr("make it"));
  EXPECT_THAT(failure(Errc::refused, http_answer(301, error_xml("PermanentRedirect"))),
              HasSubstr("AWS_REGION"));
}

TEST_F(S3Clients, PrintNoBytesThatATerminalObeys) {
  EXPECT_THAT(failure(Errc::io, http_answer(400, error_xml("A", "<Message>\n</Message>"))),
              Not(HasSubstr("\n")));
  failure(Errc::io, http_answer(400, "<html>not S3</html>"));
}

TEST_F(S3Clients, GoToTheRegionThatABucketIsIn) {
  for (bool by_header : {true, false}) {
    LoopbackServer server([&](const Heard& request) {
      std::string authorization(request.header("authorization"));
      if (authorization.find("/eu-north-1/s3/") != authorization.npos) return http_answer(200);
      if (by_header) return http_answer(301, "", {{"x-amz-bucket-region", "eu-north-1"}});
      return http_answer(400,
                         error_xml("AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"));
    });
    client(server.origin()).send_ok({.object = "a"});
    client_->send_ok({.object = "b"});
    EXPECT_EQ(server.heard().size(), 3u);
  }
}

TEST_F(S3Clients, DoNotGoInCircles) {
  LoopbackServer server([](const Heard& request) {
    std::string authorization(request.header("authorization"));
    bool here = authorization.find("/a/s3/") != authorization.npos;
    return http_answer(301, "", {{"x-amz-bucket-region", here ? "b" : "a"}});
  });
  error_of(Errc::refused, [&] { client(server.origin()).send_ok({.object = "a"}); });
  EXPECT_EQ(server.heard().size(), 2u);
  LoopbackServer liar([](const Heard&) {
    return http_answer(301, "", {{"x-amz-bucket-region", "evil.example/"}});
  });
  error_of(Errc::refused, [&] { client(liar.origin()).send_ok({.object = "a"}); });
}

TEST_F(S3Clients, KeepTheServersTime) {
  LoopbackServer server([](const Heard& request) {
    if (request.header("x-amz-date").starts_with("2031")) return http_answer(200);
    return http_answer(403, request.method == "HEAD" ? "" : error_xml("RequestTimeTooSkewed"),
                       {{"Date", "Mon, 03 Feb 2031 04:05:06 GMT"}});
  });
  for (const char* method : {"GET", "HEAD"}) {
    client(server.origin()).send_ok({.method = method, .object = "a"});
    client_->send_ok({.object = "b"});
  }
  EXPECT_EQ(server.heard().size(), 6u);
}

TEST_F(S3Clients, AClockThatIsRightIsNotBlamed) {
  EXPECT_THAT(failure(Errc::refused, http_answer(403, error_xml("RequestTimeTooSkewed"))),
              HasSubstr("clock"));
}

TEST_F(S3Clients, CountWhatTheyExchange) {
  LoopbackServer server([](const Heard&) { return http_answer(200, "12345"); });
  Traffic before = process_traffic();
  client(server.origin()).send_ok({.method = "PUT", .object = "a", .body = as_bytes("123")});
  EXPECT_EQ(client_->traffic().bytes_sent, 3u);
  EXPECT_EQ(client_->traffic().bytes_received, 5u);
  client_->send_ok({.method = "POST", .object = "a", .query = {{"uploads", ""}}});
  client_->send_ok({.query = {{"list-type", "2"}}});
  client_->send_ok({.object = "a"});
  client_->send_ok({.method = "HEAD", .object = "a"});
  client_->send_ok({.method = "DELETE", .object = "a"});
  EXPECT_EQ(client_->traffic().write_requests, 3u);
  EXPECT_EQ(client_->traffic().read_requests, 2u);
  EXPECT_EQ(client_->traffic().delete_requests, 1u);
  EXPECT_EQ(process_traffic().requests() - before.requests(), 6u);
  EXPECT_EQ(process_traffic().bytes_sent - before.bytes_sent, 3u);
}

std::string contents(const std::string& key, const std::string& size = "1") {
  return "<Contents><Key>" + key + "</Key><Size>" + size +
         "</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>";
}

std::string listing(const std::string& inner) {
  return http_answer(200, "<ListBucketResult>" + inner + "</ListBucketResult>");
}

TEST_F(S3Clients, AListingThatCannotBeTrustedIsNone) {
  auto outcome = [&](Errc code, const std::string& answer) {
    LoopbackServer server([&](const Heard&) { return answer; });
    return error_of(
        code, [&] { list_objects(client(server.origin()), "", Depth::all, [](const auto&) {}); });
  };
  EXPECT_THAT(outcome(Errc::unsupported, listing(contents("b") + contents("a"))),
              HasSubstr("out of order"));
  outcome(Errc::unsupported, listing(contents("a") + contents("a")));
  outcome(Errc::unavailable, listing("<IsTruncated>true</IsTruncated>"));
  outcome(Errc::unavailable, listing(contents("a", "")));
  outcome(Errc::unavailable, listing(contents("a", "-1")));
  outcome(Errc::unavailable, http_answer(200, "<Else/>"));
  outcome(Errc::unavailable, http_answer(200, ""));
}

TEST_F(S3Clients, AListingGoesOnWhereAPageEnds) {
  LoopbackServer server([](const Heard& request) {
    bool first = request.target.find("continuation-token=more%2F%2B") == std::string::npos;
    return listing(first ? "<EncodingType>url</EncodingType>" + contents("a+%2B%C3%A4") +
                               "<IsTruncated>true</IsTruncated>"
                               "<NextContinuationToken>more/+</NextContinuationToken>"
                         : contents("b%20"));
  });
  std::vector<std::string> keys;
  list_objects(client(server.origin()), "", Depth::all,
               [&](const ObjectInfo& object) { keys.push_back(object.key); });
  EXPECT_THAT(keys, testing::ElementsAre("a +\xc3\xa4", "b%20"));
}

}  // namespace
}  // namespace duckback
