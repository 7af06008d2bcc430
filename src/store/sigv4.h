#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "store/hidden_text.h"
#include "store/http_header.h"

namespace duckback {

// Who signs. Without a token the keys are a user's own and last.
struct Credentials {
  std::string access_key;  // its id: no secret
  HiddenText secret_key;
  HiddenText token;
  std::optional<SystemTime> expires;
  bool operator==(const Credentials&) const = default;
};

// Names and values as they are meant, not encoded.
using Query = std::vector<std::pair<std::string, std::string>>;

// A request before it is encoded and signed.
struct AwsRequest {
  std::string method = "GET";
  std::string path = "/";  // not encoded; "//" and "/../" mean what they say, as in S3
  Query query{};
  HttpHeaders headers{};  // all are signed; `host` has to be one of them
  std::string payload_hash{};
};

struct SigningScope {
  SystemTime time;
  std::string region;
  std::string service;
};

// For the payload_hash of a body that only TLS protects.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

// Adds x-amz-date, x-amz-security-token if there is a token, and authorization: AWS Signature
// Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html), with
// the path encoded once and not normalised, as S3 wants it.
void sign(AwsRequest& request, const Credentials& credentials, const SigningScope& scope);

// The path with its query, in the order and encoding that were signed.
std::string encoded_target(const AwsRequest& request);
// Everything but letters, digits and "-._~" as %XX.
std::string uri_encode(std::string_view text, bool keep_slashes);
// SHA-256 in hexadecimal.
std::string sha256_hex(ByteView bytes);
// MD5 in base64, as Content-MD5 has it. Throws Errc::unsupported where this system forbids MD5.
std::string md5_base64(ByteView bytes);
std::string md5_hex(ByteView bytes);

}  // namespace duckback
