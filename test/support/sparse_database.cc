#include "test/support/sparse_database.h"

#include <algorithm>

#include "base/error.h"
#include "duckfile/header.h"
#include "test/support/duckfile_builder.h"

namespace duckback::test {
namespace {

constexpr std::uint64_t kRun = 16;
constexpr std::uint64_t kSubBlocks = 64;

// Which blocks are in use, and where the free list lies: at the end of the file.
class Layout {
 public:
  explicit Layout(const SparseDatabase& database) : database_(database) {
    std::uint64_t payload = 0;
    for (std::uint64_t before = ~metadata_; before != metadata_;) {
      before = metadata_;
      data_ = database_.blocks - metadata_;
      used_ = database_.used == 0 ? data_ : std::min(database_.used, data_);
      payload = 8 * (data_ - used_) + 24 + 16 * metadata_;
      metadata_ = (payload + per_block() - 1) / per_block();
    }
    last_sub_blocks_ =
        (payload - (metadata_ - 1) * per_block() + sub_payload() - 1) / sub_payload();
  }

  std::uint64_t sub_bytes() const { return (database_.block_bytes - 8) / kSubBlocks / 8 * 8; }
  std::uint64_t sub_payload() const { return sub_bytes() - 8; }
  std::uint64_t used() const { return used_; }
  std::uint64_t metadata_begin() const { return data_; }
  std::uint64_t metadata_blocks() const { return metadata_; }
  std::uint64_t last_sub_blocks() const { return last_sub_blocks_; }

  // The id of the n-th block in use.
  std::uint64_t id(std::uint64_t n) const {
    if (used_ == data_) return n;
    std::uint64_t runs = (used_ + kRun - 1) / kRun;
    return n / kRun * (data_ / runs) + n % kRun;
  }

  template <class Visit>
  void for_each_free(Visit visit) const {
    std::uint64_t next = 0;
    for (std::uint64_t n = 0; n < used_; ++n) {
      for (; next < id(n); ++next) visit(next);
      next = id(n) + 1;
    }
    for (; next < data_; ++next) visit(next);
  }

 private:
  std::uint64_t per_block() const { return kSubBlocks * sub_payload(); }
  const SparseDatabase& database_;
  std::uint64_t metadata_ = 1;
  std::uint64_t data_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t last_sub_blocks_ = 0;
};

// Content that is another one for every `seed`. Only its random part is written.
void write_block(const File& file, const SparseDatabase& database, std::uint64_t id, Bytes& block,
                 std::uint64_t seed) {
  std::size_t filled = database.filled_bytes == 0 ? block.size() / 2 : database.filled_bytes;
  std::uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (std::size_t at = 8; at < filled; at += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    store_le(block.data() + at, state);
  }
  // Zeros add nothing to the checksum.
  MutableBytes content = MutableBytes(block).first(filled);
  fix_checksum(content);
  file.write_at(block_offset(id, block.size()), content);
}

// The free list's chain, block by block.
class ListWriter {
 public:
  ListWriter(const File& file, const Layout& layout, std::uint32_t block_bytes)
      : file_(file), layout_(layout), id_(layout.metadata_begin()), block_(block_bytes) {
    enter(0);
  }

  template <class Int>
  void add(Int value) {
    std::uint8_t bytes[sizeof value];
    store_le(bytes, value);
    for (std::uint8_t byte : bytes) {
      if (position_ == layout_.sub_bytes()) next();
      block_[8 + sub_ * layout_.sub_bytes() + position_++] = byte;
    }
  }

  void end() {
    store_le(block_.data() + 8 + sub_ * layout_.sub_bytes(), kNoPointer);
    put();
    DUCKBACK_ASSERT(id_ + 1 == layout_.metadata_begin() + layout_.metadata_blocks());
    DUCKBACK_ASSERT(sub_ + 1 == layout_.last_sub_blocks());
  }

 private:
  void enter(std::uint64_t sub) {
    sub_ = sub;
    position_ = 8;
  }
  void next() {
    bool last = sub_ + 1 == kSubBlocks;
    store_le(block_.data() + 8 + sub_ * layout_.sub_bytes(),
             last ? pointer(id_ + 1, 0) : pointer(id_, sub_ + 1));
    if (last) {
      put();
      ++id_;
      std::fill(block_.begin(), block_.end(), std::uint8_t{0});
    }
    enter(last ? 0 : sub_ + 1);
  }
  void put() {
    fix_checksum(block_);
    file_.write_at(block_offset(id_, block_.size()), block_);
  }

  const File& file_;
  const Layout& layout_;
  std::uint64_t id_;
  Bytes block_;
  std::uint64_t sub_ = 0;
  std::uint64_t position_ = 8;
};

void write_free_list(const File& file, const Layout& layout, const SparseDatabase& database) {
  ListWriter list(file, layout, database.block_bytes);
  list.add<std::uint64_t>(layout.metadata_begin() - layout.used());
  layout.for_each_free([&](std::uint64_t id) { list.add(id); });
  list.add<std::uint64_t>(0);
  list.add(layout.metadata_blocks());
  for (std::uint64_t n = 0; n < layout.metadata_blocks(); ++n) {
    bool last = n + 1 == layout.metadata_blocks();
    list.add(layout.metadata_begin() + n);
    list.add<std::uint64_t>(last && layout.last_sub_blocks() < kSubBlocks
                                ? ~std::uint64_t{0} << layout.last_sub_blocks()
                                : 0);
  }
  list.end();
}

void write_head(const File& file, const Layout& layout, const SparseDatabase& database,
                std::uint64_t iteration) {
  file.write_at(0, main_header());
  DatabaseHeader header{.iteration = iteration,
                        .free_list = pointer(layout.metadata_begin(), 0),
                        .block_count = database.blocks,
                        .block_bytes = database.block_bytes,
                        .vector_size = 2048};
  file.write_at(kSlotBytes, slot(header));
  ++header.iteration;
  file.write_at(2 * kSlotBytes, slot(header));
}

}  // namespace

void SparseDatabase::write(const fs::path& path) const {
  DUCKBACK_ASSERT(blocks >= 4);
  Layout layout(*this);
  File file = File::create(path);
  file.truncate(block_offset(blocks, block_bytes));
  Bytes block(block_bytes);
  for (std::uint64_t n = 0; n < layout.used(); ++n) {
    write_block(file, *this, layout.id(n), block, distinct == 0 ? n : n % distinct);
  }
  write_free_list(file, layout, *this);
  write_head(file, layout, *this, 4);
}

void change_blocks(const SparseDatabase& database, const fs::path& path, std::uint64_t count,
                   std::uint64_t round) {
  Layout layout(database);
  File file = File::open_write(path);
  Bytes block(database.block_bytes);
  count = std::min(count, layout.used());
  for (std::uint64_t n = 0; n < count; ++n) {
    write_block(file, database, layout.id(n * (layout.used() / count)), block,
                (round + 1) << 40 | n);
  }
  write_head(file, layout, database, 4 + 2 * (round + 1));
}

}  // namespace duckback::test
