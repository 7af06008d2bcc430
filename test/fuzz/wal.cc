// Input: one byte that chooses plain or an encrypted layout without key, then a WAL. Checksums of
// plain entries are made right. It is scanned at once and in two steps, which must agree.

#include "duckfile/wal.h"

#include <algorithm>

#include "test/fuzz/fuzz.h"

using namespace duckback;

namespace {

Bytes with_right_checksums(ByteView input) {
  Bytes wal(input.begin(), input.end());
  std::size_t at = 0;
  while (at + 1 < wal.size() && (wal[at] != 0xff || wal[at + 1] != 0xff)) ++at;
  at += 2;
  while (at + 16 <= wal.size()) {
    auto size = load_le<std::uint64_t>(wal.data() + at);
    if (size > wal.size() - at - 16) break;
    ByteView payload = ByteView(wal).subspan(at + 16, size);
    store_le(wal.data() + at + 8, duckdb_checksum(payload));
    at += 16 + size;
  }
  return wal;
}

struct Growing : ByteSource {
  ByteView bytes;
  std::string name() const override { return "wal"; }
  std::uint64_t size() const override { return bytes.size(); }
  std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
    return MemorySource("", bytes).read_at(offset, to);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::uint8_t mode = data[0];
  std::optional<Encryption> encryption;
  if ((mode & 1) != 0) {
    encryption =
        Encryption{.authenticated_v1 = (mode & 2) != 0,
                   .cipher = (mode & 4) != 0 ? Encryption::Cipher::ctr : Encryption::Cipher::gcm};
  }
  Bytes wal = with_right_checksums(ByteView(data + 1, size - 1));
  fuzz::allow_error([&] {
    MemorySource whole("wal", wal);
    WalScanner at_once(whole, encryption, nullptr);
    const WalContent& content = at_once.scan();
    DUCKBACK_ASSERT(content.committed_end <= wal.size());
    DUCKBACK_ASSERT(content.end_before_row_groups <= content.committed_end);
    std::uint64_t end = 0;
    for (const ByteRange& range : shipped_ranges(content, content.committed_end)) {
      DUCKBACK_ASSERT(range.begin >= end && range.end >= range.begin);
      end = range.end;
    }
    DUCKBACK_ASSERT(end <= content.committed_end);

    // Whether an entry of CTR in the layout of DuckDB 1.4 has a tag is told by what fits, and to
    // part of a file that was made for it another answer fits than to the whole.
    if (encryption && encryption->cipher == Encryption::Cipher::ctr &&
        !encryption->authenticated_v1) {
      return;
    }
    Growing growing;
    growing.bytes = ByteView(wal).first(wal.size() * (mode >> 3) / 31);
    WalScanner in_steps(growing, encryption, nullptr);
    in_steps.scan();
    growing.bytes = wal;
    const WalContent& later = in_steps.scan();
    DUCKBACK_ASSERT(later.committed_end == content.committed_end);
    DUCKBACK_ASSERT(later.commits == content.commits);
    DUCKBACK_ASSERT(later.stale_markers.size() == content.stale_markers.size());
    DUCKBACK_ASSERT(later.marker.has_value() == content.marker.has_value());
  });
  return 0;
}
