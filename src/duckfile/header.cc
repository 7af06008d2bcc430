#include "duckfile/header.h"

#include <algorithm>
#include <bit>

#include "base/byte_reader.h"
#include "base/error.h"
#include "duckfile/checksum.h"
#include "duckfile/crypto.h"

namespace duckback {
namespace {

constexpr std::uint64_t kBlockBytesDefault = 256 * 1024;
constexpr std::uint64_t kVersionLeast = 64;
constexpr std::uint64_t kBlockBytesLeast = 16 * 1024;

// Readable for who looks into the file; bytes 8 to 11 are not DuckDB's.
constexpr std::string_view kUnfinished = "unfinished duckback file: ";

std::string zero_padded_text(ByteView bytes) {
  std::string text;
  for (std::uint8_t byte : bytes) {
    if (byte == 0) break;
    text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  }
  return text;
}

[[noreturn]] void refuse_foreign(const std::string& name, ByteView start) {
  auto begins = [&](std::string_view magic) {
    return start.size() >= magic.size() &&
           std::memcmp(start.data(), magic.data(), magic.size()) == 0;
  };
  std::string_view looks = "its first bytes are not DuckDB's";
  if (start.empty()) {
    looks = "it is empty (0 bytes)";
  } else if (std::all_of(start.begin(), start.end(), [](std::uint8_t b) { return b == 0; })) {
    looks = "it holds only zeros";
  } else if (begins("SQLite format 3")) {
    looks = "it is a SQLite database";
  } else if (begins("PAR1")) {
    looks = "it is a Parquet file";
  } else if (std::all_of(start.begin(), start.end(), [](std::uint8_t b) {
               return b == '\n' || b == '\r' || b == '\t' || b >= 0x20;
             })) {
    looks = "it looks like text";
  }
  throw Error(Errc::refused, "{} is not a DuckDB database: {}", name, looks);
}

std::optional<Encryption> parse_encryption(ByteReader& reader, bool encrypted,
                                           const std::string& file_name) {
  reader.read<std::uint8_t>("key derivation");
  reader.read<std::uint8_t>("additional data flag");
  auto cipher = reader.read<std::uint8_t>("cipher");
  auto version = reader.read<std::uint8_t>("encryption version");
  reader.read<std::uint32_t>("key length");
  if (!encrypted) return std::nullopt;
  if ((cipher != 1 && cipher != 2) || version > 1) {
    throw Error(
        Errc::unsupported,
        "{}: the database is encrypted with cipher {}, encryption version {}, which this duckback "
        "does not know; a newer duckback may",
        file_name, cipher, version);
  }
  return Encryption{.authenticated_v1 = version == 1,
                    .cipher = static_cast<Encryption::Cipher>(cipher)};
}

}  // namespace

Slot unfinished_header(std::string_view what) {
  Slot header{};
  std::string text = std::string(kUnfinished) + std::string(what);
  text.resize(std::min<std::size_t>(text.size(), 1024));
  std::copy(text.begin(), text.end(), header.begin());
  return header;
}

bool is_unfinished(ByteView begin) {
  constexpr std::size_t kLook = 12;
  return begin.size() >= kLook && std::memcmp(begin.data(), kUnfinished.data(), kLook) == 0;
}

MainHeader read_main_header(const ByteSource& file) {
  MainHeader header;
  std::size_t count = file.read_at(0, header.raw);
  if (is_unfinished(ByteView(header.raw).first(count))) {
    std::string text = zero_padded_text(ByteView(header.raw).first(count));
    throw Error(Errc::refused, "{} is not complete: {}", file.name(),
                text.substr(std::min(text.size(), kUnfinished.size())));
  }
  if (count < 12 || std::memcmp(header.raw.data() + 8, "DUCK", 4) != 0) {
    refuse_foreign(file.name(), ByteView(header.raw).first(std::min<std::size_t>(count, 64)));
  }
  if (count < header.raw.size()) {
    throw Error(Errc::corrupt, "{}: expected a main header of 4096 bytes, the file has {}",
                file.name(), count);
  }
  ByteReader reader(header.raw, file.name());
  auto stored = reader.read<std::uint64_t>("checksum");
  if (stored != duckdb_checksum(ByteView(header.raw).subspan(8))) {
    throw Error(Errc::corrupt, "{}: the checksum of the main header (offset 0) is wrong",
                file.name());
  }
  reader.skip(4, "magic");
  header.version = reader.read<std::uint64_t>("storage version");
  if (header.version < kVersionLeast) {
    throw Error(Errc::unsupported,
                "{}: storage version {} is from before DuckDB 0.9; export the database with the "
                "DuckDB that wrote it and import it into a newer one",
                file.name(), header.version);
  }
  auto flags = reader.read<std::uint64_t>("flags");
  reader.skip(24, "flags");
  header.library_version = zero_padded_text(reader.take(32, "library version"));
  header.source_id = zero_padded_text(reader.take(32, "source id"));
  header.encryption = parse_encryption(reader, (flags & 1) != 0, file.name());
  ByteView identifier = reader.take(16, "database identifier");
  std::copy(identifier.begin(), identifier.end(), header.identifier.begin());
  return header;
}

std::array<std::uint8_t, kSlotBytes> with_identifier(const MainHeader& header,
                                                     const DatabaseId& identifier) {
  constexpr std::size_t kIdentifierOffset = 124;
  auto raw = header.raw;
  std::copy(identifier.begin(), identifier.end(), raw.begin() + kIdentifierOffset);
  store_le(raw.data(), duckdb_checksum(ByteView(raw).subspan(8)));
  return raw;
}

std::optional<DatabaseHeader> parse_database_header(const Slot& slot, const MainHeader& main,
                                                    const BlockCipher* cipher,
                                                    const std::string& file_name) {
  Bytes plain;
  ByteView fields;
  if (cipher != nullptr) {
    plain.assign(slot.begin(), slot.end());
    if (!cipher->decrypt_block(plain)) return std::nullopt;
    fields = ByteView(plain).subspan(BlockCipher::kHeaderBytes);
  } else {
    if (load_le<std::uint64_t>(slot.data()) != duckdb_checksum(ByteView(slot).subspan(8))) {
      return std::nullopt;
    }
    fields = ByteView(slot).subspan(8);
  }
  ByteReader reader(fields, file_name + " (database header)");
  DatabaseHeader header;
  header.iteration = reader.read<std::uint64_t>("iteration");
  header.meta_block = reader.read<std::uint64_t>("catalog pointer");
  header.free_list = reader.read<std::uint64_t>("free list pointer");
  header.block_count = reader.read<std::uint64_t>("block count");
  auto block_bytes = reader.read<std::uint64_t>("block size");
  if (block_bytes == 0) block_bytes = kBlockBytesDefault;
  if (!std::has_single_bit(block_bytes) || block_bytes < kBlockBytesLeast ||
      block_bytes > kBlockBytesDefault) {
    reader.fail(fmt::format("a block size of 16 KiB to 256 KiB, not {},", block_bytes));
  }
  header.block_bytes = static_cast<std::uint32_t>(block_bytes);
  header.vector_size = reader.read<std::uint64_t>("vector size");
  if (header.vector_size == 0) header.vector_size = 2048;
  auto serialization = reader.read<std::uint64_t>("serialization compatibility");
  // In v64 files the field may hold what the buffer held before.
  header.serialization = main.version == 64 ? 1 : serialization;
  // Ids are stored with 56 bits, and offsets must fit the file.
  if (header.block_count >= (std::uint64_t{1} << 45)) {
    reader.fail(fmt::format("a possible block count, not {},", header.block_count));
  }
  return header;
}

std::optional<Slots> read_slots(const ByteSource& file, const MainHeader& main,
                                const BlockCipher* cipher) {
  std::array<std::uint8_t, 2 * kSlotBytes> both;
  std::size_t count = file.read_at(kSlotBytes, both);
  if (count < both.size()) {
    throw Error(Errc::corrupt,
                "{}: expected two database headers up to offset {}, the file ends at {}",
                file.name(), kBlockStart, kSlotBytes + count);
  }
  Slots slots;
  for (std::size_t i = 0; i < 2; ++i) {
    std::memcpy(slots.raw[i].data(), both.data() + i * kSlotBytes, kSlotBytes);
    slots.headers[i] = parse_database_header(slots.raw[i], main, cipher, file.name());
    if (!slots.headers[i]) return std::nullopt;
  }
  slots.active = slots.headers[0]->iteration > slots.headers[1]->iteration ? 0 : 1;
  return slots;
}

StorageVersion storage_version(const MainHeader& main, const DatabaseHeader& header) {
  static const std::array<const char*, 6> kNeeds = {"DuckDB 1.0", "DuckDB 1.2", "DuckDB 1.3",
                                                    "DuckDB 1.4", "DuckDB 1.5", "DuckDB 2.0"};
  // Serialization 1-3 is what storage 64 holds, 4 is 65 and so on; the main header keeps the
  // version of the file's birth, so the larger of the two counts. From 2.0 on the field is the
  // number itself.
  std::uint64_t number = main.version;
  if (number >= 900) {
    number = header.serialization;
  } else if (header.serialization >= 64) {
    number = std::max(number, header.serialization);
  } else if (header.serialization >= 4) {
    number = std::max(number, 61 + header.serialization);
  }
  StorageVersion version{.number = number, .needs = "", .known = number >= 64 && number <= 69};
  version.needs = version.known ? kNeeds[number - 64] : "a DuckDB newer than 2.0";
  return version;
}

}  // namespace duckback
