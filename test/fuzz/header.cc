// Input: the first 176 bytes of a main header, then 64 bytes of each slot.

#include <algorithm>

#include "duckfile/crypto.h"
#include "test/fuzz/fuzz.h"

using namespace duckback;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView input(data, size);
  fuzz::allow_error([&] { read_main_header(MemorySource("raw", input)); });

  Bytes file(kBlockStart);
  const std::size_t sizes[] = {176, 64, 64};
  for (std::size_t part = 0; part < 3; ++part) {
    ByteView bytes = input.first(std::min(sizes[part], input.size()));
    input = input.subspan(bytes.size());
    MutableBytes slot = MutableBytes(file).subspan(part * kSlotBytes, kSlotBytes);
    std::copy(bytes.begin(), bytes.end(), slot.begin());
    fuzz::fix_checksum(slot);
  }
  MemorySource source("file", file);
  fuzz::allow_error([&] {
    MainHeader main = read_main_header(source);
    std::optional<BlockCipher> cipher;
    if (main.encryption) {
      cipher.emplace(main, "a key");
      (void)cipher->fits(main);
    }
    if (auto slots = read_slots(source, main, cipher ? &*cipher : nullptr)) {
      storage_version(main, slots->header());
    }
    DatabaseId identifier{};
    Bytes patched(kSlotBytes);
    auto raw = with_identifier(main, identifier);
    std::copy(raw.begin(), raw.end(), patched.begin());
    DUCKBACK_ASSERT(read_main_header(MemorySource("patched", patched)).version == main.version);
  });
  return 0;
}
