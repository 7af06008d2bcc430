#include "store/s3_listing.h"

#include <charconv>

#include "base/error.h"
#include "store/aws_time.h"
#include "store/s3_xml.h"

namespace duckback {
namespace {

// A thousand names of 1024 bytes, each byte as %XX, and what is said of them.
constexpr std::uint64_t kPageMost = 8 << 20;

std::string decode_url(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '+') {
      plain += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() &&
               std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
                   text.data() + i + 3) {
      plain += static_cast<char>(value);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

ObjectInfo parse_object(const XmlElement& contents, bool encoded) {
  ObjectInfo object;
  object.key = contents.text_of("Key");
  if (encoded) object.key = decode_url(object.key);
  std::optional<std::uint64_t> bytes = contents.number_of("Size");
  if (!bytes) throw Error(Errc::unavailable, "the server lists {} without its size", object.key);
  object.bytes = *bytes;
  object.modified = parse_aws_time(contents.text_of("LastModified"));
  object.tag = contents.text_of("ETag");
  return object;
}

}  // namespace

void list_objects(S3Client& client, const std::string& prefix, Depth depth,
                  const std::function<void(const ObjectInfo&)>& visit) {
  std::string last;
  for (std::string next;;) {
    S3Request request{.query = {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}},
                      .answer_most = kPageMost,
                      .permission = "s3:ListBucket"};
    if (depth == Depth::folder) request.query.emplace_back("delimiter", "/");
    if (!next.empty()) request.query.emplace_back("continuation-token", next);
    HttpAnswer answer = client.send_ok(request);
    if (answer.body_left_out) throw Error(Errc::io, "the server lists more than it was asked for");
    XmlElement page = parse_xml(answer.body);
    if (page.name != "ListBucketResult") {
      throw Error(Errc::unavailable, "the server answers a listing with <{}>",
                  printable(page.name));
    }
    bool encoded = page.text_of("EncodingType") == "url";
    for (const XmlElement& each : page.children) {
      if (each.name != "Contents") continue;
      ObjectInfo object = parse_object(each, encoded);
      if (!object.key.starts_with(prefix)) continue;
      if (object.key <= last) {
        throw Error(Errc::unsupported,
                    "the server lists objects out of order ('{}' after '{}'), as directory buckets "
                    "do: use a bucket for general purposes",
                    printable(object.key), printable(last));
      }
      last = object.key;
      visit(object);
    }
    if (page.text_of("IsTruncated") != "true") return;
    next = page.text_of("NextContinuationToken");
    if (next.empty()) {
      throw Error(Errc::unavailable, "the server lists a page and does not say how to go on");
    }
  }
}

}  // namespace duckback
