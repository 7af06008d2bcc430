#include "repo/aes_gcm.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace duckback {
namespace {

Bytes encrypt(ByteView bytes) {
  Bytes out(bytes.size() + kGcmTagBytes);
  gcm_encrypt(Bytes(32), {}, {}, bytes, out);
  return out;
}

// Test cases 13 and 14 of the proposal of GCM (McGrew, Viega).
TEST(AesGcm, IsThePublishedOne) {
  EXPECT_EQ(to_hex(encrypt({})), "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_EQ(to_hex(encrypt(Bytes(16))),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(AesGcm, WhatFailedLeavesNothingBehindForTheNext) {
  Bytes bytes(100, 3);
  Bytes good = encrypt(bytes);
  Bytes bad = good;
  bad[50] ^= 1;
  Bytes out(bytes.size());
  EXPECT_FALSE(gcm_decrypt(Bytes(32), {}, {}, bad, out));
  EXPECT_TRUE(gcm_decrypt(Bytes(32), {}, {}, good, out));
  EXPECT_EQ(out, bytes);
  EXPECT_EQ(encrypt(bytes), good);
}

TEST(AesGcm, WhatIsShorterThanATagIsNotProved) {
  Bytes out;
  EXPECT_FALSE(gcm_decrypt(Bytes(32), {}, {}, Bytes(kGcmTagBytes - 1), out));
  EXPECT_FALSE(gcm_decrypt(Bytes(32), {}, {}, {}, out));
}

}  // namespace
}  // namespace duckback
