#pragma once

#include <optional>
#include <set>
#include <vector>

#include "duckfile/free_list.h"
#include "duckfile/wal.h"

// A small language that writes DuckDB files and WALs in memory, for tests: nothing here is shared
// with the code that reads them, except plain types.
namespace duckback::test {

// Seals blocks and WAL entries as DuckDB does.
class Sealer {
 public:
  Sealer(Encryption encryption, const DatabaseId& identifier, std::string_view key);
  const Encryption& encryption() const { return encryption_; }
  // Nonce, tag and the sealed rest, for a plain block whose fields begin at offset 40.
  Bytes seal_block(ByteView fields);
  // Nonce, sealed checksum and payload, `tag_bytes` of tag.
  Bytes seal_entry(ByteView payload, std::size_t tag_bytes);
  // The canary of the main header with its nonce and tag: 36 bytes, from offset 140.
  Bytes canary();

 private:
  struct Sealed {
    Bytes nonce, text, tag;
  };
  Sealed seal(ByteView plain, Encryption::Cipher cipher, bool zero_nonce = false);
  Encryption encryption_;
  Bytes key_;
  std::uint8_t next_nonce_ = 1;
};

struct MainFields {
  std::uint64_t version = 64;
  std::string library_version = "v1.1.3";
  DatabaseId identifier{};
  Sealer* sealer = nullptr;
};
Bytes main_header(const MainFields& fields = {});
// Makes the first 8 bytes the checksum of the rest.
void fix_checksum(MutableBytes bytes);
Bytes slot(const DatabaseHeader& header, Sealer* sealer = nullptr);
// A block that holds `payload`, zeros behind.
Bytes block(ByteView payload, std::uint32_t block_bytes, Sealer* sealer = nullptr);

struct FreeListFields {
  std::vector<std::uint64_t> free;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> multi_use;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> metadata;
};
Bytes free_list_bytes(const FreeListFields& fields);

// A database file of 16 KiB blocks (by default) whose blocks can be set one by one.
class DatabaseBuilder {
 public:
  explicit DatabaseBuilder(std::uint32_t block_bytes = 16384, Sealer* sealer = nullptr);

  DatabaseHeader header;  // of the active slot; the other has one iteration less
  MainFields main;

  std::uint64_t sub_bytes() const;
  // Puts `bytes` into the sub-blocks of `chain` (pointers, in order), and the chain into the
  // header.
  void write_chain(ByteView bytes, const std::vector<std::uint64_t>& chain);
  // One sub-block: its next pointer and what follows.
  void write_sub_block(std::uint64_t pointer, std::uint64_t next, ByteView bytes);
  void write_block(std::uint64_t id, ByteView payload);
  // As many blocks as `header.block_count` or the last one written, whichever is more.
  Bytes file() const;

 private:
  Bytes& payload_of(std::uint64_t id);
  Sealer* sealer_;
  std::vector<Bytes> payloads_;
};

// A whole database file that is right as far as blocks, headers and free list go; its blocks hold
// no tables. For tests that need to bend single bytes; DuckDB's own files are in test/golden.
struct TinyDatabase {
  std::uint64_t version = 64;
  std::uint64_t serialization = 1;
  std::uint64_t iteration = 5;  // of the second slot, the active one
  DatabaseId identifier{};
  std::uint64_t block_count = 8;
  std::uint64_t metadata_block = 3;     // holds the free list in its first sub-block
  std::uint64_t catalog_sub_block = 1;  // where in it the catalog root is
  std::set<std::uint64_t> free = {2, 6};
  std::uint64_t file_blocks = 8;  // a free tail may be cut off
  static constexpr std::uint32_t kBlockBytes = 16 * 1024;

  Bytes build() const;
};

inline std::uint64_t pointer(std::uint64_t id, std::uint64_t sub_block) {
  return sub_block << 56 | id;
}

// A WAL, entry by entry.
class WalBuilder {
 public:
  // With an identifier also the iteration is written.
  explicit WalBuilder(std::optional<DatabaseId> identifier = std::nullopt,
                      std::uint64_t iteration = 0, Sealer* sealer = nullptr);
  // For CTR in the layout of DuckDB 1.4, 16 or 0.
  void set_tag_bytes(std::size_t tag_bytes) { tag_bytes_ = tag_bytes; }

  WalBuilder& entry(ByteView payload);
  // An INSERT of `bytes` bytes.
  WalBuilder& insert(std::size_t bytes = 40);
  WalBuilder& row_groups(std::size_t bytes = 80);
  WalBuilder& flush();
  WalBuilder& checkpoint(std::uint64_t block_pointer, std::uint32_t offset = 8);
  // insert() and flush().
  WalBuilder& commit() { return insert().flush(); }

  const Bytes& bytes() const { return bytes_; }
  std::uint64_t size() const { return bytes_.size(); }

 private:
  WalBuilder& typed(std::uint8_t type, std::size_t bytes);
  Sealer* sealer_;
  std::size_t tag_bytes_ = 0;
  Bytes bytes_;
};

}  // namespace duckback::test
