#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "duckfile/checksum.h"
#include "duckfile/header.h"

namespace duckback::test {

// The bytes of a database file that is right as far as blocks, headers and free list go; its
// blocks hold no tables. For tests that need to bend single bytes; DuckDB's own files are in
// test/golden.
struct TinyDatabase {
  std::uint64_t version = 64;
  std::uint64_t serialization = 1;
  std::uint64_t iteration = 5;
  DatabaseId identifier{};
  std::uint64_t block_count = 8;
  std::uint64_t metadata_block = 3;     // holds the free list in its first sub-block
  std::uint64_t catalog_sub_block = 1;  // where in it the catalog root is
  std::set<std::uint64_t> free = {2, 6};
  std::uint64_t file_blocks = 8;  // a free tail may be cut off
  static constexpr std::uint32_t kBlockBytes = 16 * 1024;

  static void seal(Bytes& file, std::uint64_t offset, std::uint64_t bytes) {
    store_le(file.data() + offset, duckdb_checksum(ByteView(file).subspan(offset + 8, bytes - 8)));
  }

  Bytes build() const {
    Bytes file(kBlockStart + file_blocks * kBlockBytes);
    std::memcpy(file.data() + 8, "DUCK", 4);
    store_le(file.data() + 12, version);
    std::memcpy(file.data() + 52, "v1.5.6", 6);
    std::copy(identifier.begin(), identifier.end(), file.begin() + 124);
    seal(file, 0, kSlotBytes);
    for (std::uint64_t slot : {0, 1}) {
      std::uint8_t* fields = file.data() + kSlotBytes * (1 + slot) + 8;
      std::uint64_t values[] = {iteration - 1 + slot, metadata_block | catalog_sub_block << 56,
                                metadata_block,       block_count,
                                kBlockBytes,          2048,
                                serialization};
      for (std::uint64_t value : values) {
        store_le(fields, value);
        fields += 8;
      }
      seal(file, kSlotBytes * (1 + slot), kSlotBytes);
    }
    for (std::uint64_t id = 0; id < file_blocks; ++id) {
      if (free.contains(id)) continue;
      std::uint64_t offset = block_offset(id, kBlockBytes);
      for (std::uint64_t at = 8; at < kBlockBytes; ++at) {
        file[offset + at] = static_cast<std::uint8_t>(id * 31 + at * 7);
      }
      if (id == metadata_block) write_free_list(file.data() + offset + 8);
      seal(file, offset, kBlockBytes);
    }
    return file;
  }

 private:
  void write_free_list(std::uint8_t* sub_block) const {
    auto put = [&](std::uint64_t value) {
      store_le(sub_block, value);
      sub_block += 8;
    };
    put(kNoPointer);
    put(free.size());
    for (std::uint64_t id : free) put(id);
    put(0);
    put(1);
    put(metadata_block);
    put(~std::uint64_t{3});
  }
};

// The first entry of a WAL.
inline Bytes wal_header(const std::optional<DatabaseId>& identifier = {},
                        std::optional<std::uint64_t> iteration = {}) {
  Bytes wal = {100, 0, 98, 101, 0, 2};
  auto leb128 = [&](std::uint64_t value) {
    for (; value >= 128; value >>= 7) wal.push_back(static_cast<std::uint8_t>(value | 128));
    wal.push_back(static_cast<std::uint8_t>(value));
  };
  if (identifier) {
    wal.insert(wal.end(), {102, 0, 16});
    for (std::uint8_t byte : *identifier) leb128(byte);
  }
  if (iteration) {
    wal.insert(wal.end(), {103, 0});
    leb128(*iteration);
  }
  wal.insert(wal.end(), {0xff, 0xff});
  return wal;
}

inline void append_wal_entry(Bytes& wal, const Bytes& payload) {
  Bytes frame(16);
  store_le(frame.data(), std::uint64_t{payload.size()});
  store_le(frame.data() + 8, duckdb_checksum(payload));
  wal.insert(wal.end(), frame.begin(), frame.end());
  wal.insert(wal.end(), payload.begin(), payload.end());
}

// A transaction of one INSERT-like entry.
inline void append_wal_commit(Bytes& wal) {
  append_wal_entry(wal, {100, 0, 26, 101, 0, 1, 2, 3, 4, 0xff, 0xff});
  append_wal_entry(wal, {100, 0, 100, 0xff, 0xff});
}

// A CHECKPOINT entry for a catalog root below 128, with its FLUSH.
inline void append_wal_marker(Bytes& wal, std::uint8_t meta_block) {
  append_wal_entry(wal, {100, 0, 99, 101, 0, 100, 0, meta_block, 0xff, 0xff, 0xff, 0xff});
  append_wal_entry(wal, {100, 0, 100, 0xff, 0xff});
}

}  // namespace duckback::test
