#include "store/open_store.h"

#include <sys/stat.h>

#include <charconv>

#include "base/error.h"
#include "store/directory_store.h"
#include "store/retrying_store.h"
#include "store/s3_store.h"
#include "store/throttled_store.h"

namespace duckback {
namespace {

std::string decode_percent(const std::string& url, std::string_view encoded) {
  std::string text;
  while (!encoded.empty()) {
    char next = encoded.front();
    std::size_t used = 1;
    if (next == '%') {
      used = 3;
      unsigned value = 0;
      const char* digits = encoded.data() + 1;
      if (encoded.size() < used ||
          std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2 || value == 0) {
        throw Error(Errc::invalid, "in '{}' a % is not followed by two digits: write %25 for %",
                    url);
      }
      next = static_cast<char>(value);
    }
    text += next;
    encoded.remove_prefix(used);
  }
  return text;
}

// The folder that `url` names.
fs::path folder_at(const std::string& url) {
  if (url.empty()) throw Error(Errc::invalid, "the repository's place is empty: name a folder");
  std::size_t mark = url.find("://");
  std::string_view scheme = std::string_view(url).substr(0, mark == url.npos ? 0 : mark);
  if (scheme.empty() || scheme.find('/') != scheme.npos) {
    if (!looks_like_address(url)) return url;
    throw Error(Errc::invalid,
                "'{}' is no address: write s3://BUCKET/PREFIX, or ./{} for a folder of that name",
                url, url);
  }
  std::string_view rest = std::string_view(url).substr(mark + 3);
  if (scheme != "file") {
    throw Error(
        Errc::invalid,
        "{}: '{}://' is no storage that duckback knows; name a folder or s3://BUCKET/PREFIX", url,
        scheme);
  }
  if (!rest.starts_with('/')) {
    throw Error(Errc::invalid, "{}: write file:///PATH, with the whole path", url);
  }
  return decode_percent(url, rest);
}

// Null unless `url` names a bucket.
std::shared_ptr<Store> bucket_at(const std::string& url, const std::stop_token& stop) {
  if (!url.starts_with("s3://")) return nullptr;
  S3Location location = parse_s3_url(url);
  const S3Options& options = location.options;
  std::shared_ptr<Store> store =
      std::make_shared<S3Store>(location, stop, process_environment(), HttpOptions{});
  if (options.bytes_per_second > 0 || options.requests_per_second > 0) {
    ThrottledStore::Limits limits{.bytes_per_second = options.bytes_per_second,
                                  .requests_per_second = options.requests_per_second};
    store = std::make_shared<ThrottledStore>(std::move(store), std::move(limits), stop);
  }
  return std::make_shared<RetryingStore>(std::move(store), RetryingStore::Policy{}, stop);
}

}  // namespace

std::shared_ptr<Store> open_store(const std::string& url, std::stop_token stop) {
  if (std::shared_ptr<Store> bucket = bucket_at(url, stop)) return bucket;
  fs::path folder = folder_at(url);
  std::optional<FileStat> found = stat_path(folder);
  if (!found || !S_ISDIR(found->mode)) {
    throw Error(Errc::no_repository, "there is no repository at {}: {}", folder.string(),
                found ? "it is a file" : "no such folder; make one with `duckback init`");
  }
  return std::make_shared<DirectoryStore>(folder);
}

std::shared_ptr<Store> make_store(const std::string& url, std::stop_token stop) {
  if (std::shared_ptr<Store> bucket = bucket_at(url, stop)) return bucket;
  fs::path folder = folder_at(url);
  std::optional<FileStat> found = stat_path(folder);
  if (found && !S_ISDIR(found->mode)) {
    throw Error(Errc::refused, "{} is a file; a repository needs a folder", folder.string());
  }
  return DirectoryStore::make(folder);
}

}  // namespace duckback
