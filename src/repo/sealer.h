#pragma once

#include <memory>
#include <optional>

#include "repo/secret.h"

namespace duckback {

enum class ObjectKind : std::uint8_t { data_pack = 1, map_pack = 2, index = 3, document = 4 };

inline constexpr std::size_t kObjectHeaderBytes = 44;
inline constexpr std::size_t kTagBytes = 16;
using Salt = std::array<std::uint8_t, 32>;
using ObjectHeader = std::array<std::uint8_t, kObjectHeaderBytes>;

// Seals and opens the sections of one object (docs/format.md, "Binary objects"): encrypted and
// authenticated, or with a checksum only. Safe to use from many threads.
class ObjectSealer {
 public:
  ObjectSealer(ObjectSealer&&) noexcept;
  ObjectSealer& operator=(ObjectSealer&&) noexcept;
  ~ObjectSealer();
  const ObjectHeader& header() const { return header_; }
  // Appends the section of `bytes` (not of `to`) that begins at `offset` of the object: bytes and
  // tag. Sections are sealed in the order of their offsets, and only by a sealer of
  // Sealer::begin(): anything else could use a nonce twice, and aborts where the object is
  // encrypted.
  void seal(std::uint64_t offset, ByteView label, ByteView bytes, Bytes& to) const;
  // The bytes of a section. Throws Errc::damaged naming `object` if it does not prove itself.
  Bytes open(std::uint64_t offset, ByteView label, ByteView section, std::string_view object) const;

 private:
  friend class Sealer;
  struct Key;
  ObjectSealer(const std::array<std::uint8_t, 16>& repository, const ObjectHeader& header,
               const Secret* master);
  std::array<std::uint8_t, 16> repository_;
  ObjectHeader header_;
  std::unique_ptr<Key> key_;  // null: not encrypted
};

// Makes the sealers of one repository's objects.
class Sealer {
 public:
  // `repository`: the id in the config, 32 hex digits (else Errc::damaged). `master`: of an
  // encrypted one.
  Sealer(std::string_view repository, std::optional<Secret> master);
  // For a new object, with a new salt: the only one that can seal.
  ObjectSealer begin(ObjectKind kind) const;
  // For one that exists, by its first kObjectHeaderBytes. Throws Errc::damaged naming `object` for
  // what is no object of that kind, Errc::unsupported for a newer version of it.
  ObjectSealer reopen(ObjectKind kind, ByteView header, std::string_view object) const;
  // The same where kind and salt are known from an index.
  ObjectSealer reopen(ObjectKind kind, const Salt& salt) const;

 private:
  ObjectSealer sealer(ObjectKind kind, const Salt& salt) const;
  std::array<std::uint8_t, 16> repository_{};
  std::optional<Secret> master_;
};

}  // namespace duckback
