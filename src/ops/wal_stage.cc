#include "ops/wal_stage.h"

#include "base/error.h"

namespace duckback {

void WalStage::write(const fs::path& beside, std::uint64_t offset, ByteView bytes) {
  if (!temp_) temp_ = TempFile::beside(beside);
  if (offset == 0) {
    temp_->file().truncate(0);
    hash_ = Blake3();
    bytes_ = 0;
  }
  DUCKBACK_ASSERT(offset == bytes_);
  temp_->file().write_at(offset, bytes);
  hash_.update(bytes);
  bytes_ += bytes.size();
}

StagedFile WalStage::take(std::uint64_t bytes) {
  DUCKBACK_ASSERT(temp_ && bytes_ == bytes);
  return {std::move(*temp_), bytes_, hash_.digest()};
}

}  // namespace duckback
