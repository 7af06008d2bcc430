#include "duckfile/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "duckfile/checksum.h"

namespace duckback {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// DuckDB casts the text of a key to BLOB, where \x41 is one byte. What it would refuse stays as it
// is.
std::string unescape(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());  // no copies left behind by growing
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    bool hex = i + 3 < text.size() && text[i + 1] == 'x' && hex_value(text[i + 2]) >= 0 &&
               hex_value(text[i + 3]) >= 0;
    if (!hex) return std::string(text);
    bytes += static_cast<char>(hex_value(text[i + 2]) << 4 | hex_value(text[i + 3]));
    i += 3;
  }
  return bytes;
}

// The key's bytes if DuckDB would read it as base64: like DuckDB, a '=' in either of the last two
// places is padding, whatever the other holds.
std::optional<Bytes> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  auto value_of = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
  };
  Bytes bytes;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool padding = i + 2 >= text.size() && text[i] == '=';
    int value = padding ? 0 : value_of(text[i]);
    if (value < 0) return std::nullopt;
    word = word << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (int shift : {16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  if (text[text.size() - 2] == '=') {
    bytes.resize(bytes.size() - 2);
  } else if (text.back() == '=') {
    bytes.pop_back();
  }
  return bytes;
}

}  // namespace

BlockCipher::BlockCipher(const MainHeader& main, std::string_view key) {
  DUCKBACK_ASSERT(main.encryption.has_value());
  encryption_ = *main.encryption;
  std::string given = unescape(key);
  std::optional<Bytes> decoded = decode_base64(given);
  ByteView secret = decoded ? ByteView(*decoded) : as_bytes(given);
  Bytes salted(main.identifier.begin(), main.identifier.end());
  salted.insert(salted.end(), secret.begin(), secret.end());
  unsigned length = 0;
  if (EVP_Digest(salted.data(), salted.size(), key_.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw Error(Errc::io, "OpenSSL has no SHA-256");
  }
  OPENSSL_cleanse(salted.data(), salted.size());
  OPENSSL_cleanse(given.data(), given.size());
  if (decoded) OPENSSL_cleanse(decoded->data(), decoded->size());
}

BlockCipher::~BlockCipher() { OPENSSL_cleanse(key_.data(), key_.size()); }

BlockCipher::Stream::Stream(const BlockCipher& cipher, ByteView nonce)
    : Stream(cipher, nonce, cipher.encryption_.cipher) {}

BlockCipher::Stream::Stream(const BlockCipher& cipher, ByteView nonce, Encryption::Cipher algorithm)
    : context_(EVP_CIPHER_CTX_new()), authenticated_(algorithm == Encryption::Cipher::gcm) {
  // CTR counts in the last four bytes of its 16-byte block.
  std::array<std::uint8_t, 16> iv{};
  std::copy_n(nonce.begin(), std::min(nonce.size(), iv.size()), iv.begin());
  const EVP_CIPHER* aes = authenticated_ ? EVP_aes_256_gcm() : EVP_aes_256_ctr();
  bool ready =
      context_ != nullptr && EVP_DecryptInit_ex(context_, aes, nullptr, nullptr, nullptr) == 1 &&
      (!authenticated_ || EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_GCM_SET_IVLEN,
                                              static_cast<int>(nonce.size()), nullptr) == 1) &&
      EVP_DecryptInit_ex(context_, nullptr, nullptr, cipher.key_.data(), iv.data()) == 1;
  if (!ready) {
    EVP_CIPHER_CTX_free(context_);
    throw Error(Errc::io, "OpenSSL has no AES-256");
  }
}

BlockCipher::Stream::~Stream() { EVP_CIPHER_CTX_free(context_); }

void BlockCipher::Stream::update(MutableBytes piece) {
  int done = 0;
  if (EVP_DecryptUpdate(context_, piece.data(), &done, piece.data(),
                        static_cast<int>(piece.size())) != 1) {
    throw Error(Errc::io, "OpenSSL cannot decrypt");
  }
}

bool BlockCipher::Stream::finish(ByteView tag) {
  if (!authenticated_) return true;
  Bytes expected(tag.begin(), tag.end());
  std::array<std::uint8_t, 16> rest;
  int done = 0;
  return EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_GCM_SET_TAG, static_cast<int>(expected.size()),
                             expected.data()) == 1 &&
         EVP_DecryptFinal_ex(context_, rest.data(), &done) == 1;
}

bool BlockCipher::decrypt_block(MutableBytes block) const {
  constexpr std::size_t kSealed = kHeaderBytes - 8;
  ByteView nonce = ByteView(block).first(nonce_bytes());
  ByteView tag = ByteView(block).subspan(nonce_bytes(), 16);
  Stream stream(*this, nonce);
  stream.update(block.subspan(kSealed));
  if (!stream.finish(tag)) return false;
  return load_le<std::uint64_t>(block.data() + kSealed) ==
         duckdb_checksum(ByteView(block).subspan(kHeaderBytes));
}

bool BlockCipher::fits(const MainHeader& main) const {
  constexpr std::size_t kCanary = 140;
  constexpr std::size_t kCanaryNonce = 148;
  constexpr std::size_t kCanaryTag = 160;
  ByteView raw(main.raw);
  std::array<std::uint8_t, 8> canary;
  std::copy_n(raw.begin() + kCanary, canary.size(), canary.begin());
  if (encryption_.authenticated_v1) {
    // Sealed with GCM, whatever the cipher of the blocks.
    Stream stream(*this, raw.subspan(kCanaryNonce, 12), Encryption::Cipher::gcm);
    stream.update(canary);
    if (!stream.finish(raw.subspan(kCanaryTag, 16))) return false;
  } else {
    // Sealed with a nonce of zeros, and no tag is kept: the words alone must match.
    static const std::array<std::uint8_t, 16> kZeroNonce{};
    Stream stream(*this, kZeroNonce);
    stream.update(canary);
  }
  return std::memcmp(canary.data(), "DUCKKEY\0", canary.size()) == 0;
}

}  // namespace duckback
