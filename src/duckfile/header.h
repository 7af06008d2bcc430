#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_source.h"

// The first 12288 bytes of a database file: the main header, written once, and two slots that hold
// the database headers of the last two checkpoints. docs/duckdb-file.md has the layout.

namespace duckback {

inline constexpr std::uint64_t kSlotBytes = 4096;
inline constexpr std::uint64_t kBlockStart = 3 * kSlotBytes;
inline constexpr std::uint64_t kNoPointer = ~std::uint64_t{0};

class BlockCipher;  // crypto.h

using DatabaseId = std::array<std::uint8_t, 16>;

struct Encryption {
  bool authenticated_v1 = false;  // layout of DuckDB 1.5 (12-byte nonces) rather than 1.4 (16)
  enum class Cipher { gcm = 1, ctr = 2 } cipher = Cipher::gcm;

  std::size_t nonce_bytes() const { return authenticated_v1 ? 12 : 16; }
};

struct MainHeader {
  std::uint64_t version = 0;    // the field as stored: 64-68, or 999 from DuckDB 2.0 on
  std::string library_version;  // of the creator, "v1.5.6"; not of the last writer
  std::string source_id;
  std::optional<Encryption> encryption;
  DatabaseId identifier{};  // zero in v64 files, garbage in some that were upgraded from 64
  std::array<std::uint8_t, kSlotBytes> raw{};
};

// Throws Errc::refused if this is no DuckDB file (saying what it looks like), Errc::unsupported for
// a cipher we do not know or a file from before DuckDB 0.9, Errc::corrupt if the checksum is wrong.
MainHeader read_main_header(const ByteSource& file);
// `raw` with another identifier and a fitting checksum.
std::array<std::uint8_t, kSlotBytes> with_identifier(const MainHeader& header,
                                                     const DatabaseId& identifier);

using Slot = std::array<std::uint8_t, kSlotBytes>;

// What stands in place of the main header while a file is not complete: DuckDB takes it for no
// database, opens neither it nor a WAL beside it, and read_main_header() says `what` to do.
Slot unfinished_header(std::string_view what);
// Only the beginning is looked at: 12 bytes are enough.
bool is_unfinished(ByteView begin);

struct DatabaseHeader {
  std::uint64_t iteration = 0;
  std::uint64_t meta_block = kNoPointer;
  std::uint64_t free_list = kNoPointer;
  std::uint64_t block_count = 0;  // may exceed the file: the missing ones are in the free list
  std::uint32_t block_bytes = 0;  // 16-256 KiB, a power of two
  std::uint64_t vector_size = 0;
  std::uint64_t serialization = 1;  // 1 up to v1.0 .. 7 for v1.5; the storage version from 2.0 on
};

// The header in a slot; empty if its checksum (or tag) does not fit, as while it is being written.
// `cipher` is null for plain files. Throws Errc::corrupt for impossible fields under a right
// checksum.
std::optional<DatabaseHeader> parse_database_header(const Slot& slot, const MainHeader& main,
                                                    const BlockCipher* cipher,
                                                    const std::string& file_name);

// Both slots as read at once, and the active one.
struct Slots {
  std::array<Slot, 2> raw{};
  std::array<std::optional<DatabaseHeader>, 2> headers;
  int active = 0;

  const DatabaseHeader& header() const { return *headers[static_cast<std::size_t>(active)]; }
  const Slot& active_raw() const { return raw[static_cast<std::size_t>(active)]; }
};
// Empty while either slot is being written (DuckDB needs both to be right). Throws Errc::corrupt if
// the file is too short.
std::optional<Slots> read_slots(const ByteSource& file, const MainHeader& main,
                                const BlockCipher* cipher);

// The storage version a user knows (64-69, or larger) and the oldest DuckDB that reads it.
struct StorageVersion {
  std::uint64_t number = 64;
  std::string needs;  // "DuckDB 1.2", "a DuckDB newer than 2.0"
  bool known = true;  // we know this version's format
};
StorageVersion storage_version(const MainHeader& main, const DatabaseHeader& header);

inline std::uint64_t block_offset(std::uint64_t id, std::uint64_t block_bytes) {
  return kBlockStart + id * block_bytes;
}

}  // namespace duckback
