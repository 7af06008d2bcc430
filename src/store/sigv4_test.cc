#include "store/sigv4.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace duckback {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// The inputs and expected signatures of AWS's published Signature Version 4 test suite.
const Credentials kExample{.access_key = "AKIDEXAMPLE",
                           .secret_key = HiddenText("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                           .token = {},
                           .expires = {}};
constexpr std::string_view kUnreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kLongToken =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

struct Vector {
  std::string name;
  std::string signature;
  std::string path = "/";
  Query query{};
  HttpHeaders headers{};
  std::string method = "GET";
  std::string body{};
  std::string token{};
};

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> all = {
      {"get-vanilla", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-unreserved", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
       "/" + std::string(kUnreserved)},
      {"get-utf8", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
       "/\xe1\x88\xb4"},
      {"get-space", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
       "/example space/"},
      // A path is not normalised.
      {"get-relative", "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282",
       "/example/.."},
      {"get-relative-relative", "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b",
       "/example1/example2/../.."},
      {"get-slash-dot-slash", "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145",
       "/./"},
      {"get-slash-pointless-dot",
       "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff", "/./example"},
      {"get-slash", "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e", "//"},
      {"get-slashes", "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
       "//example//"},
      {"get-vanilla-empty-query-key",
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
       "/",
       {{"Param1", "value1"}}},
      {"get-vanilla-query-order-key-case",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
       "/",
       {{"Param2", "value2"}, {"Param1", "value1"}}},
      {"get-vanilla-query-order-encoded",
       "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
       "/",
       {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\xe1\x88\xb4", "Value1"}}},
      {"get-vanilla-query-unreserved",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
       "/",
       {{std::string(kUnreserved), std::string(kUnreserved)}}},
      {"get-vanilla-utf8-query",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
       "/",
       {{"\xe1\x88\xb4", "bar"}}},
      {"get-header-key-duplicate",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
       "/",
       {},
       {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}}},
      {"get-header-value-order",
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
       "/",
       {},
       {{"my-header1", "value4"},
        {"my-header1", "value1"},
        {"my-header1", "value3"},
        {"my-header1", "value2"}}},
      {"get-header-value-multiline",
       "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
       "/",
       {},
       {{"my-header1", "value1\n  value2\n     value3"}}},
      {"get-header-value-trim",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
       "/",
       {},
       {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}}},
      {"get-vanilla-with-session-token",
       "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
       "/",
       {},
       {},
       "GET",
       "",
       "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"},
      {"post-vanilla",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
       "/",
       {},
       {},
       "POST"},
      {"post-header-key-sort",
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
       "/",
       {},
       {{"my-header1", "value1"}},
       "POST"},
      {"post-header-value-case",
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
       "/",
       {},
       {{"my-header1", "VALUE1"}},
       "POST"},
      {"post-vanilla-query",
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
       "/",
       {{"Param1", "value1"}},
       {},
       "POST"},
      {"post-sts-header-before",
       "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
       "/",
       {},
       {},
       "POST",
       "",
       std::string(kLongToken)},
      {"post-x-www-form-urlencoded",
       "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
       "/",
       {},
       {{"content-type", "application/x-www-form-urlencoded"},
        {"content-length", "13"},
        {"x-amz-content-sha256",
         "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
       "POST",
       "Param1=value1"},
      {"post-x-www-form-urlencoded-parameters",
       "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
       "/",
       {},
       {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
        {"content-length", "13"},
        {"x-amz-content-sha256",
         "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
       "POST",
       "Param1=value1"},
  };
  return all;
}

TEST(SigV4, SignsWhatAwssTestSuiteHolds) {
  for (const Vector& vector : vectors()) {
    SCOPED_TRACE(vector.name);
    AwsRequest request{.method = vector.method,
                       .path = vector.path,
                       .query = vector.query,
                       .headers = vector.headers,
                       .payload_hash = sha256_hex(as_bytes(vector.body))};
    request.headers.emplace_back("host", "example.amazonaws.com");
    Credentials signer = kExample;
    signer.token = HiddenText(vector.token);
    sign(request, signer,
         {.time = parse_utc("2015-08-30T12:36:00Z"), .region = "us-east-1", .service = "service"});
    EXPECT_THAT(std::string(header_of(request.headers, "authorization")),
                EndsWith("Signature=" + vector.signature));
  }
}

// The worked examples of Amazon S3's documentation
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
TEST(SigV4, SignsTheExamplesOfTheS3Documentation) {
  const Vector examples[] = {
      {"get object",
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
       "/test.txt",
       {},
       {{"range", "bytes=0-9"}}},
      {"put object",
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
       "/test$file.text",
       {},
       {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
       "PUT",
       "Welcome to Amazon S3."},
      {"a parameter without value",
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
       "/",
       {{"lifecycle", ""}}},
      {"list objects",
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
       "/",
       {{"max-keys", "2"}, {"prefix", "J"}}},
  };
  for (const Vector& example : examples) {
    SCOPED_TRACE(example.name);
    AwsRequest request{.method = example.method,
                       .path = example.path,
                       .query = example.query,
                       .headers = example.headers,
                       .payload_hash = sha256_hex(as_bytes(example.body))};
    request.headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
    request.headers.emplace_back("x-amz-content-sha256", request.payload_hash);
    Credentials signer = kExample;
    signer.access_key = "AKIAIOSFODNN7EXAMPLE";
    signer.secret_key = HiddenText("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    sign(request, signer,
         {.time = parse_utc("2013-05-24T00:00:00Z"), .region = "us-east-1", .service = "s3"});
    EXPECT_THAT(std::string(header_of(request.headers, "authorization")),
                EndsWith("Signature=" + example.signature));
  }
}

TEST(SigV4, TheTargetIsSentAsItWasSigned) {
  AwsRequest request{.path = "/a b/+/\xc3\xa4//c",
                     .query = {{"uploads", ""}, {"prefix", "x/y z+"}, {"delimiter", "&="}}};
  EXPECT_EQ(encoded_target(request),
            "/a%20b/%2B/%C3%A4//c?delimiter=%26%3D&prefix=x%2Fy%20z%2B&uploads=");
  EXPECT_EQ(encoded_target({.path = "/a"}), "/a");
}

TEST(SigV4, NothingButTheSignatureTellsOfTheSecret) {
  AwsRequest request{.headers = {{"host", "h"}}, .payload_hash = std::string(kUnsignedPayload)};
  sign(request, kExample, {.time = {}, .region = "r", .service = "s3"});
  for (const auto& [name, value] : request.headers) {
    EXPECT_THAT(value, testing::Not(HasSubstr("EXAMPLEKEY"))) << name;
  }
}

TEST(SigV4, HashesAreThoseOfTheStandards) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(md5_base64({}), "1B2M2Y8AsgTpgAmY7PhCfg==");
}

}  // namespace
}  // namespace duckback
