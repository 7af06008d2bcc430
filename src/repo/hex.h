#pragma once

#include <string_view>

#include "base/bytes.h"

namespace duckback {

// Exactly so many lower-case hex digits.
bool is_hex(std::string_view text, std::size_t digits);
// `count` bytes written as lower-case hex. Throws Errc::damaged for anything else.
Bytes parse_hex(std::string_view text, std::size_t count);

}  // namespace duckback
