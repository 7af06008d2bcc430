// The golden files are read forever. What they hold is stated in make.sh.

#include <gtest/gtest.h>

#include "duckfile/block.h"
#include "duckfile/block_map.h"
#include "duckfile/wal.h"
#include "io/file.h"

namespace duckback {
namespace {

struct Golden {
  const char* name;
  std::uint64_t storage;
  const char* creator;
  std::uint64_t commits = 0;  // in the WAL
  bool row_groups = false;
  bool marker = false;
  const char* key = nullptr;
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

class GoldenFile : public testing::TestWithParam<Golden> {
 protected:
  fs::path path_ = fs::path(DUCKBACK_GOLDEN) / (std::string(GetParam().name) + ".duckdb");
  File file_ = File::open_read(path_);
  MainHeader main_ = read_main_header(file_);
  std::optional<BlockCipher> cipher_;
  const BlockCipher* key() {
    if (GetParam().key != nullptr && !cipher_) cipher_.emplace(main_, GetParam().key);
    return cipher_ ? &*cipher_ : nullptr;
  }
};

TEST_P(GoldenFile, IsReadWhole) {
  const Golden& golden = GetParam();
  EXPECT_EQ(main_.library_version, golden.creator);
  ASSERT_EQ(main_.encryption.has_value(), golden.key != nullptr);
  if (golden.key != nullptr) {
    EXPECT_TRUE(key()->fits(main_));
  }
  auto slots = read_slots(file_, main_, key());
  ASSERT_TRUE(slots);
  const DatabaseHeader& header = slots->header();
  EXPECT_EQ(header.block_bytes, 16384u);
  EXPECT_EQ(storage_version(main_, header).number, golden.storage);
  BlockMap map = read_block_map(file_, file_.stat().bytes, header, key());
  EXPECT_GE(map.free_blocks, 1u);  // of the dropped table
  EXPECT_GE(map.metadata.count(), 1u);
  EXPECT_GT(map.used_blocks(), map.metadata.count());
  EXPECT_EQ(map.used_beyond_file, 0u);
  Bytes block(header.block_bytes);
  Bytes scratch;
  for (std::uint64_t id = map.used.next(0); id < map.used.size(); id = map.used.next(id + 1)) {
    ASSERT_EQ(file_.read_at(block_offset(id, header.block_bytes), block), block.size());
    EXPECT_TRUE(block_is_whole(block, key(), scratch)) << "block " << id;
  }
}

TEST_P(GoldenFile, ItsWalHoldsTheCommitsThatWereMade) {
  const Golden& golden = GetParam();
  fs::path wal_path = path_.string() + ".wal";
  ASSERT_EQ(stat_path(wal_path).has_value(), golden.commits > 0);
  if (golden.commits == 0) return;
  File wal = File::open_read(wal_path);
  WalScanner scanner(wal, main_.encryption, key());
  const WalContent& content = scanner.scan();
  EXPECT_EQ(content.commits, golden.commits);
  EXPECT_EQ(content.has_row_groups, golden.row_groups);
  EXPECT_EQ(content.marker.has_value(), golden.marker);
  EXPECT_EQ(content.scanned_end, wal.stat().bytes);
  ASSERT_TRUE(content.header);
  EXPECT_EQ(content.header->iteration.has_value(), golden.storage >= 67);
  if (golden.storage >= 67) {
    EXPECT_EQ(content.header->identifier, main_.identifier);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Golden, GoldenFile,
    testing::Values(Golden{"v64-1.1.3", 64, "v1.1.3"}, Golden{"v65-1.2.2", 65, "v1.2.2"},
                    Golden{"v66-1.3.2", 66, "v1.3.2"}, Golden{"v67-1.4.5", 67, "v1.4.5"},
                    Golden{"v68-1.5.6", 68, "v1.5.6"}, Golden{"v69-2.0.0", 69, "v2.0.0"},
                    Golden{"v67-gcm", 67, "v1.5.6", 2, false, false, "a secret key"},
                    Golden{"v68-gcm", 68, "v1.5.6", 2, false, false, "a secret key"},
                    Golden{"v68-ctr", 68, "v1.5.6", 2, false, false, "a secret key"},
                    Golden{"v64-wal", 64, "v1.1.3", 2}, Golden{"v68-wal", 68, "v1.5.6", 2},
                    Golden{"v68-rows", 68, "v1.5.6", 2, true},
                    Golden{"v68-marker", 68, "v1.5.6", 2, false, true}),
    [](const auto& set) {
      std::string name = set.param.name;
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace duckback
