#include "store/s3_address.h"

#include <gmock/gmock.h>

#include <map>

#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;

AwsConfig config(std::map<std::string, std::string> variables = {}) {
  return AwsConfig([variables](const std::string& name) -> std::optional<std::string> {
    auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string where(const std::string& url,
                  const std::map<std::string, std::string>& variables = {}) {
  S3Location location = parse_s3_url(url);
  S3Address address(location, config(variables));
  return address.origin() + address.path_of(location.prefix);
}

TEST(S3Urls, NameABucketAndAPrefix) {
  EXPECT_EQ(parse_s3_url("s3://my-bucket").bucket, "my-bucket");
  EXPECT_EQ(parse_s3_url("s3://my-bucket/").prefix, "");
  EXPECT_EQ(parse_s3_url("s3://my-bucket/a/b/").prefix, "a/b");
  EXPECT_EQ(parse_s3_url("s3://my-bucket/a b+c%20//\xc3\xa4").prefix, "a b+c%20//\xc3\xa4");
}

TEST(S3Urls, CarryOptionsByDuckDbsNames) {
  S3Location location = parse_s3_url(
      "s3://bucket/p?endpoint=localhost:9000&use_ssl=false&region=eu-1&url_style=vhost&profile=x&"
      "storage_class=STANDARD_IA&sse=aws:kms&sse_kms_key_id=arn:aws:kms:r:1:key/2&"
      "lock_mode=GOVERNANCE&lock_days=30&content_md5=true&conditional_put=false");
  const S3Options& options = location.options;
  EXPECT_EQ(location.prefix, "p");
  EXPECT_EQ(options.endpoint, "http://localhost:9000");
  EXPECT_EQ(options.region, "eu-1");
  EXPECT_EQ(options.url_style, "vhost");
  EXPECT_EQ(options.profile, "x");
  EXPECT_EQ(options.storage_class, "STANDARD_IA");
  EXPECT_EQ(options.encryption, "aws:kms");
  EXPECT_EQ(options.encryption_key, "arn:aws:kms:r:1:key/2");
  EXPECT_EQ(options.lock_mode, "GOVERNANCE");
  EXPECT_EQ(options.lock_days, 30);
  EXPECT_EQ(options.content_md5, true);
  EXPECT_EQ(options.conditional_put, false);
  EXPECT_EQ(parse_s3_url("s3://bucket?endpoint=host").options.endpoint, "https://host");
}

TEST(S3Urls, ThatMakeNoSenseAreInvalid) {
  for (const char* bad :
       {"s3://", "s3:///x", "s3://a", "s3://a b/x", "s3://bucket?x=1", "s3://bucket?region",
        "s3://bucket?use_ssl=maybe", "s3://bucket?url_style=dns", "s3://bucket?lock_days=3",
        "s3://bucket?lock_mode=COMPLIANCE", "s3://bucket?lock_mode=COMPLIANCE&lock_days=x",
        "s3://bucket?sse=rot13", "s3://bucket?sse_kms_key_id=x",
        "s3://bucket?storage_class=A%0d%0aB: C"}) {
    EXPECT_THAT(error_of(Errc::invalid, [&] { parse_s3_url(bad); }), HasSubstr(bad));
  }
  EXPECT_THAT(error_of(Errc::invalid, [&] { parse_s3_url("s3://bucket?storage_class=GLACIER"); }),
              HasSubstr("GLACIER_IR"));
}

TEST(S3Addresses, OfAwsAreTheRegions) {
  EXPECT_EQ(where("s3://bucket/p"), "https://bucket.s3.us-east-1.amazonaws.com/p");
  EXPECT_EQ(where("s3://bucket/p", {{"AWS_REGION", "eu-west-1"}}),
            "https://bucket.s3.eu-west-1.amazonaws.com/p");
  EXPECT_EQ(where("s3://bucket?region=cn-north-1"),
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/");
  // The certificate is for one name before the first dot.
  EXPECT_EQ(where("s3://my.bucket/p"), "https://s3.us-east-1.amazonaws.com/my.bucket/p");
  EXPECT_EQ(where("s3://bucket/p?url_style=path"), "https://s3.us-east-1.amazonaws.com/bucket/p");
}

TEST(S3Addresses, OfOthersAreTheEndpoints) {
  EXPECT_EQ(where("s3://bucket/p", {{"AWS_ENDPOINT_URL_S3", "http://localhost:9000/"}}),
            "http://localhost:9000/bucket/p");
  EXPECT_EQ(where("s3://bucket", {{"AWS_ENDPOINT_URL", "https://host:443"}}),
            "https://host/bucket");
  EXPECT_EQ(where("s3://bucket/p?endpoint=https://host/base"), "https://host/base/bucket/p");
  EXPECT_EQ(where("s3://bucket/p?endpoint=https://host&url_style=vhost"), "https://bucket.host/p");
  EXPECT_EQ(where("s3://bucket?endpoint=http://[::1]:80"), "http://[::1]/bucket");
}

TEST(S3Addresses, ThatLeadElsewhereAreInvalid) {
  for (const char* bad : {"ftp://host", "https://", "https://user:secret@host", "https://a b",
                          "https://host?x", "https://host/a b"}) {
    error_of(Errc::invalid, [&] { S3Address({"bucket", "", {.endpoint = bad}}, config()); });
  }
  error_of(Errc::invalid, [&] { where("s3://bucket", {{"AWS_REGION", "evil.example/"}}); });
  EXPECT_FALSE(is_region("x.example/"));
}

TEST(S3Addresses, MoveToAnotherRegion) {
  S3Address here(parse_s3_url("s3://bucket"), config());
  EXPECT_EQ(here.in_region("eu-west-3").host(), "bucket.s3.eu-west-3.amazonaws.com");
  error_of(Errc::invalid, [&] { here.in_region("a/b"); });
}

TEST(S3Addresses, ThatHoldCredentialsAreRefusedWithoutShowingThem) {
  for (const char* url :
       {"s3://AK:TOP/SECRET@bucket/x", "s3://AK:TOPSECRET@bucket", "s3://bucket/x?secret=TOPSECRET",
        "s3://bucket/x?SECRET_ACCESS_KEY=TOPSECRET", "s3://bucket?session_token=TOPSECRET"}) {
    std::string message = test::error_of(Errc::invalid, [&] { parse_s3_url(url); });
    EXPECT_EQ(message.find("TOP"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace duckback
