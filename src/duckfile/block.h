#pragma once

#include "base/bytes.h"
#include "duckfile/crypto.h"

namespace duckback {

// Whether a block proves whole: its checksum, or with a cipher its tag and checksum. `scratch`
// keeps the decrypted copy and is reused between calls.
bool block_is_whole(ByteView block, const BlockCipher* cipher, Bytes& scratch);

}  // namespace duckback
