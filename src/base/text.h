#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace duckback {

using SystemTime = std::chrono::system_clock::time_point;

// The bytes of the UTF-8 character that `text` begins with; 0 if it begins with none.
std::size_t utf8_bytes(std::string_view text);
bool is_utf8(std::string_view text);
// Whether it begins as "s3:/…", and so was hardly meant as a path.
bool looks_like_address(std::string_view text);
// For a terminal: control characters, and bytes that are no UTF-8, as "\n" and "\x1b". Names of
// files and tables may hold anything, and a terminal would obey it.
std::string printable(std::string_view text);

// "1 block", "1,234 blocks".
std::string count_of(std::uint64_t count, std::string_view noun);
// "1.5 GiB", "300 B".
std::string format_bytes(std::uint64_t bytes);
// "2.1 s", "45 ms", "3 min 20 s".
std::string format_duration(std::chrono::nanoseconds time);
// "2026-11-22T23:45:01Z", and with milliseconds "2026-11-22T23:45:01.250Z". parse_utc() takes both,
// to the millisecond, and throws Errc::invalid.
std::string format_utc(SystemTime time);
std::string format_utc_ms(SystemTime time);
SystemTime parse_utc(std::string_view text);
// "2026-11-22 23:45:01" in local time, for people.
std::string format_local(SystemTime time);
// "20261122-234501" in local time, for file names.
std::string format_local_stamp(SystemTime time);

}  // namespace duckback
