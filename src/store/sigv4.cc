#include "store/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/hash.h"

namespace duckback {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

Bytes digest(const char* algorithm, ByteView bytes) {
  Bytes out(EVP_MAX_MD_SIZE);
  std::size_t length = 0;
  if (EVP_Q_digest(nullptr, algorithm, nullptr, bytes.data(), bytes.size(), out.data(), &length) !=
      1) {
    throw Error(Errc::unsupported, "the OpenSSL of this system does not offer {}", algorithm);
  }
  out.resize(length);
  return out;
}

Bytes hmac(ByteView key, std::string_view text) {
  Bytes out(32);
  unsigned length = 0;
  ByteView bytes = as_bytes(text);
  unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(),
                             bytes.size(), out.data(), &length);
  DUCKBACK_ASSERT(made != nullptr && length == out.size());
  return out;
}

// "20150830T123600Z"
std::string compact_time(SystemTime time) {
  std::string text = format_utc(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Without blanks at the ends, and with one where there are several.
std::string trimmed(std::string_view value) {
  std::string text;
  for (char c : value) {
    if (!is_blank(c)) {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string canonical_query(const Query& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : query) {
    encoded.emplace_back(uri_encode(name, false), uri_encode(value, false));
  }
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += name + '=' + value;
  }
  return text;
}

struct CanonicalHeaders {
  std::string lines;
  std::string names;
};

CanonicalHeaders canonical_headers(const HttpHeaders& headers) {
  std::map<std::string, std::string> merged;
  for (const auto& [name, value] : headers) {
    auto [at, is_new] = merged.try_emplace(name, trimmed(value));
    if (!is_new) at->second += ',' + trimmed(value);
  }
  CanonicalHeaders canonical;
  for (const auto& [name, value] : merged) {
    canonical.lines += name + ':' + value + '\n';
    if (!canonical.names.empty()) canonical.names += ';';
    canonical.names += name;
  }
  return canonical;
}

Bytes signing_key(const HiddenText& secret, std::string_view date, const SigningScope& scope) {
  HiddenText start("AWS4" + secret.reveal());
  Bytes key = hmac(as_bytes(start.reveal()), date);
  for (std::string_view part :
       {std::string_view(scope.region), std::string_view(scope.service), {"aws4_request"}}) {
    key = hmac(key, part);
  }
  return key;
}

}  // namespace

void sign(AwsRequest& request, const Credentials& credentials, const SigningScope& scope) {
  std::string time = compact_time(scope.time);
  std::string date = time.substr(0, 8);
  request.headers.emplace_back("x-amz-date", time);
  if (!credentials.token.empty()) {
    request.headers.emplace_back("x-amz-security-token", credentials.token.reveal());
  }
  CanonicalHeaders headers = canonical_headers(request.headers);
  std::string canonical = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", request.method, uri_encode(request.path, true),
      canonical_query(request.query), headers.lines, headers.names, request.payload_hash);
  std::string where = fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, where, sha256_hex(as_bytes(canonical)));
  std::string signature = to_hex(hmac(signing_key(credentials.secret_key, date, scope), to_sign));
  request.headers.emplace_back(
      "authorization",
      fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                  credentials.access_key, where, headers.names, signature));
}

std::string encoded_target(const AwsRequest& request) {
  std::string target = uri_encode(request.path, true);
  if (!request.query.empty()) target += '?' + canonical_query(request.query);
  return target;
}

std::string uri_encode(std::string_view text, bool keep_slashes) {
  std::string encoded;
  for (char c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/');
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string sha256_hex(ByteView bytes) { return to_hex(digest("SHA256", bytes)); }

std::string md5_hex(ByteView bytes) { return to_hex(digest("MD5", bytes)); }

std::string md5_base64(ByteView bytes) {
  Bytes md5 = digest("MD5", bytes);
  std::array<unsigned char, 25> text;
  int length = EVP_EncodeBlock(text.data(), md5.data(), static_cast<int>(md5.size()));
  return {text.begin(), text.begin() + length};
}

}  // namespace duckback
