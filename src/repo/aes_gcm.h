#pragma once

#include <array>
#include <initializer_list>

#include "base/bytes.h"

namespace duckback {

// AES-256-GCM: a key of 32 bytes, a nonce that the key never sees twice, and additional data that
// is proved along with the bytes. Safe to use from many threads.
using GcmNonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t kGcmTagBytes = 16;

// Writes the encrypted bytes and the tag to `to`, which has room for exactly both and does not
// overlap `bytes`.
void gcm_encrypt(ByteView key, const GcmNonce& nonce, std::initializer_list<ByteView> additional,
                 ByteView bytes, MutableBytes to);
// The other way: `from` is bytes and tag, `to` as long as the bytes. False if they do not prove
// themselves: then nothing of `to` may be used.
[[nodiscard]] bool gcm_decrypt(ByteView key, const GcmNonce& nonce,
                               std::initializer_list<ByteView> additional, ByteView from,
                               MutableBytes to);

}  // namespace duckback
