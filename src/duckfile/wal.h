#pragma once

#include <optional>
#include <vector>

#include "duckfile/crypto.h"

namespace duckback {

// The unframed first entry of a WAL file. Never encrypted.
struct WalHeader {
  bool encrypted = false;
  std::optional<DatabaseId> identifier;    // since DuckDB 1.4, for storage versions above 66
  std::optional<std::uint64_t> iteration;  // of the database header the WAL belongs to
  std::uint64_t bytes = 0;                 // where the first entry begins
};

struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const { return end - begin; }
};

// A CHECKPOINT entry with its FLUSH.
struct WalMarker {
  ByteRange range;
  std::uint64_t meta_block =
      0;  // the catalog root of the checkpoint that was begun; unknown: kNoPointer
};

// What a WAL holds, as far as it has been scanned. Offsets are those of the file.
struct WalContent {
  std::optional<WalHeader> header;  // empty while the file has none yet
  std::uint64_t commits = 0;        // transactions with their FLUSH
  std::uint64_t committed_end = 0;  // behind the FLUSH of the last one, else behind the header
  bool has_row_groups = false;      // a commit refers to blocks of the database (ROW_GROUP_DATA)
  std::uint64_t commits_before_row_groups = 0;
  std::uint64_t end_before_row_groups = 0;  // the commit boundary before the first such commit
  // A marker behind which no commit follows: a checkpoint is running, or was when the writer died.
  std::optional<WalMarker> marker;
  // Markers left by failed checkpoints, with commits behind them. Not part of any image.
  std::vector<WalMarker> stale_markers;
  // Where the bytes stop being entries: incomplete, or (bad_entry) complete with a wrong checksum.
  std::uint64_t scanned_end = 0;
  bool bad_entry = false;
};

// Scans a WAL entry by entry (u64 size, u64 checksum, payload), and goes on where it stopped when
// the file has grown. Memory does not depend on the size of the file or of an entry.
class WalScanner {
 public:
  // `encryption` and `cipher` as of the database; without cipher an encrypted WAL is scanned by the
  // sizes of its entries: a FLUSH is the only one of 5 bytes, row groups are assumed, and a last
  // entry as long as a CHECKPOINT counts as a marker.
  WalScanner(const ByteSource& file, std::optional<Encryption> encryption,
             const BlockCipher* cipher);

  // Looks at what is new. Throws Errc::corrupt for a first entry that is no WAL header.
  const WalContent& scan();
  const WalContent& content() const { return content_; }

 private:
  enum class Step { advanced, incomplete, bad };
  bool read_header();
  void scan_entries();
  Step scan_entry(std::uint64_t offset, std::uint64_t& next);
  void enter(std::uint8_t type, const Bytes& start, ByteRange range);
  void commit(std::uint64_t end);
  void retire_marker();
  void keep_stale(const WalMarker& marker);

  const ByteSource& file_;
  std::optional<Encryption> encryption_;
  const BlockCipher* cipher_;
  WalContent content_;
  std::uint64_t entries_in_transaction_ = 0;
  bool transaction_has_row_groups_ = false;
  std::optional<WalMarker> open_marker_;  // seen without its FLUSH
  bool marker_closed_ = false;            // content_.marker has its FLUSH
  std::size_t tag_bytes_ = 0;             // behind each entry
  // CTR in the layout of DuckDB 1.4 has 16 bytes there if 1.4 wrote them, none if 1.5 did; the
  // first commit tells.
  bool tag_unsettled_ = false;
  Bytes buffer_;
};

// The entries of a WAL that belong to an image that ends at `end`: header and commits, without
// markers.
std::vector<ByteRange> shipped_ranges(const WalContent& content, std::uint64_t end);

}  // namespace duckback
