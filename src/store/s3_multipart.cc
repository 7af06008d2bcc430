#include "store/s3_multipart.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/error.h"
#include "base/task_group.h"
#include "store/aws_time.h"
#include "store/s3_xml.h"

namespace duckback {
namespace {

constexpr int kPartAttempts = 3;

struct Upload {
  std::string object;
  std::string id;
};

Upload begin(S3Client& client, const std::string& object, const HttpHeaders& headers) {
  HttpAnswer answer = client.send_ok({.method = "POST",
                                      .object = object,
                                      .query = {{"uploads", ""}},
                                      .headers = headers,
                                      .permission = "s3:PutObject"});
  std::string id(parse_xml(answer.body).text_of("UploadId"));
  if (id.empty()) throw Error(Errc::unavailable, "the server begins an upload without naming it");
  return {object, id};
}

std::string send_part(S3Client& client, const Upload& upload, std::size_t number, ByteView bytes) {
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
std::string send_part_again(S3Client& client, const Upload& upload, std::size_t number,
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

std::vector<std::string> send_parts(S3Client& client, const Upload& upload, ByteView bytes,
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

void complete(S3Client& client, const Upload& upload, const std::vector<std::string>& tags) {
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

// False if the server has no such upload.
bool abort(S3Client& client, const Upload& upload) {
  S3Request request{.method = "DELETE",
                    .object = upload.object,
                    .query = {{"uploadId", upload.id}},
                    .despite_stop = true,
                    .permission = "s3:AbortMultipartUpload"};
  S3Answer answer = client.send(request);
  if (answer.http.status == 404) return false;
  if (!answer.ok()) client.fail(request, answer);
  return true;
}

// Aborts the upload when it goes, unless it was completed.
class Aborting {
 public:
  Aborting(S3Client& client, const Upload& upload) : client_(client), upload_(upload) {}
  Aborting(const Aborting&) = delete;
  Aborting& operator=(const Aborting&) = delete;
  ~Aborting() {
    if (completed) return;
    try {
      abort(client_, upload_);
    } catch (const Error&) {  // Why it failed is on its way; remove_unfinished() comes later.
    } catch (const Interrupted&) {
    }
  }
  bool completed = false;

 private:
  S3Client& client_;
  const Upload& upload_;
};

std::vector<Upload> list_unfinished(S3Client& client, const std::string& prefix,
                                    SystemTime before) {
  std::vector<Upload> found;
  Query from;
  for (;;) {
    S3Request request{.query = {{"uploads", ""}, {"prefix", prefix}},
                      .answer_most = 8 << 20,
                      .permission = "s3:ListBucketMultipartUploads"};
    request.query.insert(request.query.end(), from.begin(), from.end());
    XmlElement page = parse_xml(client.send_ok(request).body);
    for (const XmlElement& each : page.children) {
      if (each.name != "Upload" || !each.text_of("Key").starts_with(prefix)) continue;
      if (parse_aws_time(each.text_of("Initiated")) >= before) continue;
      found.push_back({std::string(each.text_of("Key")), std::string(each.text_of("UploadId"))});
    }
    if (page.text_of("IsTruncated") != "true") return found;
    from = {{"key-marker", std::string(page.text_of("NextKeyMarker"))},
            {"upload-id-marker", std::string(page.text_of("NextUploadIdMarker"))}};
  }
}

}  // namespace

void put_in_parts(S3Client& client, const std::string& object, ByteView bytes,
                  const HttpHeaders& headers, std::stop_token stop) {
  Upload upload = begin(client, object, headers);
  Aborting aborting(client, upload);
  complete(client, upload, send_parts(client, upload, bytes, stop));
  aborting.completed = true;
}

std::size_t remove_unfinished(S3Client& client, const std::string& prefix, SystemTime before) {
  std::size_t removed = 0;
  for (const Upload& upload : list_unfinished(client, prefix, before)) {
    if (abort(client, upload)) ++removed;
  }
  return removed;
}

}  // namespace duckback
