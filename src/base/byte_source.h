#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace duckback {

// Random access to the bytes of one file: a file, a clone of one, or memory in tests.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // What errors call it.
  virtual std::string name() const = 0;
  // How many bytes it has now.
  virtual std::uint64_t size() const = 0;
  // Fills `to` from `offset`; returns how many bytes were there (fewer only at the end).
  virtual std::size_t read_at(std::uint64_t offset, MutableBytes to) const = 0;
};

// Bytes in memory, not owned.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, ByteView bytes) : name_(std::move(name)), bytes_(bytes) {}
  std::string name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  std::size_t read_at(std::uint64_t offset, MutableBytes to) const override {
    if (offset >= bytes_.size()) return 0;
    std::size_t count = std::min<std::size_t>(to.size(), bytes_.size() - offset);
    std::memcpy(to.data(), bytes_.data() + offset, count);
    return count;
  }

 private:
  std::string name_;
  ByteView bytes_;
};

}  // namespace duckback
