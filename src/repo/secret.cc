#include "repo/secret.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace duckback {

void fill_random(MutableBytes to) {
  while (!to.empty()) {
    ssize_t count = ::getrandom(to.data(), to.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(Errc::io, "the operating system gives no random bytes");
    to = to.subspan(static_cast<std::size_t>(count));
  }
}

std::string random_id() {
  std::array<std::uint8_t, 16> bytes{};
  fill_random(bytes);
  return to_hex(bytes);
}

Secret Secret::random() {
  std::array<std::uint8_t, kBytes> bytes{};
  fill_random(bytes);
  Secret secret(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

Secret::Secret(ByteView bytes) {
  DUCKBACK_ASSERT(bytes.size() == kBytes);
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

}  // namespace duckback
