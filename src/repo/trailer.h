#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "repo/sealer.h"
#include "store/store.h"

namespace duckback {

// How packs and indexes end (docs/format.md, "Pack", "Index"): a section that says what is before
// it, and a footer of 8 bytes that says how long that section is.
struct TrailerForm {
  std::vector<ObjectKind> kinds;  // of objects that end so
  std::string_view label;         // of the section
  std::string_view magic;         // of the footer, 4 letters
  std::size_t bytes_most;         // in the section
};

struct Trailer {
  ObjectSealer sealer;
  ObjectKind kind;
  Bytes content;             // of the section, opened
  std::uint64_t offset = 0;  // of the section
};

inline constexpr std::size_t kFooterBytes = 8;

// `object`: all that comes before.
void append_trailer(const ObjectSealer& sealer, const TrailerForm& form, ByteView content,
                    Bytes& object);
// `object_bytes` as it was listed; `lasting` as of Range. Throws Errc::damaged, Errc::not_found.
Trailer read_trailer(Store& store, const Sealer& sealer, const TrailerForm& form,
                     const std::string& key, std::uint64_t object_bytes, bool lasting);

// Exactly these bytes of an object; throws Errc::damaged if there are fewer.
Bytes get_exactly(Store& store, const std::string& key, Range range);

// Runs `body`, which reads an object: what is Errc::corrupt in its bytes is Errc::damaged in a
// repository, and `advice` says what helps.
template <class Body>
decltype(auto) reading_object(std::string_view advice, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt && error.code() != Errc::damaged) throw;
    throw Error(Errc::damaged, "{}{}", error.what(), advice);
  }
}

}  // namespace duckback
