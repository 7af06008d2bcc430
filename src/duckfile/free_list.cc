#include "duckfile/free_list.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "duckfile/block.h"

namespace duckback {
namespace {

constexpr std::uint64_t kSubBlocks = 64;
constexpr unsigned kIndexShift = 56;

std::uint64_t block_of(std::uint64_t pointer) {
  return pointer & ((std::uint64_t{1} << kIndexShift) - 1);
}

// The bytes of a chain of metadata sub-blocks, one after the other.
class ChainReader {
 public:
  ChainReader(const ByteSource& file, const DatabaseHeader& header, const BlockCipher* cipher)
      : file_(file),
        block_count_(header.block_count),
        block_bytes_(header.block_bytes),
        header_bytes_(cipher != nullptr ? BlockCipher::kHeaderBytes : 8),
        sub_bytes_((block_bytes_ - header_bytes_) / kSubBlocks / 8 * 8),
        cipher_(cipher),
        block_(block_bytes_) {
    enter(header.free_list);
  }

  template <class Int>
  Int read() {
    std::array<std::uint8_t, sizeof(Int)> bytes;
    for (std::size_t done = 0; done < bytes.size();) {
      if (position_ == sub_bytes_) enter(next_);
      std::size_t part = std::min<std::size_t>(bytes.size() - done, sub_bytes_ - position_);
      std::copy_n(sub_block() + position_, part, bytes.begin() + static_cast<std::ptrdiff_t>(done));
      position_ += part;
      done += part;
    }
    return load_le<Int>(bytes.data());
  }

  [[noreturn]] void fail(std::string_view expected) const {
    if (block_id_ == kNoPointer) {
      throw Error(Errc::corrupt, "{}: expected {} for the free list in the database header",
                  file_.name(), expected);
    }
    throw Error(Errc::corrupt,
                "{}: expected {} in the free list (block {}, sub-block {}, offset {})",
                file_.name(), expected, block_id_, sub_index_,
                block_offset(block_id_, block_bytes_) + header_bytes_ + sub_index_ * sub_bytes_);
  }

 private:
  void enter(std::uint64_t pointer) {
    if (pointer == kNoPointer) fail("more bytes than the chain has");
    // Brent's cycle detection: compare with a kept pointer, move it at powers of two.
    if (pointer == kept_) fail("a chain without a cycle");
    if (++hops_ == limit_) {
      kept_ = pointer;
      limit_ *= 2;
    }
    std::uint64_t id = block_of(pointer);
    if (id >= block_count_ || pointer >> kIndexShift >= kSubBlocks) {
      fail(fmt::format("a pointer to a sub-block, not {:#x},", pointer));
    }
    if (id != block_id_) load(id);
    sub_index_ = pointer >> kIndexShift;
    next_ = load_le<std::uint64_t>(sub_block());
    position_ = 8;
  }

  void load(std::uint64_t id) {
    std::uint64_t offset = block_offset(id, block_bytes_);
    block_id_ = id;
    if (file_.read_at(offset, block_) < block_.size()) {
      throw Error(Errc::corrupt,
                  "{}: expected block {} of the free list at offset {}, the file ends before: "
                  "it is truncated",
                  file_.name(), id, offset);
    }
    bool whole = cipher_ != nullptr ? cipher_->decrypt_block(block_)
                                    : block_is_whole(block_, nullptr, block_);
    if (!whole) {
      throw Error(Errc::corrupt, "{}: the checksum of block {} (free list, offset {}) is wrong",
                  file_.name(), id, offset);
    }
  }

  const std::uint8_t* sub_block() const {
    return block_.data() + header_bytes_ + sub_index_ * sub_bytes_;
  }

  const ByteSource& file_;
  std::uint64_t block_count_;
  std::uint64_t block_bytes_;
  std::uint64_t header_bytes_;
  std::uint64_t sub_bytes_;
  const BlockCipher* cipher_;
  Bytes block_;
  std::uint64_t block_id_ = kNoPointer;
  std::uint64_t sub_index_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t next_ = kNoPointer;
  std::uint64_t kept_ = kNoPointer;
  std::uint64_t hops_ = 0;
  std::uint64_t limit_ = 1;
};

}  // namespace

void read_free_list(const ByteSource& file, const DatabaseHeader& header, const BlockCipher* cipher,
                    const FreeListVisitor& visitor) {
  if (header.free_list == kNoPointer) return;
  ChainReader chain(file, header, cipher);
  auto read_count = [&] {
    auto count = chain.read<std::uint64_t>();
    if (count > header.block_count) chain.fail("no more entries than blocks");
    return count;
  };
  auto read_id = [&] {
    auto id = chain.read<std::uint64_t>();
    if (id >= header.block_count) {
      chain.fail(fmt::format("a block id below {}, not {},", header.block_count, id));
    }
    return id;
  };
  // The ids ascend, and the metadata blocks at the end name the list's own: a block that was given
  // out again while its list was read, and holds other bytes under a right checksum, does not pass
  // for one.
  std::optional<std::uint64_t> before;
  for (auto count = read_count(); count > 0; --count) {
    auto id = read_id();
    if (before && id <= *before) chain.fail(fmt::format("an id above {}, not {},", *before, id));
    before = id;
    if (visitor.free_block) visitor.free_block(id);
  }
  for (auto count = read_count(); count > 0; --count) {
    auto id = read_id();
    auto references = chain.read<std::uint32_t>();
    if (visitor.multi_use_block) visitor.multi_use_block(id, references);
  }
  bool names_itself = false;
  for (auto count = read_count(); count > 0; --count) {
    auto id = read_id();
    auto free_mask = chain.read<std::uint64_t>();
    names_itself |= id == block_of(header.free_list);
    if (visitor.metadata_block) visitor.metadata_block(id, free_mask);
  }
  if (!names_itself) chain.fail("the list's own block among the metadata blocks");
}

}  // namespace duckback
