#include "base/byte_reader.h"

#include "base/error.h"

namespace duckback {

ByteView ByteReader::take(std::size_t count, std::string_view what) {
  if (count > remaining()) {
    throw Error(Errc::corrupt, "{}: expected {} ({} bytes) at offset {}, only {} are there", name_,
                what, count, file_offset_ + position_, remaining());
  }
  ByteView taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

std::uint64_t ByteReader::read_leb128(std::string_view what) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    std::uint8_t byte = take(1, what)[0];
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail(fmt::format("{} of at most 64 bits", what));
}

void ByteReader::fail(std::string_view expected) const {
  throw Error(Errc::corrupt, "{}: expected {} at offset {}", name_, expected,
              file_offset_ + position_);
}

}  // namespace duckback
