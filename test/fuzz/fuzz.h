#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "duckfile/checksum.h"

// What the fuzz targets share: hostile bytes must end in an Error or a result, and the checksums
// are made right so that the fuzzer gets behind them.
namespace duckback::fuzz {

inline void fix_checksum(MutableBytes bytes) {
  store_le(bytes.data(), duckdb_checksum(ByteView(bytes).subspan(8)));
}

template <class Body>
void allow_error(Body&& body) {
  try {
    body();
  } catch (const Error&) {
    // What hostile bytes should give.
  }
}

}  // namespace duckback::fuzz
