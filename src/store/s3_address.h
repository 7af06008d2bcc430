#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/aws_config.h"

namespace duckback {

// How the objects of a bucket are kept and asked for. Empty texts: what the AWS tools' settings
// say, else the server's defaults.
struct S3Options {
  std::string endpoint{};  // "https://HOST[:PORT]"
  std::string region{};
  std::string url_style{};  // "path" or "vhost"
  std::string profile{};
  std::string storage_class{};    // STANDARD_IA, …; none whose objects have to be thawed first
  std::string encryption{};       // "AES256", "aws:kms", "aws:kms:dsse"
  std::string encryption_key{};   // a KMS key's id
  std::string lock_mode{};        // "GOVERNANCE" or "COMPLIANCE": objects cannot be removed for
  int lock_days = 0;              // that many days
  bool unsigned_payload = false;  // TLS alone protects what is sent; for slow processors
  std::optional<bool> content_md5{};  // unset: where AWS asks for it
  // Whether the server honours `If-None-Match: *`. Unset: AWS's does, others are asked.
  std::optional<bool> conditional_put{};
  std::uint64_t bytes_per_second = 0;  // sent, and received, on average; 0: no limit
  int requests_per_second = 0;
  std::uint64_t multipart_above = std::uint64_t{64} << 20;
  std::uint64_t part_bytes = std::uint64_t{16} << 20;  // S3 wants 5 MiB and more
  std::size_t parallel_parts = 4;
};

struct S3Location {
  std::string bucket;
  std::string prefix;  // verbatim, without a '/' at its end
  S3Options options;
};

// "s3://BUCKET[/PREFIX][?OPTION=VALUE&…]", the options called as in DuckDB's secrets: endpoint,
// region, url_style, use_ssl, profile; and storage_class, sse, sse_kms_key_id, lock_mode,
// lock_days, content_md5, conditional_put, unsigned_payload, bytes_per_second,
// requests_per_second. Throws Errc::invalid.
S3Location parse_s3_url(const std::string& url);

// The server's name and paths for a bucket.
class S3Address {
 public:
  // Throws Errc::invalid for an endpoint or a region that is none.
  S3Address(const S3Location& location, const AwsConfig& config);

  // The same bucket in another region. Throws Errc::invalid.
  S3Address in_region(const std::string& region) const;

  const std::string& region() const { return region_; }
  bool is_aws() const { return endpoint_.empty(); }
  bool is_encrypted() const { return scheme_ == "https"; }
  // As the Host header has it.
  const std::string& host() const { return host_; }
  std::string origin() const { return scheme_ + "://" + host_; }
  // Of an object, or (empty) of the bucket itself; not encoded.
  std::string path_of(const std::string& object) const;

 private:
  void resolve();

  std::string bucket_;
  std::string endpoint_;  // empty: AWS's
  std::string region_;
  std::string url_style_;
  std::string scheme_;
  std::string host_;
  std::string base_path_;
};

// Whether it can be a region's name, and part of a host's.
bool is_region(const std::string& text);
// What the hosts of AWS in that region end in.
std::string aws_domain(const std::string& region);

}  // namespace duckback
