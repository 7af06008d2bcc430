#include "repo/id_table.h"

#include "base/error.h"

namespace duckback {
namespace {

constexpr std::uint64_t kSlotBytes = 8;
constexpr std::uint64_t kSlotsAtOnce = 32;

// Never 0, which an empty slot holds.
std::uint64_t key_of(const ChunkId& id) {
  auto key = load_le<std::uint64_t>(id.digest.data());
  return key == 0 ? 1 : key;
}

// Ids are hashes: any of their bits will do. `slots` is a power of two.
std::uint64_t home_of(std::uint64_t key, std::uint64_t slots) { return key & (slots - 1); }

}  // namespace

std::pair<std::uint64_t, bool> IdTable::find(const File& file, std::uint64_t slots,
                                             std::uint64_t key) {
  std::array<std::uint8_t, kSlotsAtOnce * kSlotBytes> bytes;
  for (std::uint64_t at = home_of(key, slots);; at &= slots - 1) {
    std::uint64_t count = std::min(kSlotsAtOnce, slots - at);
    MutableBytes run = MutableBytes(bytes).first(count * kSlotBytes);
    // Behind what was written there is nothing: empty slots.
    std::size_t got = file.read_at(at * kSlotBytes, run);
    std::fill(run.begin() + static_cast<std::ptrdiff_t>(got), run.end(), std::uint8_t{0});
    for (std::uint64_t n = 0; n < count; ++n, ++at) {
      auto found = load_le<std::uint64_t>(run.data() + n * kSlotBytes);
      if (found == key) return {at, true};
      if (found == 0) return {at, false};
    }
  }
}

void IdTable::insert(const File& file, std::uint64_t slots, std::uint64_t key) {
  auto [slot, there] = find(file, slots, key);
  if (there) return;
  std::array<std::uint8_t, kSlotBytes> bytes;
  store_le(bytes.data(), key);
  file.write_at(slot * kSlotBytes, bytes);
}

void IdTable::insert(const ChunkId& id) {
  if (used_ * 3 >= slots_ * 2) grow();
  insert(*file_, slots_, key_of(id));
  ++used_;
}

void IdTable::grow() {
  std::uint64_t slots = slots_ == 0 ? kSlotsFirst : 2 * slots_;
  File file = File::create_anonymous(temporary_folder());
  Bytes buffer(1 << 16);
  for (std::uint64_t at = 0; at < slots_ * kSlotBytes; at += buffer.size()) {
    std::size_t got = file_->read_at(at, buffer);
    for (std::size_t n = 0; n + kSlotBytes <= got; n += kSlotBytes) {
      auto key = load_le<std::uint64_t>(buffer.data() + n);
      if (key != 0) insert(file, slots, key);
    }
  }
  file_ = std::move(file);
  slots_ = slots;
}

bool IdTable::may_hold(const ChunkId& id) const {
  return file_ && find(*file_, slots_, key_of(id)).second;
}

}  // namespace duckback
