#include "repo/hex.h"

#include "base/error.h"

namespace duckback {

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Bytes parse_hex(std::string_view text, std::size_t count) {
  if (!is_hex(text, 2 * count)) {
    throw Error(Errc::damaged, "{} hex digits expected", 2 * count);
  }
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::uint8_t>(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
  }
  return bytes;
}

}  // namespace duckback
