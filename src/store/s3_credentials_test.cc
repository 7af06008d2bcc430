#include "store/s3_credentials.h"

#include <gmock/gmock.h>

#include <map>

#include "test/support/error_of.h"
#include "test/support/loopback_server.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using test::Heard;
using test::http_answer;
using test::LoopbackServer;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kJson =
    R"({"Code":"Success","AccessKeyId":"AKJSON","SecretAccessKey":"json-secret","Token":"json-token",)"
    R"("SessionToken":"json-token","Expiration":"2026-01-01T06:00:00Z"})";

std::string sts_answer(std::string_view action) {
  return fmt::format(
      "<{0}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{0}Result>"
      "<AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser><Credentials>"
      "<AccessKeyId>AKROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"
      "<SessionToken>role-token</SessionToken><Expiration>2026-01-01T06:00:00Z</Expiration>"
      "</Credentials></{0}Result></{0}Response>",
      action);
}

class CredentialChains : public testing::Test {
 protected:
  CredentialChains() { fs::create_directory(folder_ / ".aws"); }
  void config(const std::string& text) { folder_.put(".aws/config", as_bytes(text)); }
  // The chain lives as long as the test; its clock is `now_`.
  CredentialChain& chain(const std::string& profile = "") {
    variables_["HOME"] = folder_.path();
    variables_.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
    auto environment = [this](const std::string& name) -> std::optional<std::string> {
      auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    chain_ = std::make_unique<CredentialChain>(AwsConfig(environment, profile),
                                               std::make_shared<HttpClient>(), std::stop_token(),
                                               [this] { return now_; });
    return *chain_;
  }
  void expect_keys(std::string_view access, std::string_view secret, std::string_view token) {
    Credentials given = chain_->get();
    EXPECT_EQ(given.access_key, access);
    EXPECT_EQ(given.secret_key.reveal(), secret);
    EXPECT_EQ(given.token.reveal(), token);
  }

  std::map<std::string, std::string> variables_;
  test::TestFolder folder_;
  SystemTime now_ = parse_utc("2026-01-01T00:00:00Z");
  std::unique_ptr<CredentialChain> chain_;
};

TEST_F(CredentialChains, TakeTheEnvironmentFirst) {
  config("[default]\naws_access_key_id = FILE\naws_secret_access_key = x\n");
  variables_["AWS_ACCESS_KEY_ID"] = "AKENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "env-secret";
  chain();
  expect_keys("AKENV", "env-secret", "");
  variables_["AWS_SESSION_TOKEN"] = "token";
  chain();
  expect_keys("AKENV", "env-secret", "token");
  EXPECT_EQ(chain_->origin(), "the environment");
  // A profile that the caller names is meant.
  chain("default");
  expect_keys("FILE", "x", "");
}

TEST_F(CredentialChains, HalfOfAKeyIsAMistake) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKENV";
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), HasSubstr("AWS_SECRET_ACCESS_KEY"));
}

TEST_F(CredentialChains, SayWhatToSetIfThereAreNone) {
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), HasSubstr("AWS_PROFILE"));
}

TEST_F(CredentialChains, TakeTheKeysOfAProfile) {
  config(
      "[profile work]\naws_access_key_id = AKFILE\naws_secret_access_key = file-secret\n"
      "aws_session_token = file-token\n");
  variables_["AWS_PROFILE"] = "work";
  chain();
  expect_keys("AKFILE", "file-secret", "file-token");
  EXPECT_EQ(chain_->origin(), "the AWS profile 'work'");
}

TEST_F(CredentialChains, AskAProcess) {
  fs::path count = folder_ / "count";
  config(fmt::format("[default]\ncredential_process = echo x >> '{}' && echo '{}'\n",
                     count.string(), kJson));
  chain();
  expect_keys("AKJSON", "json-secret", "json-token");
  expect_keys("AKJSON", "json-secret", "json-token");
  EXPECT_EQ(read_text(count, 100), "x\n");
}

TEST_F(CredentialChains, AProcessThatFailsIsNamedAndNotQuoted) {
  config("[default]\ncredential_process = echo secret; echo secret >&2; exit 3\n");
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }),
              testing::AllOf(HasSubstr("status 3"), Not(HasSubstr("secret"))));
  config("[default]\ncredential_process = echo secret\n");
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), Not(HasSubstr("secret")));
  config("[default]\ncredential_process = echo '{\"AccessKeyId\": \"a\"}'\n");
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), HasSubstr("SecretAccessKey"));
}

TEST_F(CredentialChains, TakeARoleByAnotherProfile) {
  LoopbackServer sts([](const Heard&) { return http_answer(200, sts_answer("AssumeRole")); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.origin();
  variables_["AWS_REGION"] = "eu-west-1";
  config(
      "[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = base-secret\n"
      "[profile role]\nrole_arn = arn:aws:iam::1:role/a+b\nsource_profile = base\n"
      "external_id = a&b\nduration_seconds = 3600\n");
  chain("role");
  expect_keys("AKROLE", "role-secret", "role-token");
  Heard heard = sts.heard().at(0);
  EXPECT_EQ(heard.method, "POST");
  EXPECT_EQ(heard.body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%2Bb&"
            "RoleSessionName=duckback&ExternalId=a%26b&DurationSeconds=3600");
  EXPECT_THAT(std::string(heard.header("authorization")),
              HasSubstr("Credential=AKBASE/20260101/eu-west-1/sts/aws4_request"));
}

TEST_F(CredentialChains, ARoleMayBeTakenByARoleButNotByItself) {
  LoopbackServer sts([](const Heard&) { return http_answer(200, sts_answer("AssumeRole")); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.origin();
  config(
      "[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = x\n"
      "[profile one]\nrole_arn = arn:1\nsource_profile = base\n"
      "[profile two]\nrole_arn = arn:2\nsource_profile = one\n"
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = a\n"
      "[profile lost]\nrole_arn = arn:b\n"
      "[profile code]\nrole_arn = arn:b\nsource_profile = base\nmfa_serial = 1\n");
  chain("two").get();
  EXPECT_THAT(std::string(sts.heard().at(0).header("authorization")), HasSubstr("AKBASE/"));
  EXPECT_THAT(std::string(sts.heard().at(1).header("authorization")), HasSubstr("AKROLE/"));
  EXPECT_EQ(sts.heard().at(1).header("x-amz-security-token"), "role-token");
  error_of(Errc::invalid, [&] { chain("a").get(); });
  error_of(Errc::refused, [&] { chain("lost").get(); });
  EXPECT_THAT(error_of(Errc::unsupported, [&] { chain("code").get(); }), HasSubstr("MFA"));
}

TEST_F(CredentialChains, ARoleThatIsRefusedIsSaidWithTheReason) {
  LoopbackServer sts([](const Heard&) {
    return http_answer(403,
                       "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
  });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.origin();
  config(
      "[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = base-secret\n"
      "[profile role]\nrole_arn = arn\nsource_profile = base\n");
  EXPECT_THAT(error_of(Errc::refused, [&] { chain("role").get(); }),
              testing::AllOf(HasSubstr("AccessDenied"), Not(HasSubstr("base-secret"))));
}

TEST_F(CredentialChains, TakeARoleByWebIdentity) {
  LoopbackServer sts(
      [](const Heard&) { return http_answer(200, sts_answer("AssumeRoleWithWebIdentity")); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.origin();
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.put("token", as_bytes("web.tok-en\n"));
  variables_["AWS_ROLE_ARN"] = "arn:role";
  chain();
  expect_keys("AKROLE", "role-secret", "role-token");
  EXPECT_THAT(sts.heard().at(0).body, testing::EndsWith("&WebIdentityToken=web.tok-en"));
  EXPECT_EQ(sts.heard()[0].header("authorization"), "");
  EXPECT_EQ(chain_->origin(), "the role of a web identity");
}

TEST_F(CredentialChains, AskTheContainer) {
  LoopbackServer container([](const Heard&) { return http_answer(200, kJson); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.origin() + "/v1/credentials?id=1";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic abc";
  chain();
  expect_keys("AKJSON", "json-secret", "json-token");
  EXPECT_EQ(container.heard().at(0).target, "/v1/credentials?id=1");
  EXPECT_EQ(container.heard()[0].header("authorization"), "Basic abc");
  // A token in a file is the one that is there now.
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.put("token", as_bytes("newer\n"));
  chain().get();
  EXPECT_EQ(container.heard().at(1).header("authorization"), "newer");
  folder_.put("token", as_bytes("a\r\nx-evil: 1"));
  error_of(Errc::invalid, [&] { chain().get(); });
}

TEST_F(CredentialChains, AContainerIsNearOrAskedByTls) {
  for (const char* far : {"http://example.com/x", "http://127.0.0.1.example.com/",
                          "ftp://localhost", "http://10.0.0.1:80/", "http://user@10.0.0.1/"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = far;
    EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), HasSubstr("FULL_URI"));
  }
  variables_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@example.com/";
  error_of(Errc::invalid, [&] { chain().get(); });
}

std::string machine(const Heard& request) {
  if (request.method == "PUT") {
    return request.header("x-aws-ec2-metadata-token-ttl-seconds").empty()
               ? http_answer(400)
               : http_answer(200, "imds-token");
  }
  if (request.header("x-aws-ec2-metadata-token") != "imds-token") return http_answer(401);
  constexpr std::string_view roles = "/latest/meta-data/iam/security-credentials/";
  if (request.target == roles) return http_answer(200, "my-role");
  if (request.target == std::string(roles) + "my-role") return http_answer(200, kJson);
  return http_answer(404);
}

TEST_F(CredentialChains, AskTheMachine) {
  LoopbackServer server(machine);
  variables_["AWS_EC2_METADATA_DISABLED"] = "false";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.origin();
  chain();
  expect_keys("AKJSON", "json-secret", "json-token");
  EXPECT_EQ(chain_->origin(), "the machine's role 'my-role'");
  EXPECT_EQ(server.heard().at(0).target, "/latest/api/token");
}

TEST_F(CredentialChains, AMachineWithoutRoleHasNone) {
  LoopbackServer server([](const Heard& request) {
    return request.method == "PUT" ? http_answer(200, "t") : http_answer(404);
  });
  variables_["AWS_EC2_METADATA_DISABLED"] = "false";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.origin();
  EXPECT_THAT(error_of(Errc::refused, [&] { chain().get(); }), HasSubstr("no AWS credentials"));
}

TEST_F(CredentialChains, FetchAnewBeforeTheEnd) {
  std::atomic<int> asked = 0;
  LoopbackServer container(
      [&](const Heard&) { return ++asked == 3 ? http_answer(503) : http_answer(200, kJson); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.origin();
  chain().get();
  now_ = parse_utc("2026-01-01T05:54:00Z");
  chain_->get();
  EXPECT_EQ(asked, 1);
  now_ = parse_utc("2026-01-01T05:56:00Z");
  chain_->get();
  EXPECT_EQ(asked, 2);
  // What does not answer just now leaves what still holds.
  expect_keys("AKJSON", "json-secret", "json-token");
  EXPECT_EQ(asked, 3);
}

TEST_F(CredentialChains, OnesThatEndedAreNotUsedIfThereAreNoNewOnes) {
  std::atomic<int> asked = 0;
  LoopbackServer container(
      [&](const Heard&) { return ++asked > 1 ? http_answer(503) : http_answer(200, kJson); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.origin();
  chain().get();
  now_ = parse_utc("2026-01-01T06:00:01Z");
  error_of(Errc::unavailable, [&] { chain_->get(); });
}

TEST_F(CredentialChains, RefusedOnesAreRenewedIfThereAreOthers) {
  std::atomic<int> asked = 0;
  LoopbackServer container([&](const Heard&) {
    std::string json(kJson);
    if (++asked > 1) json.replace(json.find("AKJSON"), 6, "AKNEW2");
    return http_answer(200, json);
  });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = container.origin();
  Credentials first = chain().get();
  EXPECT_TRUE(chain_->renew(first));
  EXPECT_EQ(chain_->get().access_key, "AKNEW2");
  EXPECT_TRUE(chain_->renew(first));  // Another thread's were refused too: nobody asks again.
  EXPECT_EQ(asked, 2);
  EXPECT_FALSE(chain_->renew(chain_->get()));
}

}  // namespace
}  // namespace duckback
