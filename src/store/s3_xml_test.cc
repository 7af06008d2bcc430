#include "store/s3_xml.h"

#include <gmock/gmock.h>

#include "test/support/error_of.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;

XmlElement parse(std::string_view text) { return parse_xml(as_bytes(text)); }

TEST(S3Xml, IsElementsTextsAndChildren) {
  XmlElement root = parse(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<s3:List xmlns:s3=\"http://s3\"><Name a=\"1\">a&amp;b &lt;&#x41;</Name><Empty/>"
      "<One><Two><![CDATA[<x>]]></Two></One><Name>second</Name></s3:List>");
  EXPECT_EQ(root.name, "List");
  EXPECT_EQ(root.text_of("Name"), "a&b <A");
  EXPECT_EQ(root.text_of("Empty"), "");
  EXPECT_EQ(root.child("One")->text_of("Two"), "<x>");
  EXPECT_EQ(root.children.back().text, "second");
  EXPECT_EQ(root.child("none"), nullptr);
}

TEST(S3Xml, WhatIsCutOffIsNoAnswer) {
  std::string whole = "<a><b>text</b><c/></a>";
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    error_of(Errc::unavailable, [&] { parse(whole.substr(0, bytes)); });
  }
  for (const char* page : {"<html><br></html>", "{}", "<a></b>", "<a/><b/>", "\xff\xfe\x00<"}) {
    error_of(Errc::unavailable, [&] { parse(page); });
  }
}

TEST(S3Xml, EntitiesOfItsOwnAreRefused) {
  EXPECT_THAT(
      error_of(Errc::unavailable, [] { parse("<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;&b;</a>"); }),
      HasSubstr("document type"));
  error_of(Errc::unavailable, [] { parse("<a>&b;</a>"); });
}

TEST(S3Xml, DepthHasAnEnd) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(error_of(Errc::unavailable, [&] { parse(deep); }), HasSubstr("deep"));
}

TEST(S3Xml, WhatIsEscapedComesBack) {
  std::string text = "\"a\" <&amp;> b";
  EXPECT_EQ(parse("<a>" + xml_escape(text) + "</a>").text, text);
}

}  // namespace
}  // namespace duckback
