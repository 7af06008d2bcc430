#include "repo/sealer.h"

#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "base/error.h"
#include "repo/aes_gcm.h"
#include "repo/hex.h"

namespace duckback {
namespace {

constexpr std::string_view kMagic = "duckback";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kKindAt = 8;
constexpr std::size_t kVersionAt = 9;
constexpr std::size_t kSealingAt = 10;
constexpr std::size_t kReservedAt = 11;
constexpr std::size_t kSaltAt = 12;
constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kAesGcm = 1;

static_assert(kTagBytes == kGcmTagBytes);
using Tag = std::array<std::uint8_t, kTagBytes>;

GcmNonce nonce_at(std::uint64_t offset) {
  GcmNonce nonce{};
  store_le(nonce.data(), offset);
  return nonce;
}

}  // namespace

struct ObjectSealer::Key {
  std::array<std::uint8_t, 32> bytes{};
  // Up to where sections were sealed: a nonce that is used twice would give the bytes away.
  std::atomic<std::uint64_t> sealed{0};
  ~Key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

namespace {

// HKDF-SHA256 (RFC 5869).
void derive_object_key(const Secret& master, ByteView salt, MutableBytes to) {
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  DUCKBACK_ASSERT(kdf != nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  std::string info = "duckback 1 object";
  char digest[] = "SHA256";
  auto octets = [](const char* name, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                             bytes.size());
  };
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                             octets("key", master.bytes()), octets("salt", salt),
                             octets("info", as_bytes(info)), OSSL_PARAM_construct_end()};
  int done = EVP_KDF_derive(context, to.data(), to.size(), parameters);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  DUCKBACK_ASSERT(done == 1);
}

Tag plain_tag(ByteView repository, ByteView header, std::uint64_t offset, ByteView label,
              ByteView bytes) {
  std::array<std::uint8_t, 8> place{};
  store_le(place.data(), offset);
  Blake3 hash;
  for (ByteView part : {repository, header, ByteView(place), label, bytes}) hash.update(part);
  Digest digest = hash.digest();
  Tag tag;
  std::copy_n(digest.begin(), tag.size(), tag.begin());
  return tag;
}

}  // namespace

ObjectSealer::ObjectSealer(const std::array<std::uint8_t, 16>& repository,
                           const ObjectHeader& header, const Secret* master)
    : repository_(repository), header_(header) {
  if (master == nullptr) return;
  key_ = std::make_unique<Key>();
  derive_object_key(*master, ByteView(header_).subspan(kSaltAt), key_->bytes);
}
ObjectSealer::ObjectSealer(ObjectSealer&&) noexcept = default;
ObjectSealer& ObjectSealer::operator=(ObjectSealer&&) noexcept = default;
ObjectSealer::~ObjectSealer() = default;

void ObjectSealer::seal(std::uint64_t offset, ByteView label, ByteView bytes, Bytes& to) const {
  if (!key_) {
    Tag tag = plain_tag(repository_, header_, offset, label, bytes);
    to.insert(to.end(), bytes.begin(), bytes.end());
    to.insert(to.end(), tag.begin(), tag.end());
    return;
  }
  std::size_t begin = to.size();
  to.resize(begin + bytes.size() + kTagBytes);
  MutableBytes section = MutableBytes(to).subspan(begin);
  DUCKBACK_ASSERT(key_->sealed.exchange(offset + section.size()) <= offset);
  gcm_encrypt(key_->bytes, nonce_at(offset), {repository_, header_, label}, bytes, section);
}

Bytes ObjectSealer::open(std::uint64_t offset, ByteView label, ByteView section,
                         std::string_view object) const {
  auto damaged = [&]() -> Error {
    return Error(Errc::damaged, "{}: the bytes at offset {} do not prove themselves", object,
                 offset);
  };
  if (section.size() < kTagBytes) throw damaged();
  ByteView bytes = section.first(section.size() - kTagBytes);
  ByteView tag = section.last(kTagBytes);
  if (!key_) {
    Tag expected = plain_tag(repository_, header_, offset, label, bytes);
    if (!std::equal(tag.begin(), tag.end(), expected.begin())) throw damaged();
    return Bytes(bytes.begin(), bytes.end());
  }
  Bytes opened(bytes.size());
  if (!gcm_decrypt(key_->bytes, nonce_at(offset), {repository_, header_, label}, section, opened)) {
    throw damaged();
  }
  return opened;
}

Sealer::Sealer(std::string_view repository, std::optional<Secret> master)
    : master_(std::move(master)) {
  Bytes id = parse_hex(repository, repository_.size());
  std::copy(id.begin(), id.end(), repository_.begin());
}

ObjectSealer Sealer::sealer(ObjectKind kind, const Salt& salt) const {
  ObjectHeader header{};
  std::copy(kMagic.begin(), kMagic.end(), header.begin());
  header[kKindAt] = static_cast<std::uint8_t>(kind);
  header[kVersionAt] = kVersion;
  header[kSealingAt] = master_ ? kAesGcm : kPlain;
  std::copy(salt.begin(), salt.end(), header.begin() + kSaltAt);
  return ObjectSealer(repository_, header, master_ ? &*master_ : nullptr);
}

ObjectSealer Sealer::begin(ObjectKind kind) const {
  Salt salt;
  fill_random(salt);
  return sealer(kind, salt);
}

ObjectSealer Sealer::reopen(ObjectKind kind, const Salt& salt) const {
  ObjectSealer object = sealer(kind, salt);
  if (object.key_) object.key_->sealed = std::numeric_limits<std::uint64_t>::max();
  return object;
}

ObjectSealer Sealer::reopen(ObjectKind kind, ByteView header, std::string_view object) const {
  auto damaged = [&](std::string_view what) {
    return Error(Errc::damaged, "{}: {}", object, what);
  };
  if (header.size() != kObjectHeaderBytes ||
      !std::equal(kMagic.begin(), kMagic.end(), header.begin())) {
    throw damaged("it does not begin as an object of a repository");
  }
  if (header[kKindAt] != static_cast<std::uint8_t>(kind)) {
    throw damaged("it is an object of another kind");
  }
  if (header[kVersionAt] > kVersion) {
    throw Error(Errc::unsupported, "{}: its format, {}, is newer than this duckback knows", object,
                header[kVersionAt]);
  }
  if (header[kVersionAt] != kVersion || header[kReservedAt] != 0 ||
      header[kSealingAt] != (master_ ? kAesGcm : kPlain)) {
    throw damaged("its header is none of this repository");
  }
  Salt salt;
  std::copy(header.begin() + kSaltAt, header.end(), salt.begin());
  return reopen(kind, salt);
}

}  // namespace duckback
