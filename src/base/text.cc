#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/error.h"

namespace duckback {

std::size_t utf8_bytes(std::string_view text) {
  if (text.empty()) return 0;
  auto first = static_cast<unsigned char>(text[0]);
  std::size_t bytes = first < 0x80   ? 1
                      : first < 0xc2 ? 0
                      : first < 0xe0 ? 2
                      : first < 0xf0 ? 3
                      : first < 0xf5 ? 4
                                     : 0;
  if (text.size() < bytes) return 0;
  for (char next : text.substr(1, bytes == 0 ? 0 : bytes - 1)) {
    if ((static_cast<unsigned char>(next) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::size_t bytes = utf8_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool looks_like_address(std::string_view text) {
  std::size_t colon = text.find(":/");
  auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return colon != text.npos && colon > 0 && is_letter(text[0]) &&
         std::ranges::all_of(text.substr(0, colon),
                             [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t bytes = utf8_bytes(text);
    auto first = static_cast<unsigned char>(text[0]);
    bool is_c1 = bytes == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    bool is_control = bytes == 1 && (first < 0x20 || first == 0x7f);
    std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    text.remove_prefix(character.size());
    if (character == "\n") {
      result += "\\n";
    } else if (bytes == 0 || is_c1 || is_control) {
      for (char c : character) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += character;
    }
  }
  return result;
}

std::string format_bytes(std::uint64_t bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1023.95 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string count_of(std::uint64_t count, std::string_view noun) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return fmt::format("{} {}{}", digits, noun, count == 1 ? "" : "s");
}

std::string format_duration(std::chrono::nanoseconds time) {
  double seconds = static_cast<double>(time.count()) / 1e9;
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 119.5) return fmt::format("{:.1f} s", seconds);
  auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 7200) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string format_utc(SystemTime time) {
  std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string format_utc_ms(SystemTime time) {
  auto since = time.time_since_epoch();
  auto ms = std::chrono::floor<std::chrono::milliseconds>(since) -
            std::chrono::floor<std::chrono::seconds>(since);
  std::string text = format_utc(SystemTime(std::chrono::floor<std::chrono::seconds>(since)));
  text.pop_back();
  return fmt::format("{}.{:03}Z", text, ms.count());
}

SystemTime parse_utc(std::string_view text) {
  std::tm parts{};
  std::string copy(text);
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  int ms = 0;
  if (end != nullptr && *end == '.') {
    int digits = 0;
    for (++end; *end >= '0' && *end <= '9' && digits < 3; ++end, ++digits)
      ms = ms * 10 + (*end - '0');
    if (digits != 3) end = nullptr;
  }
  // Years beyond are more nanoseconds than a SystemTime has.
  bool possible = parts.tm_year + 1900 >= 1900 && parts.tm_year + 1900 <= 2261;
  if (end == nullptr || copy.c_str() + copy.size() - 1 != end || *end != 'Z' || !possible) {
    throw Error(Errc::invalid, "'{}' is not a UTC time like 2026-11-22T10:00:00Z", text);
  }
  return std::chrono::system_clock::from_time_t(timegm(&parts)) + std::chrono::milliseconds(ms);
}

std::string format_local(SystemTime time) {
  std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::string format_local_stamp(SystemTime time) {
  std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  return text;
}

}  // namespace duckback
