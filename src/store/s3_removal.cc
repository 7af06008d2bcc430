#include "store/s3_removal.h"

#include "base/error.h"
#include "store/s3_xml.h"

namespace duckback {

std::vector<std::string> remove_objects(S3Client& client, const std::vector<std::string>& objects) {
  std::string list = "<Delete>";
  for (const std::string& object : objects) {
    list += fmt::format("<Object><Key>{}</Key></Object>", xml_escape(object));
  }
  list += "</Delete>";
  S3Request request{
      .method = "POST",
      .query = {{"delete", ""}},
      .headers = {{"content-type", "application/xml"}, {"content-md5", md5_base64(as_bytes(list))}},
      .body = as_bytes(list),
      .answer_most = 8 << 20,
      .permission = "s3:DeleteObject"};
  S3Answer answer = client.send(request);
  std::vector<std::string> gone;
  if (!answer.ok()) return gone;
  for (const XmlElement& each : parse_xml(answer.http.body).children) {
    if (each.name == "Deleted") gone.emplace_back(each.text_of("Key"));
  }
  return gone;
}

}  // namespace duckback
