#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bitmap.h"
#include "duckfile/header.h"
#include "io/file.h"
#include "io/lock_holder.h"

namespace duckback {

// How an image was proven. docs/capture.md has the rules and the proof.
enum class Grade {
  certified,  // by the WAL: no checkpoint can have touched what was read
  quiet,  // nothing changed for a while after reading; nothing proves that nothing was under way
  cold,   // no process had the database open
};
std::string_view name_of(Grade grade);

// Where an image goes. The capture writes whole blocks at their offsets in the file, in any order,
// and may write a block again (the later bytes count). All calls come from one thread, unless the
// sink takes more.
class ImageSink {
 public:
  virtual ~ImageSink() = default;
  // A round begins: everything written before is void, except that equal bytes may be kept. `head`
  // is the image's first kBlockStart bytes if this round succeeds, but for repairs; Image::head has
  // the last word. `file_bytes` bounds the offsets that follow; they and the sizes are multiples of
  // `block_bytes` behind the first block, but for the end of the file.
  virtual void begin(std::uint64_t file_bytes, std::uint64_t block_bytes, ByteView head) = 0;
  // What is yet to come of this round, by number of the block: each of these once, unless it cannot
  // be read, and no other. A round that is lost ends early; one for which this is not called may
  // write blocks again.
  virtual void expect(const Bitmap& blocks) { (void)blocks; }
  // Whether they must come in the order of the file, though a busy database is then lost more
  // often.
  virtual bool in_order() const { return false; }
  // As many threads call take_buffer(), holds() and write_blocks() at once, but never two for the
  // same block, and no other function meanwhile.
  virtual std::size_t threads() const { return 1; }
  // Whether the sink has this very block at this place, and knows that it is whole: then it is not
  // verified, and counts as written.
  virtual bool holds(std::uint64_t offset, ByteView block) {
    (void)offset, (void)block;
    return false;
  }
  // Memory for the next write_blocks(), as one that the sink is done with, of any size.
  virtual Bytes take_buffer() { return {}; }
  virtual void write_blocks(std::uint64_t offset, Bytes&& blocks) = 0;
  // The WAL of the image, in order from offset 0; a call with offset 0 begins it anew.
  virtual void write_wal(std::uint64_t offset, ByteView bytes) = 0;
  // Takes the whole database file as it is now, sharing its blocks, and returns what it took; then
  // write_blocks() is not called. Null where that is not possible.
  virtual const ByteSource* clone(const File& database) {
    (void)database;
    return nullptr;
  }
};

struct CaptureProgress {
  std::uint64_t blocks_done = 0;
  std::uint64_t blocks_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint32_t round = 0;       // rounds begin at 1
  std::string_view waiting_for;  // "" while reading

  // Of what has no blocks: a file that is sent or fetched.
  static CaptureProgress of_bytes(std::uint64_t done, std::uint64_t total) {
    return {.blocks_done = done,
            .blocks_total = total,
            .bytes_done = done,
            .round = 1,
            .waiting_for = {}};
  }
};

struct CaptureOptions {
  // No new round begins, and no wait goes on, after this time.
  std::chrono::milliseconds timeout{120'000};
  // Refuse Grade::quiet.
  bool require_certified = false;
  // Verify the checksum of every block; blocks that stay wrong are an error unless allow_damaged.
  bool verify_blocks = true;
  bool allow_damaged = false;
  // Where headers or free list are damaged, so that nobody knows which blocks are in use, take all
  // of the file (Image::unreadable) in place of Errc::corrupt; and all of a WAL that cannot be read
  // or is not this database's (Image::wal_unreadable). Goes with allow_damaged.
  bool whole_if_unreadable = false;
  // The database's ENCRYPTION_KEY, if there is one and it is at hand.
  std::optional<std::string> key;
  std::function<void(const CaptureProgress&)> progress;
  std::stop_token stop;
};

struct DamagedBlock {
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
};

// One consistent state of a database. The file is: `head`, then the blocks given to the sink, holes
// elsewhere, `file_bytes` long; the WAL is what was given to the sink.
struct Image {
  Grade grade = Grade::quiet;
  std::array<std::uint8_t, kBlockStart> head{};
  std::uint64_t file_bytes = 0;
  std::uint64_t wal_bytes = 0;  // 0: the image has no WAL
  std::uint64_t wal_commits = 0;

  fs::path path;  // the database, links resolved
  FileStat source;
  MainHeader main;
  // Empty for an encrypted database without its key, and where no header can be read.
  std::optional<DatabaseHeader> header;
  std::uint64_t blocks = 0;  // given to the sink
  std::uint64_t free_blocks = 0;
  std::vector<DamagedBlock> damaged;  // at most kDamagedMost are listed
  std::uint64_t damaged_blocks = 0;
  bool wal_damaged = false;    // the image ends before a damaged entry of the WAL, or:
  std::string wal_unreadable;  // why the WAL is taken as it is, "" where it can be read
  // What cannot be read and would say which blocks are in use: the image holds all of them. ""
  // else.
  std::string unreadable;
  bool identifier_repaired = false;
  std::optional<Process> writer;  // who held DuckDB's lock
  std::vector<std::string> warnings;

  std::uint32_t rounds = 0;
  std::uint64_t checkpoints_seen = 0;
  std::chrono::nanoseconds elapsed{};
};
inline constexpr std::size_t kDamagedMost = 100;

// Captures the database at `path` while others write to it, without ever writing or locking it.
// Memory: a few buffers and four bits a block. Throws Errc::busy when there was no consistent image
// within the timeout, Errc::corrupt for damage, Errc::refused for what is no database.
// Must not run inside a process that has the database open in DuckDB: its locks would drop.
Image capture(const fs::path& path, ImageSink& sink, const CaptureOptions& options);

// resolve_path(), and Errc::refused where there is no database but its WAL: opening that path in
// DuckDB would delete the WAL and the commits in it.
fs::path resolve_database(const fs::path& given);

// The WAL files beside a database.
struct Siblings {
  fs::path wal;             // the one DuckDB would use, there or not
  fs::path wal_checkpoint;  // commits made during a checkpoint, DuckDB 1.5 and later
  fs::path wal_recovery;
};
// `given` may be a link: DuckDB up to 1.4 keeps the WAL beside the link, 1.5 beside the file.
// Throws Errc::refused if there is one at both places.
Siblings find_siblings(const fs::path& given, const fs::path& resolved);

}  // namespace duckback
