#include "store/s3_xml.h"

#include <expat.h>

#include <charconv>
#include <memory>

#include "base/error.h"

namespace duckback {
namespace {

constexpr std::size_t kDeepest = 32;

struct Reading {
  XML_Parser parser;
  std::vector<XmlElement> open;  // the document first, then the elements not yet closed
  const char* problem = nullptr;

  void stop(const char* why) {
    problem = why;
    XML_StopParser(parser, XML_FALSE);
  }
};

void begin(void* user, const XML_Char* name, const XML_Char**) {
  auto& reading = *static_cast<Reading*>(user);
  if (reading.open.size() > kDeepest) return reading.stop("nested too deep");
  std::string_view local(name);
  std::size_t colon = local.rfind(':');
  if (colon != local.npos) local.remove_prefix(colon + 1);
  reading.open.push_back({std::string(local), {}, {}});
}

void end(void* user, const XML_Char*) {
  auto& reading = *static_cast<Reading*>(user);
  if (reading.problem != nullptr) return;
  XmlElement done = std::move(reading.open.back());
  reading.open.pop_back();
  reading.open.back().children.push_back(std::move(done));
}

void text(void* user, const XML_Char* chars, int count) {
  auto& reading = *static_cast<Reading*>(user);
  reading.open.back().text.append(chars, static_cast<std::size_t>(count));
}

void document_type(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  static_cast<Reading*>(user)->stop("a document type");
}

}  // namespace

const XmlElement* XmlElement::child(std::string_view wanted) const {
  for (const XmlElement& each : children) {
    if (each.name == wanted) return &each;
  }
  return nullptr;
}

std::string_view XmlElement::text_of(std::string_view wanted) const {
  const XmlElement* found = child(wanted);
  return found == nullptr ? std::string_view() : found->text;
}

std::optional<std::uint64_t> XmlElement::number_of(std::string_view wanted) const {
  std::string_view digits = text_of(wanted);
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

XmlElement parse_xml(ByteView bytes) {
  std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), &XML_ParserFree);
  if (!parser) throw std::bad_alloc();
  Reading reading{parser.get(), std::vector<XmlElement>(1)};
  XML_SetUserData(parser.get(), &reading);
  XML_SetElementHandler(parser.get(), &begin, &end);
  XML_SetCharacterDataHandler(parser.get(), &text);
  XML_SetStartDoctypeDeclHandler(parser.get(), &document_type);
  XML_Status status = bytes.size() > (std::size_t{1} << 30)
                          ? XML_STATUS_ERROR
                          : XML_Parse(parser.get(), reinterpret_cast<const char*>(bytes.data()),
                                      static_cast<int>(bytes.size()), XML_TRUE);
  if (status != XML_STATUS_OK) {
    const char* why = reading.problem;
    if (why == nullptr) why = XML_ErrorString(XML_GetErrorCode(parser.get()));
    throw Error(Errc::unavailable, "the answer is no XML that S3 sends: {} at byte {} of {}", why,
                XML_GetCurrentByteIndex(parser.get()), bytes.size());
  }
  return std::move(reading.open.front().children.front());
}

std::string xml_escape(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace duckback
