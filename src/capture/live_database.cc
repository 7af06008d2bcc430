#include "capture/live_database.h"

#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "capture/mutation.h"

namespace duckback {
namespace {

using namespace std::chrono_literals;

// The main header is rewritten once in the life of some files (storage 64 to 65): look again if
// torn.
MainHeader read_settled_main_header(const File& file) {
  constexpr int kTries = 20;
  for (int i = 0;; ++i) {
    try {
      return read_main_header(file);
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt || i + 1 >= kTries) throw;
    }
    std::this_thread::sleep_for(1ms);
  }
}

bool has_content(const fs::path& path) {
  std::optional<FileStat> stat = stat_path(path);
  return stat && stat->bytes > 0;
}

}  // namespace

fs::path resolve_database(const fs::path& given) {
  for (const char* suffix : {"", ".wal", ".wal.checkpoint"}) {
    fs::path path = given.string() + suffix;
    std::optional<FileStat> stat = stat_path(path);
    if (!stat || S_ISREG(stat->mode) || S_ISDIR(stat->mode)) continue;
    // To open a pipe would take until somebody writes to it.
    throw Error(Errc::refused, "{} is no file, but a pipe or a device", path.string());
  }
  if (!stat_path(given)) {
    for (const char* suffix : {".wal", ".wal.checkpoint"}) {
      fs::path wal = given.string() + suffix;
      if (!has_content(wal)) continue;
      throw Error(Errc::refused,
                  "{} does not exist, but {} does. Do not open {} in DuckDB: it would make a new "
                  "database there and delete that WAL, with the commits in it. Move the WAL to a "
                  "safe place; it belongs to the database as it was at its last checkpoint",
                  given.string(), wal.string(), given.string());
    }
  }
  return resolve_path(given);
}

Siblings find_siblings(const fs::path& given, const fs::path& resolved) {
  auto beside = [](const fs::path& path, const char* suffix) {
    return fs::path(path.string() + suffix);
  };
  fs::path base = resolved;
  if (fs::absolute(given).lexically_normal() != resolved) {
    bool at_link = has_content(beside(given, ".wal"));
    bool at_file = has_content(beside(resolved, ".wal"));
    std::optional<FileStat> one = stat_path(beside(given, ".wal"));
    std::optional<FileStat> other = stat_path(beside(resolved, ".wal"));
    bool same = one && other && one->same_file(*other);
    if (at_link && at_file && !same) {
      throw Error(
          Errc::refused,
          "{} is a link, and there is a WAL both beside it and beside {}: which one belongs to the "
          "database cannot be told (DuckDB up to 1.4 uses the first, 1.5 the second). Give the "
          "path "
          "that your application opens, or move the stale one aside",
          given.string(), resolved.string());
    }
    if (at_link && !at_file) base = given;
  }
  return {.wal = beside(base, ".wal"),
          .wal_checkpoint = beside(base, ".wal.checkpoint"),
          .wal_recovery = beside(base, ".wal.recovery")};
}

bool LiveWal::follow() {
  std::optional<FileStat> now = stat_path(path_);
  if (!now) {
    file_.reset();
    scanner_.reset();
    return false;
  }
  if (file_ && (file_->stat().same_file(*now) || mutated("ignore_inode"))) return true;
  // Another file may have come between stat and open: in_place() tells.
  scanner_.reset();
  file_.reset();
  try {
    file_ = std::make_shared<const File>(File::open_read(path_));
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return false;
    throw;
  }
  scanner_ = std::make_unique<WalScanner>(*file_, encryption_, cipher_);
  return true;
}

bool LiveWal::in_place() const {
  if (mutated("ignore_inode")) return true;
  if (!file_) return false;
  std::optional<FileStat> now = stat_path(path_);
  FileStat open = file_->stat();
  return now && now->same_file(open) && open.links > 0;
}

bool LiveWal::hides_a_flush() const {
  std::uint64_t end = file_->size();
  if (content().header->encrypted || end <= content().scanned_end) return false;
  // DuckDB up to 1.1 leaves a torn entry in place after a crash and appends behind it: commits, and
  // a marker, that no replay sees. A marker is the last of its file, with this FLUSH.
  constexpr std::array<std::uint8_t, 5> kFlush = {100, 0, 100, 255, 255};
  std::array<std::uint8_t, 5> last{};
  if (end < last.size()) return false;
  file_->read_at(end - last.size(), last);
  return last == kFlush;
}

std::chrono::nanoseconds Stillness::unchanged_for() const {
  std::int64_t last = std::max(database.modified_ns, database.changed_ns);
  if (wal) last = std::max({last, wal->modified_ns, wal->changed_ns});
  return std::chrono::system_clock::now().time_since_epoch() - std::chrono::nanoseconds(last);
}

LiveDatabase::LiveDatabase(const fs::path& given, const std::optional<std::string>& key)
    : given_(given),
      resolved_(resolve_database(given)),
      file_(File::open_read(given)),
      opened_(file_.stat()),
      main_(read_settled_main_header(file_)) {
  if (main_.encryption && key) {
    cipher_ = std::make_unique<BlockCipher>(main_, *key);
    if (!cipher_->fits(main_)) {
      throw Error(Errc::invalid, "the key does not open {}", given.string());
    }
  }
  siblings_ = find_siblings(given_, resolved_);
  wal_ = std::make_unique<LiveWal>(siblings_.wal, main_.encryption, cipher_.get());
}

void LiveDatabase::look_for_wal() {
  Siblings now = find_siblings(given_, resolved_);
  // Without a WAL at the other end, the one that is followed may come back.
  if (now.wal == siblings_.wal || !has_content(now.wal)) return;
  siblings_ = std::move(now);
  wal_ = std::make_unique<LiveWal>(siblings_.wal, main_.encryption, cipher_.get());
}

bool LiveDatabase::follow_wal() {
  look_for_wal();
  return wal_->follow();
}

bool LiveDatabase::in_place() const {
  if (mutated("ignore_path")) return true;
  std::optional<FileStat> now = stat_path(given_);
  return now && now->same_file(opened_) && file_.stat().links > 0;
}

bool LiveDatabase::main_header_stands() const {
  Slot now{};
  file_.read_at(0, now);
  return now == main_.raw;
}

Slots LiveDatabase::slots() const {
  // One slot is written in a few microseconds; a second means that it is damaged.
  auto give_up = std::chrono::steady_clock::now() + 1s;
  for (;;) {
    std::optional<Slots> slots = read_slots(file_, main_, cipher_.get());
    if (slots) return *slots;
    if (std::chrono::steady_clock::now() > give_up) break;
    std::this_thread::sleep_for(100us);
  }
  throw Error(Errc::corrupt,
              "{}: a database header (offset 4096 or 8192) does not match its checksum; DuckDB "
              "will not open "
              "this file. Restore it from a copy",
              file_.name());
}

Stillness LiveDatabase::stillness() {
  look_for_wal();
  Stillness now;
  std::array<std::uint8_t, 2 * kSlotBytes> both{};  // the file may end before
  file_.read_at(kSlotBytes, both);
  std::memcpy(now.slots[0].data(), both.data(), kSlotBytes);
  std::memcpy(now.slots[1].data(), both.data() + kSlotBytes, kSlotBytes);
  now.wal = stat_path(siblings_.wal);
  now.database = file_.stat();
  return now;
}

std::optional<Slots> LiveDatabase::find_clean_point() {
  Slots before = slots();
  if (!in_place() || !follow_wal()) return std::nullopt;
  const WalContent& content = wal_->scan();
  if (content.commits == 0 || content.bad_entry) return std::nullopt;
  if (wal_->hides_a_flush()) return std::nullopt;
  if (content.marker && !mutated("ignore_marker")) return std::nullopt;
  if (content.header->iteration && *content.header->iteration != before.header().iteration) {
    return std::nullopt;
  }
  if (!wal_->in_place() || !in_place()) return std::nullopt;
  if (slots().raw != before.raw) return std::nullopt;
  return before;
}

}  // namespace duckback
