#include "store/s3_multipart.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>

#include "base/error.h"
#include "base/task_group.h"
#include "store/s3_xml.h"

namespace duckback {
namespace {

constexpr int kPartAttempts = 3;
// Of one object; who lists again finds the rest.
constexpr std::size_t kUnfinishedMost = 10'000;
// Kept with the object, so that one whose completion was not heard of is known again.
constexpr const char* kUploadMark = "x-amz-meta-duckback-upload";

struct Begun {
  std::string object;
  std::string id;
};

// A stop that comes meanwhile waits for the answer: without it nobody could abort the upload.
Begun begin(S3Client& client, const std::string& object, const HttpHeaders& headers) {
  HttpAnswer answer = client.send_ok({.method = "POST",
                                      .object = object,
                                      .query = {{"uploads", ""}},
                                      .headers = headers,
                                      .despite_stop = true,
                                      .permission = "s3:PutObject"});
  std::string id(parse_xml(answer.body).text_of("UploadId"));
  if (id.empty()) throw Error(Errc::unavailable, "the server begins an upload without naming it");
  return {object, id};
}

std::string random_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::string send_part(S3Client& client, const Begun& upload, std::size_t number, ByteView bytes) {
  S3Request request{.method = "PUT",
                    .object = upload.object,
                    .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload.id}},
                    .body = bytes,
                    .permission = "s3:PutObject"};
  if (client.location().options.content_md5.value_or(client.is_aws())) {
    request.headers.emplace_back("content-md5", md5_base64(bytes));
  }
  std::string tag(header_of(client.send_ok(request).headers, "etag"));
  if (tag.empty()) throw Error(Errc::unavailable, "the server took a part without an ETag");
  return tag;
}

// One part that fails must not cost the others.
std::string send_part_again(S3Client& client, const Begun& upload, std::size_t number,
                            ByteView bytes, const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    try {
      return send_part(client, upload, number, bytes);
    } catch (const Error& error) {
      if (error.code() != Errc::unavailable || attempt >= kPartAttempts) throw;
    }
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, std::chrono::milliseconds(100) * attempt,
                                           [] { return false; });
    if (stop.stop_requested()) throw Interrupted();
  }
}

std::vector<std::string> send_parts(S3Client& client, const Begun& upload, ByteView bytes,
                                    const std::stop_token& stop) {
  const S3Options& options = client.location().options;
  std::size_t part_bytes = options.part_bytes;
  std::size_t count = (bytes.size() + part_bytes - 1) / part_bytes;
  std::vector<std::string> tags(count);
  TaskGroup group(std::min(options.parallel_parts, count), count);
  for (std::size_t i = 0; i < count; ++i) {
    group.run([&, i] {
      std::size_t at = i * part_bytes;
      ByteView part = bytes.subspan(at, std::min(part_bytes, bytes.size() - at));
      tags[i] = send_part_again(client, upload, i + 1, part, stop);
    });
  }
  group.wait();
  return tags;
}

void complete(S3Client& client, const Begun& upload, const std::vector<std::string>& tags) {
  std::string list = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                        xml_escape(tags[i]));
  }
  list += "</CompleteMultipartUpload>";
  S3Request request{.method = "POST",
                    .object = upload.object,
                    .query = {{"uploadId", upload.id}},
                    .headers = {{"content-type", "application/xml"}},
                    .body = as_bytes(list),
                    .permission = "s3:PutObject"};
  // It answers 200 at once, and what came of it later.
  XmlElement result = parse_xml(client.send_ok(request).body);
  if (result.name != "CompleteMultipartUploadResult") {
    throw Error(Errc::unavailable, "{}: its parts were not put together: {}",
                client.url_of(upload.object), printable(result.text_of("Code")));
  }
}

void abort(S3Client& client, const Begun& upload) {
  S3Request request{.method = "DELETE",
                    .object = upload.object,
                    .query = {{"uploadId", upload.id}},
                    .despite_stop = true,
                    .permission = "s3:AbortMultipartUpload"};
  S3Answer answer = client.send(request);
  bool gone = answer.http.status == 404;
  if (!answer.ok() && !gone) client.fail(request, answer);
}

// Aborts the upload when it goes, unless it was completed.
class Aborting {
 public:
  Aborting(S3Client& client, const Begun& upload) : client_(client), upload_(upload) {}
  Aborting(const Aborting&) = delete;
  Aborting& operator=(const Aborting&) = delete;
  ~Aborting() {
    if (completed) return;
    try {
      abort(client_, upload_);
    } catch (const Error&) {  // Why it failed is on its way; remove_uploads() comes later.
    } catch (const Interrupted&) {
    }
  }
  bool completed = false;

 private:
  S3Client& client_;
  const Begun& upload_;
};

std::vector<Begun> list_unfinished(S3Client& client, const std::string& object) {
  std::vector<Begun> found;
  Query from;
  while (found.size() < kUnfinishedMost) {
    S3Request request{.query = {{"uploads", ""}, {"prefix", object}},
                      .answer_most = 8 << 20,
                      .permission = "s3:ListBucketMultipartUploads"};
    request.query.insert(request.query.end(), from.begin(), from.end());
    XmlElement page = parse_xml(client.send_ok(request).body);
    for (const XmlElement& each : page.children) {
      if (each.name != "Upload" || each.text_of("Key") != object) continue;
      found.push_back({object, std::string(each.text_of("UploadId"))});
    }
    if (page.text_of("IsTruncated") != "true") return found;
    Query next = {{"key-marker", std::string(page.text_of("NextKeyMarker"))},
                  {"upload-id-marker", std::string(page.text_of("NextUploadIdMarker"))}};
    if (next == from) break;
    from = std::move(next);
  }
  return found;
}

struct SentPart {
  std::uint64_t bytes = 0;
  std::string tag;
};
using SentParts = std::map<std::size_t, SentPart>;  // by number, from 0

// Nothing if the upload is gone, or one may not see its parts.
std::optional<SentParts> list_parts(S3Client& client, const Begun& upload) {
  SentParts parts;
  std::uint64_t from = 0;
  for (;;) {
    S3Request request{.object = upload.object,
                      .query = {{"uploadId", upload.id}},
                      .answer_most = 8 << 20,
                      .permission = "s3:ListMultipartUploadParts"};
    if (from > 0) request.query.emplace_back("part-number-marker", std::to_string(from));
    S3Answer answer = client.send(request);
    if (answer.http.status == 404 || answer.http.status == 403) return std::nullopt;
    if (!answer.ok()) client.fail(request, answer);
    XmlElement page = parse_xml(answer.http.body);
    for (const XmlElement& each : page.children) {
      if (each.name != "Part") continue;
      std::optional<std::uint64_t> number = each.number_of("PartNumber");
      std::optional<std::uint64_t> bytes = each.number_of("Size");
      if (!number || !bytes || *number == 0 || *number > Upload::kPartsMost) return std::nullopt;
      parts[*number - 1] = {*bytes, std::string(each.text_of("ETag"))};
    }
    if (page.text_of("IsTruncated") != "true") return parts;
    std::optional<std::uint64_t> next = page.number_of("NextPartNumberMarker");
    if (!next || *next <= from) return std::nullopt;
    from = *next;
  }
}

// What another process needs to go on with an upload, "MARK OPTIONS ID": how it is known again
// once it is completed, a digest of what it was begun with, and what the server calls it.
struct Token {
  static constexpr std::size_t kDigits = 32;
  std::string mark;
  std::string options;
  std::string id;

  std::string text() const { return fmt::format("{} {} {}", mark, options, id); }
  static std::optional<Token> parse(const std::string& text) {
    if (text.size() <= 2 * (kDigits + 1) || text[kDigits] != ' ' || text[2 * kDigits + 1] != ' ') {
      return std::nullopt;
    }
    return Token{text.substr(0, kDigits), text.substr(kDigits + 1, kDigits),
                 text.substr(2 * (kDigits + 1))};
  }
};

// Empty where it depends on the time: a lock would end too early.
std::string digest_of_options(const HttpHeaders& headers) {
  std::string text;
  for (const auto& [name, value] : headers) {
    if (name == "x-amz-object-lock-retain-until-date") return "";
    text += fmt::format("{}:{}\n", name, value);
  }
  return sha256_hex(as_bytes(text)).substr(0, Token::kDigits);
}

class S3Upload : public Upload {
 public:
  S3Upload(S3Client& client, const std::string& object, const HttpHeaders& headers)
      : client_(client),
        mark_(random_name()),
        options_(digest_of_options(headers)),
        upload_(begin(client, object, marked(headers, mark_))),
        aborting_(client, upload_) {}
  // One that was begun before, with these parts.
  S3Upload(S3Client& client, const std::string& object, Token token, SentParts before)
      : client_(client),
        mark_(std::move(token.mark)),
        options_(std::move(token.options)),
        upload_{object, std::move(token.id)},
        aborting_(client, upload_),
        parts_before_(before.empty() ? 0 : before.rbegin()->first + 1),
        before_(std::move(before)) {}

  std::string token() const override {
    return options_.empty() ? "" : Token{mark_, options_, upload_.id}.text();
  }
  std::size_t parts_before() const override { return parts_before_; }

  void put_part(std::size_t number, ByteView bytes) override {
    DUCKBACK_ASSERT(number < kPartsMost);
    {
      std::lock_guard lock(mutex_);
      before_.erase(number);
    }
    std::string tag = send_part(client_, upload_, number + 1, bytes);
    keep(number, std::move(tag));
  }

  bool has_part(std::size_t number, ByteView bytes) override {
    std::string tag;
    {
      std::lock_guard lock(mutex_);
      auto part = before_.find(number);
      if (part == before_.end() || part->second.bytes != bytes.size()) return false;
      tag = part->second.tag;
    }
    if (tag != '"' + md5_hex(bytes) + '"') return false;
    keep(number, std::move(tag));
    return true;
  }

  ObjectInfo complete() override {
    DUCKBACK_ASSERT(tags_.size() >= parts_before_);
    try {
      duckback::complete(client_, upload_, tags_);
    } catch (const Error& error) {
      // An attempt before may have succeeded without being heard of.
      if (error.code() != Errc::unavailable) throw;
      std::optional<ObjectInfo> made = find_made();
      if (!made) throw;
      aborting_.completed = true;
      return *made;
    }
    aborting_.completed = true;
    std::optional<ObjectInfo> made = find_made();
    if (made) return *made;
    throw Error(Errc::io, "{} was put together, and is not there", client_.url_of(upload_.object));
  }

 private:
  static HttpHeaders marked(HttpHeaders headers, const std::string& mark) {
    headers.emplace_back(kUploadMark, mark);
    return headers;
  }
  // The object, if it is the one that this upload made.
  std::optional<ObjectInfo> find_made() {
    S3Request request{.method = "HEAD", .object = upload_.object, .permission = "s3:GetObject"};
    S3Answer answer = client_.send(request);
    if (!answer.ok() && answer.http.status != 404) client_.fail(request, answer);
    if (!answer.ok() || header_of(answer.http.headers, kUploadMark) != mark_) return std::nullopt;
    return ObjectInfo{.key = upload_.object,
                      .bytes = answer.http.length.value_or(0),
                      .tag = std::string(header_of(answer.http.headers, "etag"))};
  }

  void keep(std::size_t number, std::string tag) {
    std::lock_guard lock(mutex_);
    if (tags_.size() <= number) tags_.resize(number + 1);
    tags_[number] = std::move(tag);
  }

  S3Client& client_;
  const std::string mark_;
  const std::string options_;
  const Begun upload_;
  Aborting aborting_;
  const std::size_t parts_before_ = 0;
  std::mutex mutex_;  // for what follows
  SentParts before_;  // as they still are
  std::vector<std::string> tags_;
};

}  // namespace

void put_in_parts(S3Client& client, const std::string& object, ByteView bytes,
                  const HttpHeaders& headers, std::stop_token stop) {
  Begun upload = begin(client, object, headers);
  Aborting aborting(client, upload);
  complete(client, upload, send_parts(client, upload, bytes, stop));
  aborting.completed = true;
}

std::unique_ptr<Upload> begin_parts(S3Client& client, const std::string& object,
                                    const HttpHeaders& headers) {
  return std::make_unique<S3Upload>(client, object, headers);
}

std::unique_ptr<Upload> resume_parts(S3Client& client, const std::string& object,
                                     const HttpHeaders& headers, const std::string& token) {
  std::optional<Token> left = Token::parse(token);
  if (!left || left->options != digest_of_options(headers)) return nullptr;
  std::optional<SentParts> parts = list_parts(client, {object, left->id});
  if (!parts) return nullptr;
  for (const Begun& other : list_unfinished(client, object)) {
    if (other.id != left->id) abort(client, other);
  }
  return std::make_unique<S3Upload>(client, object, std::move(*left), std::move(*parts));
}

void remove_uploads(S3Client& client, const std::string& object) {
  for (const Begun& upload : list_unfinished(client, object)) abort(client, upload);
}

}  // namespace duckback
