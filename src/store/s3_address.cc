#include "store/s3_address.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace duckback {
namespace {

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool all_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text,
                             [&](char c) { return is_alnum(c) || others.find(c) != others.npos; });
}

bool parse_bool(const std::string& name, std::string_view value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw Error(Errc::invalid, "{} is true or false, not '{}'", name, value);
}

std::string one_of(const std::string& name, const std::string& value,
                   std::initializer_list<std::string_view> known) {
  if (std::ranges::find(known, value) != known.end()) return value;
  throw Error(Errc::invalid, "{} is one of {}, not '{}'", name, fmt::join(known, ", "), value);
}

template <class Int>
Int parse_count(const std::string& name, const std::string& value, Int most) {
  Int count = 0;
  const char* end = value.data() + value.size();
  auto [stop, failed] = std::from_chars(value.data(), end, count);
  if (stop != end || failed != std::errc() || count < 1 || count > most) {
    throw Error(Errc::invalid, "{} is a number from 1 to {}, not '{}'", name, most, value);
  }
  return count;
}

std::string storage_class_of(const std::string& value) {
  if (value == "GLACIER" || value == "DEEP_ARCHIVE") {
    throw Error(Errc::invalid,
                "objects of the storage class {} cannot be read until they are thawed, which takes "
                "hours; GLACIER_IR is nearly as cheap and is read at once",
                value);
  }
  if (!all_of(value, "_-")) throw Error(Errc::invalid, "'{}' is no storage class", value);
  return value;
}

struct ParsedOption {
  S3Options& options;
  std::optional<bool>& use_ssl;

  void set(const std::string& name, const std::string& value) const {
    S3Options& to = options;
    if (name == "endpoint") {
      to.endpoint = value;
    } else if (name == "region") {
      to.region = value;
    } else if (name == "url_style") {
      to.url_style = one_of(name, value, {"path", "vhost"});
    } else if (name == "use_ssl") {
      use_ssl = parse_bool(name, value);
    } else if (name == "profile") {
      to.profile = value;
    } else if (name == "storage_class") {
      to.storage_class = storage_class_of(value);
    } else if (name == "sse") {
      to.encryption = one_of(name, value, {"AES256", "aws:kms", "aws:kms:dsse"});
    } else if (name == "sse_kms_key_id") {
      if (!all_of(value, ":/_-")) throw Error(Errc::invalid, "'{}' is no id of a KMS key", value);
      to.encryption_key = value;
    } else if (name == "lock_mode") {
      to.lock_mode = one_of(name, value, {"GOVERNANCE", "COMPLIANCE"});
    } else if (name == "lock_days") {
      to.lock_days = parse_count(name, value, 36'500);
    } else if (name == "bytes_per_second") {
      to.bytes_per_second = parse_count(name, value, std::uint64_t{1} << 50);
    } else if (name == "requests_per_second") {
      to.requests_per_second = parse_count(name, value, 1'000'000);
    } else if (name == "content_md5") {
      to.content_md5 = parse_bool(name, value);
    } else if (name == "conditional_put") {
      to.conditional_put = parse_bool(name, value);
    } else if (name == "unsigned_payload") {
      to.unsigned_payload = parse_bool(name, value);
    } else {
      throw Error(Errc::invalid, "'{}' is no option of an s3:// address", name);
    }
  }
};

void parse_options(std::string_view text, S3Options& options) {
  std::optional<bool> use_ssl;
  while (!text.empty()) {
    std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    std::size_t equals = one.find('=');
    if (equals == one.npos) throw Error(Errc::invalid, "'{}' has no value", one);
    ParsedOption{options, use_ssl}.set(std::string(one.substr(0, equals)),
                                       std::string(one.substr(equals + 1)));
  }
  // DuckDB's endpoints have no scheme.
  if (!options.endpoint.empty() && options.endpoint.find("://") == std::string::npos) {
    options.endpoint = (use_ssl.value_or(true) ? "https://" : "http://") + options.endpoint;
  }
  if (options.lock_mode.empty() != (options.lock_days == 0)) {
    throw Error(Errc::invalid, "lock_mode and lock_days go together");
  }
  if (!options.encryption_key.empty() && !options.encryption.starts_with("aws:kms")) {
    throw Error(Errc::invalid, "sse_kms_key_id needs sse=aws:kms");
  }
}

// Said without showing what may be one.
void refuse_secrets(std::string_view rest) {
  std::size_t question = std::min(rest.find('?'), rest.size());
  std::string_view bucket = rest.substr(0, std::min(question, rest.find('/')));
  std::string options(rest.substr(question));
  std::ranges::transform(options, options.begin(), [](unsigned char c) { return std::tolower(c); });
  bool holds_some = bucket.find_first_of("@:") != bucket.npos;
  for (const char* word : {"secret", "token", "password", "access_key"}) {
    holds_some = holds_some || options.find(word) != options.npos;
  }
  if (!holds_some) return;
  throw Error(Errc::invalid,
              "an s3:// address holds no credentials, for addresses are shown and logged: put them "
              "into the environment or a profile (docs/s3.md), and change them if this was logged");
}

void check_bucket(const std::string& bucket) {
  if (bucket.size() < 3 || bucket.size() > 255 || !all_of(bucket, "._-") || bucket[0] == '.') {
    throw Error(Errc::invalid, "'{}' is no name of a bucket: write s3://BUCKET/PREFIX", bucket);
  }
}

}  // namespace

S3Location parse_s3_url(const std::string& url) {
  constexpr std::string_view scheme = "s3://";
  DUCKBACK_ASSERT(url.starts_with(scheme));
  refuse_secrets(std::string_view(url).substr(scheme.size()));
  return in_context(url, [&] {
    std::string_view rest = std::string_view(url).substr(scheme.size());
    S3Location location;
    std::size_t question = rest.find('?');
    if (question != rest.npos) parse_options(rest.substr(question + 1), location.options);
    rest = rest.substr(0, question);
    std::size_t slash = std::min(rest.find('/'), rest.size());
    location.bucket = rest.substr(0, slash);
    check_bucket(location.bucket);
    location.prefix = rest.substr(std::min(slash + 1, rest.size()));
    if (location.prefix.ends_with('/')) location.prefix.pop_back();
    return location;
  });
}

bool is_region(const std::string& text) {
  return !text.empty() && text.size() <= 64 && all_of(text, "-_") && is_alnum(text[0]);
}

std::string aws_domain(const std::string& region) {
  return region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

S3Address::S3Address(const S3Location& location, const AwsConfig& config)
    : bucket_(location.bucket),
      endpoint_(location.options.endpoint),
      region_(location.options.region),
      url_style_(location.options.url_style) {
  if (endpoint_.empty()) endpoint_ = config.endpoint("s3");
  if (region_.empty()) region_ = config.region();
  // A bucket's answer says where it is if it is elsewhere.
  if (region_.empty()) region_ = "us-east-1";
  if (url_style_.empty()) {
    std::string style = config.setting("s3.addressing_style").value_or("");
    if (style == "path") url_style_ = "path";
    if (style == "virtual") url_style_ = "vhost";
  }
  resolve();
}

S3Address S3Address::in_region(const std::string& region) const {
  S3Address other = *this;
  other.region_ = region;
  other.resolve();
  return other;
}

void S3Address::resolve() {
  if (!is_region(region_)) throw Error(Errc::invalid, "'{}' is no name of a region", region_);
  std::string url = endpoint_;
  std::string style = url_style_;
  if (is_aws()) {
    url = fmt::format("https://s3.{}.{}", region_, aws_domain(region_));
    // A dot in the name is one more than the certificate allows.
    if (style.empty() && bucket_.find('.') == bucket_.npos) style = "vhost";
  }
  std::size_t mark = url.find("://");
  scheme_ = url.substr(0, mark);
  if (mark == url.npos || (scheme_ != "https" && scheme_ != "http")) {
    throw Error(Errc::invalid, "the endpoint '{}' is none: write https://HOST", url);
  }
  std::string rest = url.substr(mark + 3);
  std::size_t slash = std::min(rest.find('/'), rest.size());
  host_ = rest.substr(0, slash);
  base_path_ = rest.substr(slash);
  while (base_path_.ends_with('/')) base_path_.pop_back();
  if (host_.empty() || !all_of(host_, ".-_:[]") || !all_of(base_path_, "/._~-")) {
    throw Error(Errc::invalid,
                "the endpoint has no host that can be one: write https://HOST[:PORT]");
  }
  // The usual port is not part of what is signed.
  std::string usual_port = is_encrypted() ? ":443" : ":80";
  if (host_.ends_with(usual_port)) host_.resize(host_.size() - usual_port.size());
  if (style == "vhost") {
    host_ = bucket_ + '.' + host_;
  } else {
    base_path_ += '/' + bucket_;
  }
}

std::string S3Address::path_of(const std::string& object) const {
  std::string path = base_path_;
  if (!object.empty() || path.empty()) path += '/' + object;
  return path;
}

}  // namespace duckback
