#include "ops/inspect.h"

#include <chrono>
#include <memory>
#include <thread>

#include "base/error.h"
#include "capture/capture.h"
#include "duckfile/free_list.h"

namespace duckback {
namespace {

constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause{10};

std::unique_ptr<BlockCipher> make_cipher(const MainHeader& main, const fs::path& path,
                                         const std::optional<std::string>& key) {
  if (!key) return nullptr;
  if (!main.encryption) {
    throw Error(Errc::invalid, "{} is not encrypted, but a key was given", path.string());
  }
  auto cipher = std::make_unique<BlockCipher>(main, *key);
  if (!cipher->fits(main)) {
    throw Error(Errc::invalid, "the key does not open {}", path.string());
  }
  return cipher;
}

// The slots one by one: a damaged file may have one good one.
void read_slots_apart(const File& file, const BlockCipher* cipher, Inspection& report) {
  for (std::size_t i = 0; i < 2; ++i) {
    std::uint64_t offset = kSlotBytes * (1 + i);
    Slot raw;
    try {
      if (file.read_at(offset, raw) < raw.size()) {
        report.problems.push_back(
            fmt::format("database header {} (offset {}): the file ends before", i + 1, offset));
        continue;
      }
      report.slots[i] = parse_database_header(raw, *report.main, cipher, file.name());
      if (!report.slots[i]) {
        report.problems.push_back(
            fmt::format("database header {} (offset {}): its checksum is wrong", i + 1, offset));
      }
    } catch (const Error& error) {
      report.problems.push_back(error.what());
    }
  }
  const auto& [first, second] = report.slots;
  if (first && (!second || first->iteration > second->iteration)) {
    report.active = 0;
  } else if (second) {
    report.active = 1;
  }
}

void read_blocks(const File& file, const BlockCipher* cipher, Inspection& report) {
  BlockUsage usage{.total = report.header()->block_count};
  try {
    read_free_list(file, *report.header(), cipher,
                   {.free_block = [&](std::uint64_t) { ++usage.free; },
                    .multi_use_block = [&](std::uint64_t, std::uint32_t) { ++usage.multi_use; },
                    .metadata_block = [&](std::uint64_t, std::uint64_t) { ++usage.metadata; }});
    usage.used = usage.total - usage.free;
    report.blocks = usage;
  } catch (const Error& error) {
    report.problems.push_back(error.what());
  }
}

std::optional<WalReport> read_wal(const fs::path& path, const Inspection& database,
                                  const BlockCipher* cipher) {
  if (!stat_path(path)) return std::nullopt;
  WalReport report{.path = path, .bytes = 0, .content = {}, .error = ""};
  try {
    File file = File::open_read(path);
    report.bytes = file.stat().bytes;
    WalScanner scanner(file, database.main->encryption, cipher);
    try {
      scanner.scan();
    } catch (const Error& error) {
      report.error = error.what();
    }
    report.content = scanner.content();
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return std::nullopt;
    report.error = error.what();
  }
  return report;
}

Inspection look_once(const File& file, const fs::path& given, const fs::path& resolved,
                     const std::optional<std::string>& key) {
  Inspection report;
  report.path = resolved;
  report.file = file.stat();
  report.network_filesystem = is_network_filesystem(resolved);
  LockState lock = look_at_lock(file, LockKind::writing);
  report.writer = lock.holder;
  report.locks_known = lock.known;
  if (!report.writer) report.reader = find_lock_holder(file, LockKind::any);
  report.openers = find_openers(report.file);
  std::unique_ptr<BlockCipher> cipher;
  try {
    report.main = read_main_header(file);
  } catch (const Error& error) {
    if (error.code() == Errc::refused) throw;
    report.problems.push_back(error.what());
    return report;
  }
  cipher = make_cipher(*report.main, resolved, key);
  report.key_needed = report.main->encryption.has_value() && cipher == nullptr;
  if (!report.key_needed) {
    read_slots_apart(file, cipher.get(), report);
    if (report.header() != nullptr) {
      report.storage = storage_version(*report.main, *report.header());
      read_blocks(file, cipher.get(), report);
    }
  }
  try {
    Siblings siblings = find_siblings(given, resolved);
    report.wal = read_wal(siblings.wal, report, cipher.get());
    report.wal_checkpoint = read_wal(siblings.wal_checkpoint, report, cipher.get());
    report.wal_recovery = read_wal(siblings.wal_recovery, report, cipher.get());
  } catch (const Error& error) {
    report.problems.push_back(error.what());
  }
  if (report.wal) {
    report.pairing = judge_pairing(*report.main, report.header(), report.wal->content);
  }
  return report;
}

}  // namespace

Inspection inspect(const fs::path& database, const std::optional<std::string>& key) {
  std::optional<FileStat> stat = stat_path(database);
  if (!stat) {
    throw Error(Errc::not_found, "there is no {}{}", database.string(),
                stat_path(database.string() + ".wal")
                    ? fmt::format("; but {}.wal exists: do not open {} in DuckDB, that would empty "
                                  "the WAL",
                                  database.string(), database.string())
                    : "");
  }
  if (fs::is_directory(database)) {
    throw Error(Errc::refused, "{} is a folder; name a database file in it", database.string());
  }
  fs::path resolved = resolve_path(database);
  for (int attempt = 1;; ++attempt) {
    File file = File::open_read(resolved);
    std::array<std::uint8_t, kBlockStart> before{};
    std::array<std::uint8_t, kBlockStart> after{};
    file.read_at(0, before);
    Inspection report = look_once(file, database, resolved, key);
    file.read_at(0, after);
    std::optional<FileStat> named = stat_path(resolved);
    bool still = before == after && named && named->same_file(report.file);
    // In a file at rest, trying again changes nothing.
    bool torn = !report.problems.empty() && report.writer;
    if (still && !torn) return report;
    if (attempt == kTries) {
      report.moved = !still;
      return report;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace duckback
