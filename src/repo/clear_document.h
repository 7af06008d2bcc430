#pragma once

#include <string>

#include "store/store.h"

namespace duckback {

// Clear documents (docs/format.md): "duckback KIND 1", a JSON object, "blake3 HEX", each a line.

inline constexpr std::size_t kClearDocumentBytesMost = 64 << 10;

// `json` is one line.
std::string write_clear_document(std::string_view kind, const std::string& json);
// Returns the JSON, which is an object that nests no deeper than a few levels. Throws Errc::damaged
// naming `object`, Errc::unsupported for a newer version.
std::string read_clear_document(std::string_view kind, ByteView bytes, std::string_view object);

// The same for `object` of a store or, where that is missing, damaged or cannot be read, for
// `copy`. Throws Errc::not_found if there is neither; of two that cannot be read the first one's
// error.
std::string get_clear_document(Store& store, std::string_view kind, const std::string& object,
                               const std::string& copy);

}  // namespace duckback
