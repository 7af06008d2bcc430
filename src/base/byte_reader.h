#pragma once

#include <string>

#include "base/bytes.h"

namespace duckback {

// The one door for bytes from outside: a cursor that checks every read against the end.
// Errors are Errc::corrupt and name the file, the offset and what was expected.
class ByteReader {
 public:
  // `name` and `file_offset` (of bytes[0]) are for messages only.
  ByteReader(ByteView bytes, std::string name, std::uint64_t file_offset = 0)
      : bytes_(bytes), name_(std::move(name)), file_offset_(file_offset) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  template <class Int>
  Int read(std::string_view what) {
    return load_le<Int>(take(sizeof(Int), what).data());
  }
  // Unsigned LEB128 of at most 64 bits.
  std::uint64_t read_leb128(std::string_view what);
  ByteView take(std::size_t count, std::string_view what);
  void skip(std::size_t count, std::string_view what) { take(count, what); }

  // Throws Errc::corrupt for the current position.
  [[noreturn]] void fail(std::string_view expected) const;

 private:
  ByteView bytes_;
  std::string name_;
  std::uint64_t file_offset_;
  std::size_t position_ = 0;
};

}  // namespace duckback
