#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace duckback {

// An element of an answer: its name without namespace, its own text, the elements in it.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  // The first of that name; null if there is none.
  const XmlElement* child(std::string_view wanted) const;
  // Its text; empty if there is none.
  std::string_view text_of(std::string_view wanted) const;
  // That as a number; nothing if it is none.
  std::optional<std::uint64_t> number_of(std::string_view wanted) const;
};

// Throws Errc::unavailable for what is not well-formed: an answer that was cut off, or a page of
// something in between. Document types, and with them entities of their own, are refused.
XmlElement parse_xml(ByteView bytes);
// `<` and `&` as entities.
std::string xml_escape(std::string_view text);

}  // namespace duckback
