#include "test/support/duckfile_builder.h"

#include <openssl/evp.h>

#include <algorithm>
#include <concepts>

#include "duckfile/checksum.h"

namespace duckback::test {
namespace {

template <std::integral Int>
void append(Bytes& to, Int value) {
  std::uint8_t bytes[sizeof value];
  store_le(bytes, value);
  to.insert(to.end(), bytes, bytes + sizeof value);
}
void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void append_leb128(Bytes& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

Sealer::Sealer(Encryption encryption, const DatabaseId& identifier, std::string_view key)
    : encryption_(encryption), key_(32) {
  Bytes salted(identifier.begin(), identifier.end());
  append(salted, as_bytes(key));
  EVP_Digest(salted.data(), salted.size(), key_.data(), nullptr, EVP_sha256(), nullptr);
}

Sealer::Sealed Sealer::seal(ByteView plain, Encryption::Cipher cipher, bool zero_nonce) {
  Sealed sealed;
  sealed.nonce.resize(encryption_.nonce_bytes());
  if (!zero_nonce) std::fill(sealed.nonce.begin(), sealed.nonce.end(), next_nonce_++);
  sealed.text.resize(plain.size());
  sealed.tag.resize(16);
  Bytes iv = sealed.nonce;
  iv.resize(16);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  bool gcm = cipher == Encryption::Cipher::gcm;
  EVP_EncryptInit_ex(context, gcm ? EVP_aes_256_gcm() : EVP_aes_256_ctr(), nullptr, nullptr,
                     nullptr);
  if (gcm) {
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_IVLEN, static_cast<int>(sealed.nonce.size()),
                        nullptr);
  }
  EVP_EncryptInit_ex(context, nullptr, nullptr, key_.data(), iv.data());
  int done = 0;
  EVP_EncryptUpdate(context, sealed.text.data(), &done, plain.data(),
                    static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(context, sealed.text.data() + done, &done);
  if (gcm) EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, sealed.tag.data());
  EVP_CIPHER_CTX_free(context);
  return sealed;
}

Bytes Sealer::seal_block(ByteView fields) {
  Bytes plain;
  append(plain, duckdb_checksum(fields));
  append(plain, fields);
  Sealed sealed = seal(plain, encryption_.cipher);
  Bytes block = sealed.nonce;
  append(block, ByteView(sealed.tag));
  block.resize(32);
  append(block, ByteView(sealed.text));
  return block;
}

Bytes Sealer::seal_entry(ByteView payload, std::size_t tag_bytes) {
  Bytes plain;
  append(plain, duckdb_checksum(payload));
  append(plain, payload);
  Sealed sealed = seal(plain, encryption_.cipher);
  Bytes entry = sealed.nonce;
  append(entry, ByteView(sealed.text));
  append(entry, ByteView(sealed.tag).first(tag_bytes));
  return entry;
}

Bytes Sealer::canary() {
  ByteView words = as_bytes(std::string_view("DUCKKEY\0", 8));
  bool v1 = encryption_.authenticated_v1;
  Sealed sealed = seal(words, v1 ? Encryption::Cipher::gcm : encryption_.cipher, !v1);
  Bytes bytes = sealed.text;
  if (v1) {
    append(bytes, ByteView(sealed.nonce));
    append(bytes, ByteView(sealed.tag));
  }
  bytes.resize(36);
  return bytes;
}

void fix_checksum(MutableBytes bytes) {
  store_le(bytes.data(), duckdb_checksum(ByteView(bytes).subspan(8)));
}

Bytes main_header(const MainFields& fields) {
  Bytes bytes(8);
  append(bytes, as_bytes("DUCK"));
  append(bytes, fields.version);
  append<std::uint64_t>(bytes, fields.sealer != nullptr ? 1 : 0);
  bytes.resize(52);
  append(bytes, as_bytes(fields.library_version));
  bytes.resize(84);
  append(bytes, as_bytes("0123456789"));
  bytes.resize(116);
  if (fields.sealer != nullptr) {
    Encryption encryption = fields.sealer->encryption();
    append(bytes, Bytes{0, 0, static_cast<std::uint8_t>(encryption.cipher),
                        static_cast<std::uint8_t>(encryption.authenticated_v1), 32, 0, 0, 0});
  }
  bytes.resize(124);
  append(bytes, ByteView(fields.identifier));
  if (fields.sealer != nullptr) append(bytes, ByteView(fields.sealer->canary()));
  bytes.resize(kSlotBytes);
  fix_checksum(bytes);
  return bytes;
}

Bytes slot(const DatabaseHeader& header, Sealer* sealer) {
  Bytes fields;
  for (std::uint64_t field :
       {header.iteration, header.meta_block, header.free_list, header.block_count,
        std::uint64_t{header.block_bytes}, header.vector_size, header.serialization}) {
    append(fields, field);
  }
  return block(fields, kSlotBytes, sealer);
}

Bytes block(ByteView payload, std::uint32_t block_bytes, Sealer* sealer) {
  Bytes bytes(payload.begin(), payload.end());
  bytes.resize(block_bytes - (sealer != nullptr ? 40 : 8));
  if (sealer != nullptr) return sealer->seal_block(bytes);
  bytes.insert(bytes.begin(), 8, 0);
  fix_checksum(bytes);
  return bytes;
}

Bytes free_list_bytes(const FreeListFields& fields) {
  Bytes bytes;
  append<std::uint64_t>(bytes, fields.free.size());
  for (std::uint64_t id : fields.free) append(bytes, id);
  append<std::uint64_t>(bytes, fields.multi_use.size());
  for (auto [id, references] : fields.multi_use) {
    append(bytes, id);
    append(bytes, references);
  }
  append<std::uint64_t>(bytes, fields.metadata.size());
  for (auto [id, mask] : fields.metadata) {
    append(bytes, id);
    append(bytes, mask);
  }
  return bytes;
}

DatabaseBuilder::DatabaseBuilder(std::uint32_t block_bytes, Sealer* sealer) : sealer_(sealer) {
  header.iteration = 5;
  header.block_bytes = block_bytes;
  header.vector_size = 2048;
  main.sealer = sealer;
}

std::uint64_t DatabaseBuilder::sub_bytes() const {
  return (header.block_bytes - (sealer_ != nullptr ? 40 : 8)) / 64 / 8 * 8;
}

Bytes& DatabaseBuilder::payload_of(std::uint64_t id) {
  if (payloads_.size() <= id) payloads_.resize(id + 1);
  payloads_[id].resize(header.block_bytes - (sealer_ != nullptr ? 40 : 8));
  return payloads_[id];
}

void DatabaseBuilder::write_sub_block(std::uint64_t to, std::uint64_t next, ByteView bytes) {
  Bytes& payload = payload_of(to & ((std::uint64_t{1} << 56) - 1));
  std::uint8_t* at = payload.data() + (to >> 56) * sub_bytes();
  store_le(at, next);
  std::copy(bytes.begin(), bytes.end(), at + 8);
}

void DatabaseBuilder::write_chain(ByteView bytes, const std::vector<std::uint64_t>& chain) {
  header.free_list = chain.front();
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::size_t part = std::min<std::size_t>(bytes.size(), sub_bytes() - 8);
    write_sub_block(chain[i], i + 1 < chain.size() ? chain[i + 1] : kNoPointer, bytes.first(part));
    bytes = bytes.subspan(part);
  }
}

void DatabaseBuilder::write_block(std::uint64_t id, ByteView payload) {
  std::copy(payload.begin(), payload.end(), payload_of(id).begin());
}

Bytes DatabaseBuilder::file() const {
  Bytes bytes = main_header(main);
  DatabaseHeader previous = header;
  previous.iteration = header.iteration - 1;
  append(bytes, ByteView(slot(header, sealer_)));
  append(bytes, ByteView(slot(previous, sealer_)));
  for (const Bytes& payload : payloads_) {
    append(bytes, ByteView(block(payload, header.block_bytes, sealer_)));
  }
  return bytes;
}

Bytes TinyDatabase::build() const {
  Bytes file =
      main_header({.version = version, .library_version = "v1.5.6", .identifier = identifier});
  DatabaseHeader header{.iteration = iteration - 1,
                        .meta_block = pointer(metadata_block, catalog_sub_block),
                        .free_list = metadata_block,
                        .block_count = block_count,
                        .block_bytes = kBlockBytes,
                        .vector_size = 2048,
                        .serialization = serialization};
  append(file, ByteView(slot(header)));
  ++header.iteration;
  append(file, ByteView(slot(header)));

  Bytes free_list;
  append(free_list, kNoPointer);
  append(free_list, ByteView(free_list_bytes({.free = {free.begin(), free.end()},
                                              .multi_use = {},
                                              .metadata = {{metadata_block, ~std::uint64_t{3}}}})));
  for (std::uint64_t id = 0; id < file_blocks; ++id) {
    if (free.contains(id)) {
      file.resize(file.size() + kBlockBytes);
      continue;
    }
    Bytes payload(kBlockBytes - 8);
    for (std::size_t at = 0; at < payload.size(); ++at) {
      payload[at] = static_cast<std::uint8_t>(id * 31 + at * 7);
    }
    if (id == metadata_block) std::copy(free_list.begin(), free_list.end(), payload.begin());
    append(file, ByteView(block(payload, kBlockBytes)));
  }
  return file;
}

WalBuilder::WalBuilder(std::optional<DatabaseId> identifier, std::uint64_t iteration,
                       Sealer* sealer)
    : sealer_(sealer) {
  bool gcm = sealer != nullptr && sealer->encryption().cipher == Encryption::Cipher::gcm;
  tag_bytes_ = gcm ? 16 : 0;
  bytes_ = {100, 0, 98, 101, 0, static_cast<std::uint8_t>(sealer != nullptr ? 3 : 2)};
  if (identifier) {
    append(bytes_, Bytes{102, 0, 16});
    for (std::uint8_t byte : *identifier) append_leb128(bytes_, byte);
    append(bytes_, Bytes{103, 0});
    append_leb128(bytes_, iteration);
  }
  append<std::uint16_t>(bytes_, 0xffff);
}

WalBuilder& WalBuilder::entry(ByteView payload) {
  append<std::uint64_t>(bytes_, payload.size());
  if (sealer_ != nullptr) {
    append(bytes_, ByteView(sealer_->seal_entry(payload, tag_bytes_)));
  } else {
    append(bytes_, duckdb_checksum(payload));
    append(bytes_, payload);
  }
  return *this;
}

WalBuilder& WalBuilder::typed(std::uint8_t type, std::size_t bytes) {
  Bytes payload = {100, 0, type, 101, 0};
  for (std::size_t i = payload.size(); i + 2 < bytes; ++i) {
    payload.push_back(static_cast<std::uint8_t>(i * 7));
  }
  append<std::uint16_t>(payload, 0xffff);
  return entry(payload);
}
WalBuilder& WalBuilder::insert(std::size_t bytes) { return typed(26, bytes); }
WalBuilder& WalBuilder::row_groups(std::size_t bytes) { return typed(29, bytes); }
WalBuilder& WalBuilder::flush() { return entry(Bytes{100, 0, 100, 255, 255}); }

WalBuilder& WalBuilder::checkpoint(std::uint64_t block_pointer, std::uint32_t offset) {
  // Fields that hold their default are left out.
  Bytes payload = {100, 0, 99, 101, 0};
  if (block_pointer != 0) {
    append(payload, Bytes{100, 0});
    append_leb128(payload, block_pointer);
  }
  if (offset != 0) {
    append(payload, Bytes{101, 0});
    append_leb128(payload, offset);
  }
  append(payload, Bytes{255, 255, 255, 255});
  return entry(payload).flush();
}

}  // namespace duckback::test
