#include "store/s3_store.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <set>

#include "base/error.h"
#include "store/s3_claim.h"
#include "store/s3_listing.h"
#include "store/s3_multipart.h"
#include "store/s3_removal.h"

namespace duckback {
namespace {

constexpr std::uint64_t kErrorMost = 64 << 10;

std::string random_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

// HTTP has no empty ranges, and servers do not agree on what is beyond their numbers.
bool can_be_asked(Range range) {
  constexpr std::uint64_t farthest = std::uint64_t{1} << 60;
  bool sane = range.bytes == Range::kAll || (range.bytes > 0 && range.bytes <= Range::kMost);
  return sane && range.offset < farthest;
}

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t total = 0;
};

// "bytes 0-9/100"
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view unit = "bytes ";
  if (!text.starts_with(unit)) return std::nullopt;
  ContentRange range;
  std::size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const char* begin = text.data() + unit.size();
  const char* end = text.data() + text.size();
  bool good = std::from_chars(begin, end, range.first).ec == std::errc() &&
              std::from_chars(text.data() + slash + 1, end, range.total).ptr == end;
  if (!good) return std::nullopt;
  return range;
}

}  // namespace

S3Store::S3Store(S3Location location, std::stop_token stop, const Environment& environment,
                 HttpOptions http)
    : client_(location, AwsConfig(environment, location.options.profile), std::move(http), stop),
      stop_(stop),
      nonce_(random_name()),
      atomic_(location.options.conditional_put) {}

std::string S3Store::name() const { return client_.url_of(client_.location().prefix); }

std::string S3Store::object_of(std::string_view key) const {
  const std::string& prefix = client_.location().prefix;
  return prefix.empty() ? std::string(key) : fmt::format("{}/{}", prefix, key);
}

std::string S3Store::hidden_folder() const { return object_of(".duckback/"); }

HttpHeaders S3Store::put_headers(ByteView bytes, bool whole) {
  const S3Options& options = client_.location().options;
  HttpHeaders headers = {{"content-type", "application/octet-stream"}};
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) headers.emplace_back(name, value);
  };
  add("x-amz-storage-class", options.storage_class);
  add("x-amz-server-side-encryption", options.encryption);
  add("x-amz-server-side-encryption-aws-kms-key-id", options.encryption_key);
  if (!options.lock_mode.empty()) {
    SystemTime until = std::chrono::system_clock::now() + std::chrono::days(options.lock_days);
    add("x-amz-object-lock-mode", options.lock_mode);
    add("x-amz-object-lock-retain-until-date", format_utc(until));
  }
  // S3 asks for it where objects are locked, which a bucket's default may do too.
  bool needs_md5 = options.content_md5.value_or(client_.is_aws() || !options.lock_mode.empty());
  if (whole && needs_md5) add("content-md5", md5_base64(bytes));
  return headers;
}

S3Request S3Store::put_request(std::string object, ByteView bytes) {
  return {.method = "PUT",
          .object = std::move(object),
          .headers = put_headers(bytes, true),
          .body = bytes,
          .permission = "s3:PutObject"};
}

void S3Store::put(std::string_view key, ByteView bytes) {
  check_key(key);
  if (bytes.size() > client_.location().options.multipart_above) {
    put_in_parts(client_, object_of(key), bytes, put_headers(bytes, false), stop_);
  } else {
    client_.send_ok(put_request(object_of(key), bytes));
  }
}

void S3Store::create(std::string_view key, ByteView bytes) {
  check_key(key);
  std::string object = object_of(key);
  if (creates_atomically()) {
    std::optional<bool> made = create_if_none(object, bytes, false);
    if (made == false) throw Error(Errc::conflict, "{} exists", client_.url_of(object));
    if (made) return;
    std::lock_guard lock(mutex_);
    atomic_ = false;
  }
  create_by_claim(object, bytes);
}

// False if the object is there, nothing if the server does not know the condition.
std::optional<bool> S3Store::create_if_none(const std::string& object, ByteView bytes,
                                            bool is_probe) {
  S3Request request = put_request(object, bytes);
  if (is_probe) request.headers.clear();  // It shall not be locked, nor cost what a class costs.
  request.headers.emplace_back("if-none-match", "*");
  request.once = true;
  S3Answer answer = client_.send(request);
  if (answer.ok()) return true;
  if (answer.http.status == 412) return false;
  if (answer.http.status == 501) return std::nullopt;
  client_.fail(request, answer);
}

void S3Store::create_by_claim(const std::string& object, ByteView bytes) {
  std::string folder =
      fmt::format("{}claims/{}/", hidden_folder(), sha256_hex(as_bytes(object)).substr(0, 32));
  std::lock_guard lock(claiming_);
  with_claim(client_, folder, nonce_, stop_, [&] {
    if (is_there(object)) throw Error(Errc::conflict, "{} exists", client_.url_of(object));
    client_.send_ok(put_request(object, bytes));
  });
}

bool S3Store::creates_atomically() {
  std::lock_guard lock(mutex_);
  if (!atomic_) atomic_ = client_.is_aws() || probe();
  return *atomic_;
}

bool S3Store::probe() {
  // An answer may get lost of a server that did what it was asked.
  struct Removing {
    S3Client& client;
    S3Request request;
    bool done = false;
    void now() {
      done = true;
      S3Answer answer = client.send(request);
      bool may_only_add = answer.http.status == 403;
      if (!answer.ok() && !may_only_add) client.fail(request, answer);
    }
    ~Removing() {
      if (done) return;
      try {
        client.send(request);
      } catch (const Error&) {  // Why the probe failed is on its way.
      } catch (const Interrupted&) {
      }
    }
  };
  // The same when it is tried again, so that what a failed removal left goes then.
  std::string object = hidden_folder() + "probe/" + nonce_;
  Removing removing{client_,
                    {.method = "DELETE", .object = object, .permission = "s3:DeleteObject"}};
  std::optional<bool> first = create_if_none(object, as_bytes("first"), true);
  if (!first) return false;
  std::optional<bool> second = create_if_none(object, as_bytes("second"), true);
  removing.now();
  return second == false;
}

std::uint64_t S3Store::size_of(const std::string& object) {
  HttpAnswer answer =
      client_.send_ok({.method = "HEAD", .object = object, .permission = "s3:GetObject"});
  if (!answer.length) {
    throw Error(Errc::unavailable, "the server does not say how large {} is",
                client_.url_of(object));
  }
  return *answer.length;
}

bool S3Store::exists(std::string_view key) {
  check_key(key);
  return is_there(object_of(key));
}

// Its first byte, for an error of HEAD does not say what it is: of an empty one there is none.
bool S3Store::is_there(const std::string& object) {
  S3Request request{
      .object = object, .headers = {{"range", "bytes=0-0"}}, .permission = "s3:GetObject"};
  S3Answer answer = client_.send(request);
  if (answer.ok() || answer.http.status == 416) return true;
  if (answer.http.status == 404 && answer.code != "NoSuchBucket") return false;
  client_.fail(request, answer);
}

Bytes S3Store::get(std::string_view key, Range range) {
  check_key(key);
  std::string object = object_of(key);
  S3Request request{.object = object, .permission = "s3:GetObject"};
  bool asks_range = range.offset != 0 || range.bytes != Range::kAll;
  std::optional<S3Answer> answer;
  if (can_be_asked(range)) {
    if (asks_range) {
      std::string last =
          range.bytes == Range::kAll ? "" : std::to_string(range.offset + range.bytes - 1);
      request.headers.emplace_back("range", fmt::format("bytes={}-{}", range.offset, last));
    }
    request.answer_most = std::max(std::min(range.bytes, Range::kMost), kErrorMost);
    answer = client_.send(request);
  }
  if (!answer || answer->http.status == 416) {
    if (bytes_in_range(client_.url_of(object), size_of(object), range) == 0) return {};
    throw Error(Errc::unavailable, "the server does not give bytes {} to {} of {}", range.offset,
                range.offset + range.bytes, client_.url_of(object));
  }
  if (!answer->ok()) client_.fail(request, *answer);
  return part_of(object, std::move(answer->http), range);
}

// What was asked for, of an answer with the range or with the whole object.
Bytes S3Store::part_of(const std::string& object, HttpAnswer answer, Range range) {
  std::string url = client_.url_of(object);
  std::optional<ContentRange> part;
  if (answer.status == 206) {
    part = parse_content_range(header_of(answer.headers, "content-range"));
    if (!part || part->first != range.offset) {
      throw Error(Errc::unavailable, "{}: the server gave another range", url);
    }
  }
  std::uint64_t total =
      part ? part->total : answer.length.value_or(static_cast<std::uint64_t>(answer.body.size()));
  std::uint64_t count = bytes_in_range(url, total, range);
  if (answer.body_left_out) {
    throw Error(Errc::unsupported, "{}: the server does not give parts of objects", url);
  }
  if (!part) {
    std::span<const std::uint8_t> wanted = ByteView(answer.body).subspan(range.offset, count);
    if (count != answer.body.size()) return {wanted.begin(), wanted.end()};
  }
  if (answer.body.size() != count) {
    throw Error(Errc::unavailable, "{}: the server gave {} bytes of {}", url, answer.body.size(),
                count);
  }
  return std::move(answer.body);
}

void S3Store::list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) {
  check_prefix(prefix);
  list_objects(client_, object_of(prefix), Depth::all, by_key(visit));
}

void S3Store::list_folder(std::string_view prefix,
                          const std::function<void(const ObjectInfo&)>& visit) {
  check_prefix(prefix);
  list_objects(client_, object_of(prefix), Depth::folder, by_key(visit));
}

// Of what is listed, the objects that others may have put there are left out.
std::function<void(const ObjectInfo&)> S3Store::by_key(
    const std::function<void(const ObjectInfo&)>& visit) const {
  return [&visit, own = object_of("").size()](const ObjectInfo& object) {
    std::string key = object.key.substr(own);
    if (is_key(key)) visit({std::move(key), object.bytes, object.modified, object.tag});
  };
}

std::unique_ptr<Upload> S3Store::begin_upload(std::string_view key) {
  check_key(key);
  return begin_parts(client_, object_of(key), put_headers({}, false));
}

std::unique_ptr<Upload> S3Store::resume_upload(std::string_view key, const std::string& token) {
  check_key(key);
  return resume_parts(client_, object_of(key), put_headers({}, false), token);
}

void S3Store::drop_uploads(std::string_view key) {
  check_key(key);
  remove_uploads(client_, object_of(key));
}

void S3Store::remove(std::string_view key, bool despite_stop) {
  check_key(key);
  S3Request request{.method = "DELETE",
                    .object = object_of(key),
                    .despite_stop = despite_stop,
                    .permission = "s3:DeleteObject"};
  S3Answer answer = client_.send(request);
  bool gone = answer.http.status == 404 && answer.code != "NoSuchBucket";
  if (!answer.ok() && !gone) client_.fail(request, answer);
}

std::vector<std::string> S3Store::remove_at_once(std::span<const std::string> keys) {
  DUCKBACK_ASSERT(keys.size() <= kRemovedAtOnceMost);
  std::vector<std::string> objects;
  for (const std::string& key : keys) {
    check_key(key);
    objects.push_back(object_of(key));
  }
  std::vector<std::string> left(keys.begin(), keys.end());
  if (keys.size() < 2 || !removes_at_once_) return left;
  std::vector<std::string> removed;
  try {
    removed = remove_objects(client_, objects);
  } catch (const Error& error) {
    if (error.code() != Errc::unavailable) throw;
  }
  // Else one by one from now on: what is wrong, the answer to such a request says.
  removes_at_once_ = !removed.empty();
  std::set<std::string> gone(removed.begin(), removed.end());
  std::erase_if(left, [&](const std::string& key) { return gone.contains(object_of(key)); });
  return left;
}

std::size_t S3Store::remove_leftovers(SystemTime before) {
  std::vector<std::string> old;
  list_objects(client_, hidden_folder(), Depth::all, [&](const ObjectInfo& object) {
    if (object.modified < before) old.push_back(object.key);
  });
  for (const std::string& object : old) {
    client_.send_ok({.method = "DELETE", .object = object, .permission = "s3:DeleteObject"});
  }
  return old.size();
}

}  // namespace duckback
