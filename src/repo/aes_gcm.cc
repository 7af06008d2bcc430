#include "repo/aes_gcm.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include "base/error.h"

namespace duckback {
namespace {

enum class Direction { decrypt = 0, encrypt = 1 };

// What OpenSSL refuses here is our mistake or its breakage, never the data's.
void must(int result) { DUCKBACK_ASSERT(result == 1); }

// One a thread: making a context and looking the cipher up costs as much as encrypting KiBs.
EVP_CIPHER_CTX* start(Direction direction, ByteView key, const GcmNonce& nonce,
                      std::initializer_list<ByteView> additional) {
  thread_local std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  if (!context) throw std::bad_alloc();
  DUCKBACK_ASSERT(key.size() == 32);
  bool fresh = EVP_CIPHER_CTX_get0_cipher(context.get()) == nullptr;
  must(EVP_CipherInit_ex(context.get(), fresh ? EVP_aes_256_gcm() : nullptr, nullptr, key.data(),
                         nonce.data(), static_cast<int>(direction)));
  int size = 0;
  for (ByteView part : additional) {
    must(EVP_CipherUpdate(context.get(), nullptr, &size, part.data(),
                          static_cast<int>(part.size())));
  }
  return context.get();
}

void update(EVP_CIPHER_CTX* context, ByteView bytes, std::uint8_t* to) {
  DUCKBACK_ASSERT(bytes.size() <= std::numeric_limits<int>::max());
  if (bytes.empty()) return;  // OpenSSL takes no output for additional data.
  int size = 0;
  must(EVP_CipherUpdate(context, to, &size, bytes.data(), static_cast<int>(bytes.size())));
}

}  // namespace

void gcm_encrypt(ByteView key, const GcmNonce& nonce, std::initializer_list<ByteView> additional,
                 ByteView bytes, MutableBytes to) {
  DUCKBACK_ASSERT(to.size() == bytes.size() + kGcmTagBytes);
  EVP_CIPHER_CTX* context = start(Direction::encrypt, key, nonce, additional);
  update(context, bytes, to.data());
  MutableBytes tag = to.last(kGcmTagBytes);
  int size = 0;
  must(EVP_CipherFinal_ex(context, tag.data(), &size));
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, tag.data()));
}

bool gcm_decrypt(ByteView key, const GcmNonce& nonce, std::initializer_list<ByteView> additional,
                 ByteView from, MutableBytes to) {
  if (from.size() != to.size() + kGcmTagBytes) return false;
  EVP_CIPHER_CTX* context = start(Direction::decrypt, key, nonce, additional);
  update(context, from.first(to.size()), to.data());
  std::array<std::uint8_t, kGcmTagBytes> tag{};
  std::copy(from.end() - kGcmTagBytes, from.end(), tag.begin());
  must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, tag.data()));
  std::uint8_t rest = 0;
  int size = 0;
  return EVP_CipherFinal_ex(context, &rest, &size) == 1;
}

}  // namespace duckback
