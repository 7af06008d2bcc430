#pragma once

#include <map>
#include <random>
#include <set>

#include "test/support/duckfile_builder.h"
#include "test/support/test_folder.h"

namespace duckback::test {

// A database file on disk that a test changes block by block, as one that nobody has open.
class LivingDatabase {
 public:
  static constexpr std::uint32_t kBlockBytes = 16384;

  // Block 1 holds the free list.
  explicit LivingDatabase(std::uint64_t blocks = 8) : path_(folder_ / "app.duckdb") {
    for (std::uint64_t id = 0; id < blocks; ++id) set_block(id, 1);
    write();
  }

  const fs::path& path() const { return path_; }
  const TestFolder& folder() const { return folder_; }

  // What a block holds: 64 bytes that only it has in this generation, and zeros.
  void set_block(std::uint64_t id, std::uint64_t generation) {
    std::mt19937_64 random(id * 1000 + generation);
    Bytes payload(64);
    for (std::size_t i = 0; i < payload.size(); i += 8) store_le(payload.data() + i, random());
    set_block(id, payload);
  }
  void set_block(std::uint64_t id, const Bytes& payload) {
    payloads_[id] = payload;
    free_.erase(id);
  }
  void free_block(std::uint64_t id) { free_.insert(id); }
  void set_wal(const Bytes& wal) { wal_ = wal; }

  // Puts it into the same file, as a checkpoint does; or (`anew`) into a new one of that name.
  void write(bool anew = false) {
    ++iteration_;
    put_file(build(), anew);
  }
  // The same header, whatever was set since.
  void write_with_equal_header(bool anew) { put_file(build(), anew); }
  void flip_byte(std::uint64_t offset) {
    File file = File::open_write(path_);
    std::uint8_t byte = 0;
    file.read_at(offset, MutableBytes(&byte, 1));
    byte ^= 1;
    file.write_at(offset, ByteView(&byte, 1));
  }

  Bytes bytes() const { return read_all(path_); }
  // What a restored file must be: the active header in both slots, zeros where blocks are free,
  // and no free blocks at the end.
  Bytes image() const {
    Bytes bytes = this->bytes();
    std::copy(bytes.begin() + 4096, bytes.begin() + 8192, bytes.begin() + 8192);
    std::uint64_t end = 0;
    for (const auto& [id, payload] : payloads_) {
      auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset_of(id));
      if (free_.contains(id)) {
        std::fill(begin, begin + kBlockBytes, std::uint8_t{0});
      } else {
        end = id + 1;
      }
    }
    bytes.resize(offset_of(end));
    return bytes;
  }
  const Bytes& wal() const { return wal_; }

  static std::uint64_t offset_of(std::uint64_t id) { return 12288 + id * kBlockBytes; }
  static Bytes read_all(const fs::path& path) {
    File file = File::open_read(path);
    Bytes bytes(file.size());
    file.read_at(0, bytes);
    return bytes;
  }

 private:
  Bytes build() const {
    DatabaseBuilder builder(kBlockBytes);
    builder.header.iteration = iteration_;
    builder.header.block_count = payloads_.rbegin()->first + 1;
    builder.header.meta_block = pointer(1, 3);
    for (const auto& [id, payload] : payloads_) builder.write_block(id, payload);
    FreeListFields fields;
    fields.free = {free_.begin(), free_.end()};
    fields.metadata = {{1, 0xf0}};
    std::vector<std::uint64_t> chain;
    for (std::uint64_t i = 0; i < 32; ++i) chain.push_back(pointer(1, 16 + i));
    builder.write_chain(free_list_bytes(fields), chain);
    return builder.file();
  }

  void put_file(const Bytes& bytes, bool anew) {
    if (anew || !stat_path(path_)) {
      // Beside the old one first, so that it gets another inode.
      folder_.put("app.duckdb.new", bytes);
      rename_file(folder_ / "app.duckdb.new", path_);
    } else {
      File file = File::open_write(path_);
      file.truncate(bytes.size());
      file.write_at(0, bytes);
    }
    fs::path wal = path_.string() + ".wal";
    remove_file(wal);
    if (!wal_.empty()) folder_.put("app.duckdb.wal", wal_);
  }

  TestFolder folder_;
  fs::path path_;
  std::uint64_t iteration_ = 4;
  std::map<std::uint64_t, Bytes> payloads_;
  std::set<std::uint64_t> free_;
  Bytes wal_;
};

}  // namespace duckback::test
