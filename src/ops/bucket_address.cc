#include "ops/bucket_address.h"

#include "base/error.h"

namespace duckback {
namespace {

constexpr std::string_view kScheme = "s3://";

}  // namespace

bool is_in_bucket(const std::string& address) { return address.starts_with(kScheme); }

BucketAddress parse_bucket_address(const std::string& address) {
  DUCKBACK_ASSERT(is_in_bucket(address));
  BucketAddress parsed;
  std::size_t end = std::min(address.find('?'), address.size());
  parsed.options = address.substr(end);
  std::size_t slash = address.rfind('/', end == 0 ? 0 : end - 1);
  if (slash < kScheme.size()) {  // The bucket alone.
    parsed.folder = address.substr(0, end) + '/';
    return parsed;
  }
  parsed.folder = address.substr(0, slash + 1);
  parsed.name = address.substr(slash + 1, end - slash - 1);
  return parsed;
}

BucketAddress parse_bucket_folder(const std::string& address) {
  BucketAddress parsed = parse_bucket_address(address);
  if (!parsed.name.empty()) parsed.folder += std::exchange(parsed.name, "") + '/';
  return parsed;
}

}  // namespace duckback
