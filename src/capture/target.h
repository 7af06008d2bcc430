#pragma once

#include <optional>
#include <vector>

#include "base/hash.h"
#include "capture/live_database.h"

namespace duckback {

// The state of the database that an image is to hold: a header and a prefix of its WAL.
struct Target {
  struct WalPiece {
    std::shared_ptr<const File> file;
    ByteRange range;
  };
  Slots slots;
  // The WAL of the clean point at which the target was chosen; none for a target without one.
  std::shared_ptr<const File> clean_wal;
  std::vector<WalPiece> wal;  // one after the other; empty: the image has no WAL
  std::uint64_t wal_commits = 0;
  std::optional<DatabaseId> wal_identifier;
  // Its WAL ends before the real one, at an entry that is damaged.
  bool wal_damaged = false;
  std::string wal_unreadable;  // as of Image
  // The WAL refers to blocks that the header calls free.
  bool with_free_area = false;

  const DatabaseHeader& header() const { return slots.header(); }
  std::uint64_t wal_bytes() const;
  // None of its WAL has been cut off since.
  bool wal_is_whole() const;
};

// What a target takes from a WAL up to `end`; nothing if no commit lies before it.
void add_wal(Target& target, const LiveWal& wal, std::uint64_t end, std::uint64_t commits);

// Reads the WAL of a target, into `sink` unless that is null, and tells its hash.
Digest read_wal(const Target& target, ImageSink* sink);

// The target of a database that nobody writes, by DuckDB's own rules of recovery. `checkpoint_wal`
// is the
// `.wal.checkpoint` beside it and must live as long as the target. Throws Errc::corrupt where
// DuckDB would refuse the pair; with `allow_damaged` a damaged WAL ends at its last whole commit
// instead.
Target cold_target(LiveDatabase& database, LiveWal& checkpoint_wal, bool allow_damaged,
                   std::vector<std::string>& warnings);

// The same of a database whose WAL makes cold_target() throw `reason`: all of that WAL, whatever it
// says. Throws Errc::corrupt if there are two, for the image has one.
Target whole_wal_target(LiveDatabase& database, LiveWal& checkpoint_wal, const std::string& reason);

// Makes the WAL of `target` all of this one.
void take_whole_wal(Target& target, const LiveWal& wal, const std::string& reason);

// Throws Errc::corrupt if the WAL names another database. An all-zero identifier is that of a
// database upgraded from storage 64, whose header may hold garbage instead: the image's header is
// repaired.
void check_wal_identifier(const LiveDatabase& database, const WalHeader& wal, const fs::path& path);

}  // namespace duckback
