#include "duckfile/block_check.h"

#include <algorithm>

#include "base/error.h"
#include "duckfile/block.h"
#include "duckfile/block_map.h"

namespace duckback {
namespace {

constexpr std::size_t kBatchBytes = 4 << 20;

bool all_zero(ByteView bytes) {
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

std::string to_text(const BlockFinding& finding) {
  return fmt::format("{} {} at offset {}: {}", finding.metadata ? "metadata block" : "block",
                     finding.id, finding.offset,
                     finding.what == BlockFinding::What::damaged
                         ? "its checksum is wrong"
                         : "the file ends before the block does");
}

BlockCheck check_blocks(const ByteSource& file, const DatabaseHeader& header,
                        const BlockCipher* cipher,
                        const std::function<void(const BlockFinding&)>& found,
                        const std::function<void(ByteView)>& bytes) {
  BlockCheck check;
  BlockMap map;
  try {
    std::uint64_t multi_use_blocks = 0;
    read_free_list(file, header, cipher,
                   {.free_block = nullptr,
                    .multi_use_block = [&](std::uint64_t, std::uint32_t) { ++multi_use_blocks; },
                    .metadata_block = nullptr});
    map = read_block_map(file, file.size(), header, cipher);
    check.multi_use_blocks = multi_use_blocks;
    check.used_blocks = map.used_blocks();
    check.free_blocks = map.free_blocks;
    check.metadata_blocks = map.metadata.count();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    check.free_list_error = error.what();
  }
  bool list_known = check.free_list_error.empty();

  auto report = [&](BlockFinding::What what, std::uint64_t id) {
    ++check.findings;
    found({.what = what,
           .id = id,
           .offset = block_offset(id, header.block_bytes),
           .metadata = map.metadata.test(id)});
  };
  Bytes buffer(std::max<std::size_t>(kBatchBytes, kBlockStart));
  Bytes scratch;
  MutableBytes head = MutableBytes(buffer).first(kBlockStart);
  std::size_t head_bytes = file.read_at(0, head);
  if (bytes) bytes(head.first(head_bytes));

  std::uint64_t offset = kBlockStart;
  std::uint64_t id = 0;
  bool ended = head_bytes < kBlockStart;
  while (!ended) {
    MutableBytes batch = MutableBytes(buffer).first(kBatchBytes);
    std::size_t count = file.read_at(offset, batch);
    ended = count < kBatchBytes;
    if (bytes && count > 0) bytes(batch.first(count));
    for (std::size_t at = 0; at + header.block_bytes <= count; at += header.block_bytes, ++id) {
      ByteView block = ByteView(batch).subspan(at, header.block_bytes);
      if (list_known ? !map.used.test(id) : id >= header.block_count || all_zero(block)) continue;
      if (!list_known) ++check.used_blocks;
      if (!block_is_whole(block, cipher, scratch)) report(BlockFinding::What::damaged, id);
    }
    offset += count;
  }
  // Without the free list, a tail that was cut off because it was free looks the same.
  if (list_known && map.used_beyond_file > 0) {
    check.missing_blocks = map.used_beyond_file;
    report(BlockFinding::What::missing, map.used.size());
  }
  return check;
}

}  // namespace duckback
