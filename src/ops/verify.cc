#include "ops/verify.h"

#include <algorithm>
#include <memory>
#include <tuple>

#include "base/error.h"
#include "base/hash.h"
#include "duckfile/pairing.h"
#include "io/lock_holder.h"
#include "io/temp_file.h"
#include "ops/catalog.h"

namespace duckback {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;

class Verifier {
 public:
  Verifier(const fs::path& path, const VerifyOptions& options)
      : options_(options), wal_path_(path.string() + ".wal") {
    report_.path = path;
  }

  VerifyReport run() {
    if (options_.level != VerifyLevel::blocks) find_library(options_.worker);
    load_own_sidecar();
    if (!stat_path(report_.path)) {
      if (!sidecar_) throw Error(Errc::not_found, "there is no {}", report_.path.string());
      find("the file is gone, only its sidecar is left");
      return std::move(report_);
    }
    if (fs::is_directory(report_.path)) {
      note("an export is a folder of Parquet files; only their sizes are checked");
      compare_sizes();
      return std::move(report_);
    }
    File file = File::open_read(report_.path);
    refuse_writer(file);
    FileStat before = file.stat();
    compare_sizes();
    verify_database(file, before.bytes);
    verify_wal();
    if (file.stat() != before) {
      throw Error(Errc::conflict, "{} changed while it was verified; {}", report_.path.string(),
                  kAdvice);
    }
    if (options_.level != VerifyLevel::blocks) open_in_duckdb(file);
    return finish();
  }

 private:
  static constexpr std::string_view kAdvice =
      "verify is for finished copies: make one with `duckback copy`, or look at this database with "
      "`duckback inspect`";

  void find(std::string text, std::optional<std::uint64_t> block = {},
            std::optional<std::uint64_t> offset = {}) {
    ++report_.finding_count;
    if (report_.findings.size() == kFindingsMost) return;
    report_.findings.push_back({std::move(text), block, offset});
  }
  void note(std::string text) { report_.notes.push_back(std::move(text)); }

  void load_own_sidecar() {
    if (!stat_path(sidecar_path(report_.path))) {
      note("no sidecar: checked by its own structure only");
      return;
    }
    report_.has_sidecar = true;
    try {
      sidecar_ = load_sidecar(report_.path);
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt) throw;
      find(error.what());
    }
  }

  void refuse_writer(const File& file) const {
    if (auto writer = find_lock_holder(file, LockKind::writing)) {
      throw Error(Errc::conflict, "{} is in use: {} has it open for writing; {}",
                  report_.path.string(), to_text(*writer), kAdvice);
    }
  }

  void compare_sizes() {
    if (!sidecar_) {
      for (const char* suffix : {".wal.checkpoint", ".wal.recovery"}) {
        fs::path path = report_.path.string() + suffix;
        if (stat_path(path)) {
          note(
              fmt::format("{} lies beside, left by a checkpoint that was interrupted; it is not "
                          "checked, `duckback inspect` shows it",
                          path.filename().string()));
        }
      }
      return;
    }
    CatalogCopy copy = look_at_copy(report_.path);
    if (!copy.problem.empty()) find(copy.problem);
  }

  void verify_database(const File& file, std::uint64_t file_bytes) {
    std::optional<Blake3> hash;
    if (sidecar_ && !sidecar_->blake3.empty()) hash.emplace();
    std::uint64_t done = 0;
    auto see = [&](ByteView bytes) {
      if (hash) hash->update(bytes);
      done += bytes.size();
      if (options_.progress) options_.progress(done, file_bytes);
    };
    if (const DatabaseHeader* header = read_headers(file, file_bytes)) {
      report_.blocks = check_blocks(
          file, *header, cipher_.get(),
          [&](const BlockFinding& one) { find(to_text(one), one.id, one.offset); }, see);
      if (!report_.blocks->free_list_error.empty()) {
        find("free list: " + report_.blocks->free_list_error);
        note(
            "without the free list every block with content was checked; some of them may be "
            "free");
      }
    } else if (hash) {
      read_all(file, see);
    }
    if (hash && to_hex(hash->digest()) != sidecar_->blake3) {
      find("its BLAKE3 is not that of the sidecar: the bytes are not those duckback wrote");
    } else if (hash) {
      report_.hash_fits = true;
    }
    if (report_.blocks) {
      report_.proven = VerifyLevel::blocks;
    } else if (report_.hash_fits) {
      report_.proven = VerifyLevel::hash;
    }
  }

  static void read_all(const File& file, const std::function<void(ByteView)>& see) {
    Bytes buffer(kPieceBytes);
    for (std::uint64_t offset = 0;;) {
      std::size_t count = file.read_at(offset, buffer);
      if (count == 0) return;
      see(ByteView(buffer).first(count));
      offset += count;
    }
  }

  // The header that counts; null if there is none to go by, the reason found or noted.
  const DatabaseHeader* read_headers(const File& file, std::uint64_t file_bytes) {
    try {
      main_ = read_main_header(file);
    } catch (const Error& error) {
      if (error.code() == Errc::refused && !sidecar_) throw;
      find(error.what(), {}, 0);
      return nullptr;
    }
    if (main_->encryption && !options_.key) {
      bool hash_known = sidecar_ && !sidecar_->blake3.empty();
      if (report_.good() && !hash_known) {
        throw Error(Errc::invalid,
                    "{} is encrypted and has no sidecar with its hash: without the key nothing can "
                    "be checked; give --key-file or --key-env",
                    report_.path.string());
      }
      note(
          "encrypted, and no key was given: blocks and WAL entries cannot be checked, only the "
          "hash of the files; give --key-file or --key-env");
      return nullptr;
    }
    if (main_->encryption) {
      cipher_ = std::make_unique<BlockCipher>(*main_, *options_.key);
      if (!cipher_->fits(*main_)) {
        throw Error(Errc::invalid, "the key does not open {}", report_.path.string());
      }
    }
    std::array<std::optional<DatabaseHeader>, 2> slots;
    for (std::size_t i = 0; i < 2; ++i) {
      std::uint64_t offset = kSlotBytes * (1 + i);
      Slot raw;
      try {
        if (file.read_at(offset, raw) < raw.size()) {
          find(fmt::format("database header {} at offset {}: the file ends before it does", i + 1,
                           offset),
               {}, offset);
          continue;
        }
        slots[i] = parse_database_header(raw, *main_, cipher_.get(), file.name());
        if (!slots[i]) {
          find(fmt::format("database header {} at offset {}: its checksum is wrong; DuckDB opens "
                           "the file only if both are right",
                           i + 1, offset),
               {}, offset);
        }
      } catch (const Error& error) {
        find(error.what(), {}, offset);
      }
    }
    bool first = slots[0] && (!slots[1] || slots[0]->iteration > slots[1]->iteration);
    header_ = first ? slots[0] : slots[1];
    if (!header_) return nullptr;
    // A block that the file lacks must at least have its 8 bytes in the free list.
    std::uint64_t most = file_bytes / header_->block_bytes + file_bytes / 8;
    if (header_->block_count > most) {
      find(fmt::format("the database header claims {} blocks; a file of {} bytes has at most {}",
                       header_->block_count, file_bytes, most));
      return nullptr;
    }
    return &*header_;
  }

  void verify_wal() {
    bool expected = sidecar_ && sidecar_->wal;
    std::optional<FileStat> stat = stat_path(wal_path_);
    if (!stat || (sidecar_ && !expected)) return;  // compare_sizes() has told
    File file = File::open_read(wal_path_);
    bool as_written = false;
    if (expected) {
      Blake3 hash;
      read_all(file, [&](ByteView bytes) { hash.update(bytes); });
      as_written = to_hex(hash.digest()) == sidecar_->wal->blake3;
      if (!as_written) {
        find("WAL: its BLAKE3 is not that of the sidecar: the bytes are not those duckback wrote");
      }
    }
    if (!main_) return;
    WalScanner scanner(file, main_->encryption, cipher_.get());
    try {
      scanner.scan();
    } catch (const Error& error) {
      find(fmt::format("WAL: {}", error.what()));
      return;
    }
    judge_wal(scanner.content(), stat->bytes, as_written);
  }

  void judge_wal(const WalContent& wal, std::uint64_t bytes, bool as_written) {
    report_.wal_commits = wal.commits;
    if (wal.bad_entry) {
      find(
          fmt::format("WAL: the checksum of the entry at offset {} is wrong; the commits before it "
                      "({}, up to offset {}) are good",
                      wal.scanned_end, wal.commits, wal.committed_end),
          {}, wal.scanned_end);
    } else if (wal.scanned_end < bytes) {
      std::string text = fmt::format(
          "WAL: the last entry, at offset {}, is incomplete; DuckDB ignores it, the commits "
          "before it ({}, up to offset {}) are good",
          wal.scanned_end, wal.commits, wal.committed_end);
      // duckback ships no such tail.
      if (sidecar_ && !as_written) {
        find(std::move(text), {}, wal.scanned_end);
      } else {
        note(std::move(text));
      }
    }
    Pairing pairing = judge_pairing(*main_, header_ ? &*header_ : nullptr, wal);
    if (pairing.verdict == Pairing::Verdict::wrong) {
      find("pairing: " + pairing.explanation);
    } else if (pairing.verdict == Pairing::Verdict::unprovable &&
               !(as_written && report_.hash_fits)) {
      note("pairing: " + pairing.explanation);
    }
    if (header_ && wal.has_row_groups && !(as_written && report_.hash_fits)) {
      note(
          "the WAL refers to blocks outside the used ones; those are proven by the file's hash "
          "only");
    }
  }

  void open_in_duckdb(const File& file) {
    if (!report_.good()) {
      note("not opened in DuckDB, for what was found already");
      return;
    }
    if (main_->encryption && !options_.key) {
      note("not opened in DuckDB: it is encrypted and no key was given");
      return;
    }
    OpenRequest request{.database = report_.path,
                        .key = main_->encryption ? options_.key : std::nullopt,
                        .read_only = true,
                        .full_scan = options_.level == VerifyLevel::full};
    WorkerOptions worker = options_.worker;
    // A WAL is replayed, which DuckDB does reliably only where it may write.
    std::unique_ptr<TempFolder> scratch;
    std::optional<FileStat> wal = stat_path(wal_path_);
    if (wal && !main_->encryption) {
      scratch = std::make_unique<TempFolder>(TempFolder::beside(
          worker.scratch.empty() ? report_.path : worker.scratch / report_.path.filename()));
      expect_space(file.stat().bytes + wal->bytes, scratch->path());
      worker.scratch = scratch->path();
      request.database = scratch->path() / "copy.duckdb";
      request.read_only = false;
      File::create(request.database).copy_from(file);
      File::create(request.database.string() + ".wal").copy_from(File::open_read(wal_path_));
    }
    try {
      OpenedDatabase opened = open_database(request, worker);
      report_.library_version = opened.library_version;
      compare_tables(opened.tables);
      report_.tables = std::move(opened.tables);
      if (report_.good()) report_.proven = options_.level;
    } catch (const Error& error) {
      if (error.code() != Errc::unverified) throw;
      find(fmt::format("DuckDB: {}", error.what()));
    }
  }

  static void expect_space(std::uint64_t bytes, const fs::path& folder) {
    std::uint64_t free = free_space(folder);
    if (free >= bytes) return;
    throw Error(Errc::no_space,
                "opening a copy with its WAL needs {} in {}, which has {}; name another place with "
                "--scratch",
                format_bytes(bytes), folder_of(folder).string(), format_bytes(free));
  }

  void compare_tables(const std::vector<TableCount>& counted) {
    if (!sidecar_ || !sidecar_->tables) return;
    auto key = [](const auto& table) { return std::tie(table.schema, table.table); };
    auto named = [](const auto& table) { return fmt::format("{}.{}", table.schema, table.table); };
    auto by_key = [&](const auto& a, const auto& b) { return key(a) < key(b); };
    std::vector<Sidecar::Table> expected = *sidecar_->tables;
    std::vector<TableCount> actual = counted;
    std::sort(expected.begin(), expected.end(), by_key);
    std::sort(actual.begin(), actual.end(), by_key);
    auto a = actual.begin();
    for (const Sidecar::Table& table : expected) {
      for (; a != actual.end() && key(*a) < key(table); ++a) {
        find(fmt::format("table {} is not in the sidecar", named(*a)));
      }
      if (a == actual.end() || key(*a) != key(table)) {
        find(fmt::format("table {} is missing", named(table)));
        continue;
      }
      if (a->rows != table.rows) {
        find(fmt::format("table {} has {} rows, {} when it was copied", named(table), a->rows,
                         table.rows));
      }
      ++a;
    }
    for (; a != actual.end(); ++a) find(fmt::format("table {} is not in the sidecar", named(*a)));
  }

  // Records the result where the copy keeps its history.
  VerifyReport finish() {
    if (!sidecar_) return std::move(report_);
    SystemTime now = std::chrono::system_clock::now();
    if (report_.good()) {
      VerifyLevel level = *report_.proven;
      // The same bytes were proven further once.
      if (sidecar_->verified && report_.hash_fits) {
        for (VerifyLevel one : {VerifyLevel::blocks, VerifyLevel::open, VerifyLevel::full}) {
          if (sidecar_->verified->level == name_of(one)) level = std::max(one, level);
        }
      }
      sidecar_->verified = Sidecar::Verified{.time = now, .level = std::string(name_of(level))};
      sidecar_->failed.reset();
    } else {
      sidecar_->failed = Sidecar::Failed{.time = now, .finding = report_.findings.front().text};
    }
    try {
      save_sidecar(report_.path, *sidecar_);
    } catch (const Error& error) {
      note(fmt::format("the result could not be recorded: {}", error.what()));
    }
    return std::move(report_);
  }

  const VerifyOptions& options_;
  fs::path wal_path_;
  VerifyReport report_;
  std::optional<Sidecar> sidecar_;
  std::optional<MainHeader> main_;
  std::unique_ptr<BlockCipher> cipher_;
  std::optional<DatabaseHeader> header_;
};

}  // namespace

std::string_view name_of(VerifyLevel level) {
  switch (level) {
    case VerifyLevel::hash:
      return "hash";
    case VerifyLevel::blocks:
      return "blocks";
    case VerifyLevel::open:
      return "open";
    case VerifyLevel::full:
      return "full";
  }
  return "blocks";
}

VerifyReport verify(const fs::path& path, const VerifyOptions& options) {
  return Verifier(path, options).run();
}

}  // namespace duckback
