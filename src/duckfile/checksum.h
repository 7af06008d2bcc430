#pragma once

#include "base/bytes.h"

namespace duckback {

// DuckDB's checksum of blocks, headers and WAL entries (duckdb: src/common/checksum.cpp). It proves
// "not torn" and nothing more: it is an XOR over words, blind to their order, and covers no block
// id and no generation.
std::uint64_t duckdb_checksum(ByteView bytes);

}  // namespace duckback
