#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duckback {

// In the order they are sent. Names in lower case.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of that name; empty if there is none.
inline std::string_view header_of(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [each, value] : headers) {
    if (each == name) return value;
  }
  return {};
}

}  // namespace duckback
