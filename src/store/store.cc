#include "store/store.h"

#include "base/error.h"

namespace duckback {

bool is_key(std::string_view key) {
  auto good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  std::size_t part = 0;
  for (std::size_t i = 0; i <= key.size(); ++i) {
    if (i < key.size() && key[i] != '/') {
      if (!good(key[i])) return false;
    } else {
      if (i == part || key[part] == '.') return false;  // Empty, hidden, "..".
      part = i + 1;
    }
  }
  return true;
}

void check_key(std::string_view key) {
  if (!is_key(key)) throw Error(Errc::invalid, "'{}' is no name of an object", key);
}

void check_prefix(std::string_view prefix) {
  if (!is_key(std::string(prefix) + "x")) {
    throw Error(Errc::invalid, "no name of an object begins with '{}'", prefix);
  }
}

bool exists(Store& store, const std::string& key) {
  bool found = false;
  store.list(key, [&](const ObjectInfo& object) { found = found || object.key == key; });
  return found;
}

std::uint64_t bytes_in_range(std::string_view key, std::uint64_t object_bytes, Range range) {
  if (range.offset > object_bytes ||
      (range.bytes != Range::kAll && range.bytes > object_bytes - range.offset)) {
    throw Error(Errc::damaged, "{} ends at {} bytes, before what was to be read at {}", key,
                object_bytes, range.offset);
  }
  std::uint64_t bytes = range.bytes == Range::kAll ? object_bytes - range.offset : range.bytes;
  if (bytes > Range::kMost) {
    throw Error(Errc::damaged, "{} has {} bytes, more than any object of a repository", key,
                object_bytes);
  }
  return bytes;
}

}  // namespace duckback
