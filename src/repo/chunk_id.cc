#include "repo/chunk_id.h"

#include <xxhash.h>

namespace duckback {

Namer::Namer(const Secret& secret) {
  derive_key("duckback 1 chunk id", secret.bytes(), chunk_key_);
  derive_key("duckback 1 database", secret.bytes(), database_key_);
  derive_key("duckback 1 fingerprint", secret.bytes(), fingerprint_secret_);
}

ChunkId Namer::chunk_id(ByteView chunk) const {
  Blake3 hash = Blake3::keyed(chunk_key_);
  hash.update(chunk);
  return {hash.digest()};
}

Fingerprint Namer::fingerprint(ByteView chunk) const {
  XXH128_hash_t hash = XXH3_128bits_withSecret(
      chunk.data(), chunk.size(), fingerprint_secret_.data(), fingerprint_secret_.size());
  Fingerprint fingerprint;
  store_le(fingerprint.data(), hash.low64);
  store_le(fingerprint.data() + 8, hash.high64);
  return fingerprint;
}

std::string Namer::database_id(std::string_view identity) const {
  Blake3 hash = Blake3::keyed(database_key_);
  hash.update(as_bytes(identity));
  return to_hex(ByteView(hash.digest()).first(8));
}

}  // namespace duckback
