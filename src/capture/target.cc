#include "capture/target.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace duckback {
namespace {

bool all_zero(const DatabaseId& identifier) {
  return std::all_of(identifier.begin(), identifier.end(),
                     [](std::uint8_t byte) { return byte == 0; });
}

[[noreturn]] void throw_other_generation(const LiveDatabase& database, const fs::path& wal,
                                         std::uint64_t wal_iteration, std::uint64_t iteration) {
  throw Error(
      Errc::corrupt,
      "{} belongs to checkpoint {}, but {} is at checkpoint {}: DuckDB refuses this pair. Put back "
      "the "
      "WAL that belongs to the database, or move this one aside to copy the database without it",
      wal.string(), wal_iteration, database.file().name(), iteration);
}

// Cuts a damaged WAL at its last whole commit, if allowed.
void check_entries(const WalContent& content, const fs::path& path, bool allow_damaged,
                   std::vector<std::string>& warnings) {
  if (!content.bad_entry) return;
  std::string what =
      fmt::format("{}: the entry at offset {} does not match its checksum; {} before it {} whole",
                  path.string(), content.scanned_end, count_of(content.commits, "transaction"),
                  content.commits == 1 ? "is" : "are");
  if (!allow_damaged) {
    throw Error(Errc::corrupt,
                "{}. DuckDB refuses this WAL. To keep a copy up to the last whole transaction, use "
                "`duckback copy --allow-damaged`",
                what);
  }
  warnings.push_back(what + "; the copy ends there");
}

}  // namespace

std::uint64_t Target::wal_bytes() const {
  std::uint64_t total = 0;
  for (const WalPiece& piece : wal) total += piece.range.size();
  return total;
}

bool Target::wal_is_whole() const {
  return std::all_of(wal.begin(), wal.end(),
                     [](const WalPiece& piece) { return piece.range.end <= piece.file->size(); });
}

void add_wal(Target& target, const LiveWal& wal, std::uint64_t end, std::uint64_t commits) {
  const WalContent& content = wal.content();
  if (commits == 0) return;
  for (ByteRange range : shipped_ranges(content, end)) {
    // Behind a first WAL only the entries of a second count, not its header.
    if (!target.wal.empty()) range.begin = std::max(range.begin, content.header->bytes);
    if (range.begin < range.end) target.wal.push_back({wal.file(), range});
  }
  target.wal_commits += commits;
  if (!target.wal_identifier) target.wal_identifier = content.header->identifier;
  if (content.has_row_groups && end > content.end_before_row_groups) target.with_free_area = true;
}

void take_whole_wal(Target& target, const LiveWal& wal, const std::string& reason) {
  target.wal = {{wal.file(), {0, wal.file()->size()}}};
  target.wal_commits = 0;
  target.wal_damaged = true;
  target.wal_unreadable = reason;
  target.with_free_area = true;
}

Digest read_wal(const Target& target, ImageSink* sink) {
  Blake3 hash;
  Bytes buffer(1 << 20);
  std::uint64_t written = 0;
  for (const Target::WalPiece& piece : target.wal) {
    for (std::uint64_t at = piece.range.begin; at < piece.range.end;) {
      auto want =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), piece.range.end - at));
      std::size_t got = piece.file->read_at(at, MutableBytes(buffer).first(want));
      ByteView bytes = ByteView(buffer).first(got);
      hash.update(bytes);
      if (sink != nullptr) sink->write_wal(written, bytes);
      written += got;
      at += got;
      if (got < want) return hash.digest();  // Cut off meanwhile: the second reading differs.
    }
  }
  return hash.digest();
}

void check_wal_identifier(const LiveDatabase& database, const WalHeader& wal,
                          const fs::path& path) {
  if (!wal.identifier || *wal.identifier == database.main().identifier) return;
  if (all_zero(*wal.identifier) && database.main().version < 67) return;
  throw Error(Errc::corrupt,
              "{} belongs to another database than {}: DuckDB refuses this pair. Move that WAL "
              "aside if it is "
              "not the database's own",
              path.string(), database.file().name());
}

Target cold_target(LiveDatabase& database, LiveWal& checkpoint_wal, bool allow_damaged,
                   std::vector<std::string>& warnings) {
  Target target;
  target.slots = database.slots();
  const DatabaseHeader& header = target.header();
  const Siblings& siblings = database.siblings();

  bool has_wal = database.follow_wal() && database.wal().scan().header.has_value();
  bool has_checkpoint_wal = checkpoint_wal.follow() && checkpoint_wal.scan().header.has_value();
  auto add_checkpoint_wal = [&](std::uint64_t iteration) {
    const WalContent& content = checkpoint_wal.content();
    check_wal_identifier(database, *content.header, siblings.wal_checkpoint);
    if (content.header->iteration && *content.header->iteration != iteration) {
      throw_other_generation(database, siblings.wal_checkpoint, *content.header->iteration,
                             header.iteration);
    }
    check_entries(content, siblings.wal_checkpoint, allow_damaged, warnings);
    target.wal_damaged |= content.bad_entry;
    add_wal(target, checkpoint_wal, content.committed_end, content.commits);
  };

  if (!has_wal) {
    // DuckDB deletes a lone checkpoint WAL, and with it commits: it is the WAL.
    if (has_checkpoint_wal) add_checkpoint_wal(header.iteration);
    return target;
  }
  const LiveWal& wal = database.wal();
  const WalContent& content = wal.content();
  check_wal_identifier(database, *content.header, siblings.wal);
  std::optional<std::uint64_t> iteration = content.header->iteration;
  bool points_here = content.marker && content.marker->meta_block == header.meta_block;
  // The catalog's place alternates, so that an unfinished checkpoint can point to where the last
  // one is; the iteration, where there is one, knows better.
  bool checkpointed = points_here && (!iteration || *iteration + 1 == header.iteration);
  if (iteration && *iteration != header.iteration && !checkpointed) {
    throw_other_generation(database, siblings.wal, *iteration, header.iteration);
  }
  if (checkpointed) {
    // The checkpoint was finished, only the WAL's removal was not.
    if (has_checkpoint_wal) add_checkpoint_wal(header.iteration);
    return target;
  }
  check_entries(content, siblings.wal, allow_damaged, warnings);
  target.wal_damaged = content.bad_entry;
  add_wal(target, wal, content.committed_end, content.commits);
  // Without a marker a checkpoint WAL is a leftover, already merged.
  if (content.marker && has_checkpoint_wal && checkpoint_wal.content().commits > 0) {
    // The image's WAL begins with the header of the first, also where that holds no commit.
    if (target.wal.empty()) {
      target.wal.push_back({wal.file(), {0, content.header->bytes}});
      target.wal_identifier = content.header->identifier;
    }
    add_checkpoint_wal(header.iteration + 1);
  }
  return target;
}

Target whole_wal_target(LiveDatabase& database, LiveWal& checkpoint_wal,
                        const std::string& reason) {
  Target target;
  target.slots = database.slots();
  bool has_wal = database.follow_wal();
  bool has_checkpoint_wal = checkpoint_wal.follow();
  if (has_wal && has_checkpoint_wal) {
    throw Error(Errc::corrupt,
                "{}; and {} was left by an interrupted checkpoint: which commits of the two count "
                "cannot be told. Keep all these files",
                reason, database.siblings().wal_checkpoint.string());
  }
  if (has_wal || has_checkpoint_wal) {
    take_whole_wal(target, has_wal ? database.wal() : checkpoint_wal, reason);
  }
  return target;
}

}  // namespace duckback
