#include "duckfile/block.h"

#include "duckfile/checksum.h"

namespace duckback {

bool block_is_whole(ByteView block, const BlockCipher* cipher, Bytes& scratch) {
  if (cipher == nullptr) {
    return load_le<std::uint64_t>(block.data()) == duckdb_checksum(block.subspan(8));
  }
  scratch.assign(block.begin(), block.end());
  return cipher->decrypt_block(scratch);
}

}  // namespace duckback
