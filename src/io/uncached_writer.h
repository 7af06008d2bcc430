#pragma once

#include <atomic>

#include "io/file.h"

namespace duckback {

// Writes large parts of a file around the page cache (O_DIRECT), so that the processor copies
// nothing and what others have in the cache stays there; where the filesystem does not do that, as
// any file is written. 22 files of 32 MiB, each with fsync, on ext4: 0.4 s with 0.03 s of processor
// time instead of 1.4 s with 1.1 s.
// Only what is aligned goes around: memory of `Bytes` and file offsets at pages, and whole pages;
// the rest goes through the cache. Safe to use from many threads, each for pages of its own. As
// always, File::sync() is what makes it durable.
class UncachedWriter {
 public:
  explicit UncachedWriter(const File& file);
  UncachedWriter(const UncachedWriter&) = delete;
  UncachedWriter& operator=(const UncachedWriter&) = delete;
  ~UncachedWriter();

  void write_at(std::uint64_t offset, ByteView bytes) const;

 private:
  // What it wrote; less than all where the filesystem refuses.
  std::size_t write_around(std::uint64_t offset, ByteView bytes) const;

  const File& file_;
  mutable std::atomic<bool> works_;
  int descriptor_ = -1;
};

}  // namespace duckback
