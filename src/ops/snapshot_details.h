#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/capture.h"
#include "ops/sidecar.h"

namespace duckback {

// What a database looked like just before it was captured: if it looks so again, nothing has
// changed since. Times of files tell only when they are older than a clock tick, so `taken` is
// compared with them.
struct SourceLook {
  struct Part {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Part&) const = default;
  };
  std::optional<Part> database;
  std::optional<Part> wal;
  std::optional<Part> wal_checkpoint;
  std::optional<Part> wal_recovery;
  std::string headers;      // BLAKE3 of the first 12 KiB, hex
  std::string wal_content;  // BLAKE3 of the WAL, hex; "" without one
  std::int64_t taken_ns = 0;

  // Nothing has changed since `before` was taken, for certain.
  bool shows_no_change_since(const SourceLook& before) const;
};
// Reads the header area and the WAL, no block. Empty where times and inodes prove nothing (network
// filesystems), or if it changed meanwhile.
std::optional<SourceLook> look_at_source(const fs::path& source);

// What a snapshot says of its database, beyond what restoring needs: Snapshot::details.
struct SnapshotDetails {
  std::string duckback = DUCKBACK_VERSION;
  std::string certification;  // "certified", "quiet", "cold"
  std::uint64_t storage_version = 0;
  std::string needs;  // "DuckDB 1.2"
  bool encrypted = false;
  std::string identifier;    // of the database file, hex
  std::int64_t born_ns = 0;  // when the file was made, by its filesystem; 0: not known
  std::uint64_t iteration = 0;
  std::uint64_t block_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
  std::uint64_t wal_commits = 0;
  std::uint64_t source_bytes = 0;
  std::uint64_t damaged_blocks = 0;
  bool wal_damaged = false;
  std::string wal_unreadable;  // as of Image
  std::string unreadable;      // as of Image
  std::optional<std::string> library_version;
  std::optional<std::vector<Sidecar::Table>> tables;
  std::optional<std::string> verified;  // "blocks", "open", "full": when it was made
  // DuckDB found it wrong when it was made, and how; then it counts as verified in no way.
  std::optional<std::string> failed;
  std::optional<SourceLook> source;

  bool damaged() const { return damaged_blocks > 0 || wal_damaged || !unreadable.empty(); }
  bool good() const { return !damaged() && !failed; }
  // Of the file, as far as that is known: without what an image takes of the free area.
  std::uint64_t used_blocks() const;
  std::uint64_t used_bytes() const { return used_blocks() * block_bytes; }
  // What is known of it, in words; "" if it is not damaged.
  std::string damage() const;
};

// Another file has its place: another database, or this one made anew. By the identifier where
// there is one (storage 64 has none), and by the file's birth.
bool replaced(const SnapshotDetails& before, const SnapshotDetails& now);
// It had more than twice as much in use before: by mistake, maybe.
bool lost_most(const SnapshotDetails& before, const SnapshotDetails& now);

SnapshotDetails describe_image(const Image& image);
std::string to_json(const SnapshotDetails& details);
// Throws Errc::damaged.
SnapshotDetails parse_details(const std::string& json);

}  // namespace duckback
