#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "duckfile/header.h"

struct evp_cipher_ctx_st;

namespace duckback {

// Decrypts the blocks of one encrypted database (duckdb: src/storage/encryption_functions.cpp,
// encryption_key_manager.cpp). Safe to use from many threads.
class BlockCipher {
 public:
  // An encrypted block begins with nonce, tag and the sealed checksum, and so does a slot.
  static constexpr std::size_t kHeaderBytes = 40;

  // `key` as the user gives it to DuckDB's ENCRYPTION_KEY.
  BlockCipher(const MainHeader& main, std::string_view key);
  ~BlockCipher();
  BlockCipher(const BlockCipher&) = delete;
  BlockCipher& operator=(const BlockCipher&) = delete;

  // Decrypts a whole block in place. False if tag or checksum do not fit: torn, damaged, or another
  // key. The payload is then behind kHeaderBytes.
  [[nodiscard]] bool decrypt_block(MutableBytes block) const;
  // The key opens this database: its canary says so.
  [[nodiscard]] bool fits(const MainHeader& main) const;

  std::size_t nonce_bytes() const { return encryption_.nonce_bytes(); }

  // Decrypts one sealed run piece by piece.
  class Stream {
   public:
    Stream(const BlockCipher& cipher, ByteView nonce);
    Stream(const BlockCipher& cipher, ByteView nonce, Encryption::Cipher algorithm);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    void update(MutableBytes piece);
    // Whether the tag fits; always true for CTR.
    [[nodiscard]] bool finish(ByteView tag);

   private:
    evp_cipher_ctx_st* context_;
    bool authenticated_;
  };

 private:
  Encryption encryption_;
  std::array<std::uint8_t, 32> key_;
};

}  // namespace duckback
