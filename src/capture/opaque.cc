#include "capture/opaque.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/hash.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPieceBytes = 4 << 20;
// What size the database's own blocks have is sealed; most have this one.
constexpr std::uint64_t kOpaqueBlockBytes = 256 << 10;
constexpr auto kQuietTime = 2s;

// Reads the blocks piece by piece; gives those to the sink whose hash differs from the one kept.
// Returns how many.
std::uint64_t read_pieces(CaptureState& state, std::uint64_t bytes, std::vector<Digest>& digests) {
  std::uint64_t changed = 0;
  for (std::uint64_t offset = kBlockStart, i = 0; offset < bytes; offset += kPieceBytes, ++i) {
    state.check_stop();
    Bytes piece = state.sink.take_buffer();
    piece.resize(static_cast<std::size_t>(std::min(kPieceBytes, bytes - offset)));
    piece.resize(state.database.file().read_at(offset, piece));
    Blake3 hash;
    hash.update(piece);
    Digest digest = hash.digest();
    state.report({offset, bytes, offset, state.rounds, {}});
    if (i < digests.size() && digests[i] == digest) continue;
    if (i >= digests.size()) digests.resize(i + 1);
    digests[i] = digest;
    ++changed;
    state.write_blocks(offset, std::move(piece));
  }
  state.drain();
  return changed;
}

// Of whichever slot can be read, so that the pieces are those of other images of this database.
std::uint64_t block_bytes_of(const LiveDatabase& database, const Stillness& still) {
  if (database.opaque()) return kOpaqueBlockBytes;
  for (const Slot& slot : still.slots) {
    try {
      std::optional<DatabaseHeader> header =
          parse_database_header(slot, database.main(), database.cipher(), database.file().name());
      if (header) return header->block_bytes;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;
    }
  }
  return kOpaqueBlockBytes;
}

bool nobody_writes(const LiveDatabase& database) {
  if (is_network_filesystem(database.file().path())) return false;
  LockState lock = look_at_lock(database.file(), LockKind::writing);
  if (lock.holder || !lock.known) return false;
  Openers openers = find_openers(database.file().stat());
  return openers.writers.empty() && openers.all_seen;
}

// What the image takes of the WAL. Empty while its last entry may be a marker: wait for what comes.
std::optional<Target> choose_wal(CaptureState& state, bool cold) {
  LiveDatabase& database = state.database;
  Target target;
  if (!database.follow_wal()) return target;
  try {
    if (!database.wal().scan().header) return target;
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt || !state.options.whole_if_unreadable) throw;
    take_whole_wal(target, database.wal(), error.what());
    return target;
  }
  const WalContent& wal = database.wal().content();
  // At rest DuckDB itself can tell whether it is one.
  if (wal.marker && !cold) return std::nullopt;
  std::uint64_t end = wal.marker ? wal.marker->range.end : wal.committed_end;
  if (end > wal.header->bytes) target.wal.push_back({database.wal().file(), {0, end}});
  target.wal_commits = wal.commits + (wal.marker ? 1 : 0);
  target.wal_damaged = wal.bad_entry;
  return target;
}

}  // namespace

std::optional<Grade> capture_opaque(CaptureState& state, Image& image) {
  LiveDatabase& database = state.database;
  while (Clock::now() < state.deadline || state.rounds == 0) {
    state.check_stop();
    ++state.rounds;
    Stillness before = database.stillness();
    bool cold = nobody_writes(database);
    if (stat_path(database.siblings().wal_checkpoint)) {
      if (cold) {
        if (!database.opaque()) {
          throw Error(Errc::corrupt,
                      "{}; and {} was left by an interrupted checkpoint: without the header "
                      "nobody can tell which commits of it count. Keep all these files",
                      image.unreadable, database.siblings().wal_checkpoint.string());
        }
        throw Error(
            Errc::unsupported,
            "{} was left by an interrupted checkpoint, and an encrypted database's WALs "
            "can only be "
            "put together with its key: give it to `duckback copy` with --key-file or --key-env",
            database.siblings().wal_checkpoint.string());
      }
      std::this_thread::sleep_for(5ms);
      continue;
    }

    std::optional<Target> target = choose_wal(state, cold);
    if (!target) {
      std::this_thread::sleep_for(1ms);
      continue;
    }
    Digest wal_digest = read_wal(*target, &state.sink);

    std::copy(database.main().raw.begin(), database.main().raw.end(), image.head.begin());
    for (std::size_t i = 0; i < 2; ++i) {
      std::copy(before.slots[i].begin(), before.slots[i].end(),
                image.head.begin() + static_cast<std::ptrdiff_t>((i + 1) * kSlotBytes));
    }
    image.file_bytes = before.database.bytes;
    state.sink.begin(image.file_bytes, block_bytes_of(database, before), image.head);
    std::vector<Digest> digests;
    read_pieces(state, image.file_bytes, digests);
    // The first reading may have met writes; so may every other, until one finds nothing new.
    bool settled = cold;
    while (!settled && database.stillness().slots == before.slots) {
      settled = read_pieces(state, image.file_bytes, digests) == 0;
      if (!settled && Clock::now() > state.deadline) return std::nullopt;
    }
    if (!settled || read_wal(*target, nullptr) != wal_digest || !database.in_place()) continue;
    image.wal_bytes = target->wal_bytes();
    image.wal_commits = target->wal_commits;
    image.wal_damaged = target->wal_damaged;
    image.wal_unreadable = target->wal_unreadable;
    if (cold && database.stillness() == before && nobody_writes(database)) return Grade::cold;

    // Rest: a checkpoint that was under way would show by now.
    Stillness still = database.stillness();
    if (still.slots != before.slots || still.database.bytes != before.database.bytes) continue;
    Clock::time_point since = Clock::now();
    bool rests = true;
    while (rests && Clock::now() - since < kQuietTime && still.unchanged_for() < kQuietTime) {
      state.check_stop();
      state.report({0, 0, 0, state.rounds, "the database to rest"});
      std::this_thread::sleep_for(10ms);
      Stillness now = database.stillness();
      // Commits may go on: they only make the WAL longer.
      rests = now.slots == still.slots && now.database == still.database;
      still.wal = now.wal;
    }
    if (rests && read_wal(*target, nullptr) == wal_digest) return Grade::quiet;
  }
  return std::nullopt;
}

}  // namespace duckback
