#include "ops/copy.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "duckdb/worker.h"
#include "duckfile/block_check.h"
#include "io/host.h"
#include "ops/bucket_target.h"
#include "ops/copy_target.h"

namespace duckback {
namespace {

void check_source(const fs::path& source) {
  std::optional<FileStat> there = stat_path(source);
  if (there && S_ISREG(there->mode)) return;
  if (there && S_ISDIR(there->mode)) {
    throw Error(Errc::refused, "{} is a folder; name the database file in it", source.string());
  }
  if (there) throw Error(Errc::refused, "{} is no regular file", source.string());
  if (source.empty()) throw Error(Errc::invalid, "the source is empty");
  fs::path wal = source.string() + ".wal";
  if (stat_path(wal)) {
    throw Error(
        Errc::refused,
        "{} does not exist, but its WAL {} does. Do not open {} with DuckDB: it would make an "
        "empty database and drop that WAL. Restore the database file from a copy first, or "
        "move the WAL to a safe place",
        source.string(), wal.string(), source.string());
  }
  if (std::optional<fs::path> file = find_file_as_folder(source)) {
    throw Error(Errc::not_found, "{} does not exist: {} is a file, not a folder", source.string(),
                file->string());
  }
  throw Error(Errc::not_found, "{} does not exist", source.string());
}

std::uint64_t bytes_of(const fs::path& path) {
  std::optional<FileStat> there = stat_path(path);
  return there ? there->bytes : 0;
}

// Before anything is written: filling the disk could stop the very application that is backed up.
void check_space(const fs::path& source, const fs::path& destination) {
  fs::path folder = folder_of(destination);
  std::uint64_t needed = bytes_of(source) + bytes_of(source.string() + ".wal");
  std::uint64_t free = free_space(folder);
  if (free >= needed) return;
  if (TempFile::beside(destination).file().clone_from(File::open_read(source))) return;
  throw Error(Errc::no_space,
              "a copy of {} needs up to {}, and {} has {} free; free some, or choose another "
              "destination",
              source.string(), format_bytes(needed), folder.string(), format_bytes(free));
}

Sidecar describe(const CopyOptions& options, const Image& image) {
  Sidecar sidecar;
  sidecar.host = host_name();
  sidecar.database = image.path.string();
  sidecar.name = options.name;
  sidecar.time = std::chrono::system_clock::now();
  sidecar.method = name_of(options.method);
  sidecar.certification = name_of(image.grade);
  if (image.header) {
    StorageVersion version = storage_version(image.main, *image.header);
    sidecar.storage_version = version.number;
    sidecar.needs = version.needs;
  } else {
    sidecar.storage_version = image.main.version;
  }
  sidecar.encrypted = image.main.encryption.has_value();
  sidecar.source_bytes = image.source.bytes;
  sidecar.source_wal_bytes = image.wal_bytes;
  sidecar.blocks = image.blocks;
  sidecar.free_blocks = image.free_blocks;
  sidecar.damaged_blocks = image.damaged_blocks;
  return sidecar;
}

class Copying {
 public:
  explicit Copying(const CopyOptions& options)
      : options_(options), source_(options.source), began_(std::chrono::steady_clock::now()) {
    check_source(source_);
    if (!is_in_bucket(options_.destination)) {
      target_ = open_file_target(options_);
      return;
    }
    auto bucket = std::make_unique<BucketTarget>(options_);
    bucket_ = bucket.get();
    target_ = std::move(bucket);
  }

  CopyResult run() {
    switch (options_.method) {
      case CopyOptions::Method::cp:
        copy_blocks();
        break;
      case CopyOptions::Method::attach:
        copy_logically();
        break;
      case CopyOptions::Method::export_parquet:
        export_files();
        break;
    }
    result_.path = target_->address();
    result_.sidecar_path = target_->address(kSidecarSuffix);
    if (result_.sidecar.wal) result_.wal_path = target_->address(".wal");
    result_.elapsed = std::chrono::steady_clock::now() - began_;
    return std::move(result_);
  }

 private:
  void step(const std::string& what) const {
    if (options_.step) options_.step(what);
  }

  void copy_blocks() {
    if (bucket_ != nullptr && send_blocks()) return;
    FileSink::Staged staged = capture_files(target_->workplace(), FileSink::Purpose::publish);
    if (staged.wal && !options_.keep_wal) settle(staged);
    if (wants_open() && !result_.sidecar.settled) verify_by_opening(staged);
    publish_files(staged);
  }

  void copy_logically() {
    TempFolder scratch = TempFolder::beside(target_->workplace());
    fs::path source = capture_to_scratch(scratch);
    step("copying it through DuckDB");
    fs::path target = scratch.path() / "copy.duckdb";
    LogicalCopyRequest request;
    request.source = source;
    request.catalog = source_.stem().string();
    request.source_key = options_.key;
    request.target = target;
    request.storage_version = options_.storage_version;
    OpenedDatabase copied = logical_copy(request, worker(scratch));
    note_tables(copied);
    step("verifying the blocks of the copy");
    FileSink::Staged staged{.database = stage_closed(target), .wal = std::nullopt};
    if (wants_open()) verify_by_opening(staged);
    publish_files(staged);
  }

  void export_files() {
    TempFolder scratch = TempFolder::beside(target_->workplace());
    fs::path source = capture_to_scratch(scratch);
    step("exporting it through DuckDB");
    fs::path folder = scratch.path() / "export";
    ExportRequest request;
    request.source = source;
    request.catalog = source_.stem().string();
    request.source_key = options_.key;
    request.folder = folder;
    note_tables(export_parquet(request, worker(scratch)));
    fs::permissions(folder, fs::perms::owner_all);

    step("making the export durable");
    Sidecar& sidecar = result_.sidecar;
    sidecar.encrypted = false;
    sidecar.verified.reset();
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_directory()) {
        sync_folder(entry.path());
        continue;
      }
      File::open_write(entry.path()).sync();
      sidecar.bytes += entry.file_size();
    }
    sync_folder(folder);
    target_->publish_folder(folder, sidecar);
  }

  // Into the bucket while it is captured. False if the copy needs a file: DuckDB has to fold a WAL
  // in, or to open it.
  bool send_blocks() {
    bool has_wal = bytes_of(find_siblings(source_, resolve_database(source_)).wal) > 0;
    if (wants_open() || (has_wal && !options_.keep_wal)) return false;
    std::unique_ptr<UploadSink> sink = bucket_->make_sink();
    capture_into(*sink);
    // The writer may have begun a WAL meanwhile.
    if (result_.image.wal_bytes > 0 && !options_.keep_wal) return false;
    step("sending the rest of the copy");
    std::optional<UploadSink::Staged> staged = sink->finish(result_.image);
    if (!staged) return false;
    bucket_->publish(*staged, result_.sidecar);
    return true;
  }

  FileSink::Staged capture_files(const fs::path& destination, FileSink::Purpose purpose) {
    check_space(source_, target_->workplace());
    FileSink sink(destination, purpose);
    capture_into(sink);
    if (purpose == FileSink::Purpose::publish) step("making the copy durable");
    return sink.finish(result_.image);
  }

  void capture_into(ImageSink& sink) {
    step(fmt::format("capturing {}", source_.string()));
    result_.image = capture(source_, sink,
                            {.timeout = options_.timeout,
                             .require_certified = options_.require_certified,
                             .verify_blocks = options_.verify != CopyOptions::Verify::none,
                             .allow_damaged = options_.allow_damaged,
                             .key = options_.key,
                             .progress = options_.progress,
                             .stop = options_.stop});
    const Image& image = result_.image;
    require_key(image);
    result_.sidecar = describe(options_, image);
    result_.warnings = image.warnings;
    if (image.wal_damaged) {
      result_.sidecar.failed =
          Sidecar::Failed{.time = result_.sidecar.time,
                          .finding = "the source's WAL was damaged; later commits are missing"};
    }
    if (options_.verify != CopyOptions::Verify::none && image.damaged_blocks == 0 && image.header) {
      result_.sidecar.verified = Sidecar::Verified{result_.sidecar.time, "blocks"};
    }
  }

  void require_key(const Image& image) const {
    if (!image.main.encryption || options_.key) return;
    bool logical = options_.method != CopyOptions::Method::cp;
    if (!logical && !wants_open()) return;
    std::string what = logical ? fmt::format("--method {}", name_of(options_.method))
                               : fmt::format("--verify {}", name_of(options_.verify));
    throw Error(Errc::invalid,
                "{} is encrypted: {} needs its key; give it to `duckback copy` with --key-file or "
                "--key-env",
                source_.string(), what);
  }

  // Returns the database, with its WAL beside it.
  fs::path capture_to_scratch(const TempFolder& scratch) {
    fs::path database = scratch.path() / source_.filename();
    FileSink::Staged staged = capture_files(database, FileSink::Purpose::scratch);
    if (options_.key && result_.image.main.encryption) {
      result_.warnings.push_back(
          "the database is encrypted, the copy is NOT: DuckDB's own crypto only reads. "
          "Keep it where the key would be kept, or use --method cp");
    }
    staged.database.temp.rename_to(database);
    if (staged.wal) staged.wal->temp.rename_to(database.string() + ".wal");
    return database;
  }

  // Folds the WAL in, in a scratch copy: the proven pair is given up only for a file that holds the
  // same tables and rows. Otherwise the pair stays, and the result says why.
  void settle(FileSink::Staged& staged) {
    std::string why_not;
    if (result_.image.main.encryption) {
      why_not = "DuckDB cannot be trusted to write an encrypted database for us";
    } else if (result_.image.damaged_blocks > 0 || result_.image.wal_damaged) {
      why_not = "the database is damaged";
    } else {
      try {
        staged = settled_from(staged);
        return;
      } catch (const Error& error) {
        why_not = error.what();
      }
    }
    result_.warnings.push_back(fmt::format(
        "the copy is two files, and both are needed: its WAL could not be folded in ({})",
        why_not));
  }

  FileSink::Staged settled_from(const FileSink::Staged& staged) {
    step("folding the WAL in");
    check_scratch_space(staged);
    TempFolder scratch = TempFolder::beside(target_->workplace());
    fs::path database = copy_to_scratch(staged, scratch);
    SettledDatabase done =
        settle_database(database, options_.verify == CopyOptions::Verify::full, worker(scratch));
    if (done.replayed.tables != done.settled.tables) {
      throw Error(Errc::unverified, "tables or row counts changed on the way");
    }
    FileSink::Staged result{.database = stage_closed(database), .wal = std::nullopt};
    note_tables(done.settled);
    result_.sidecar.settled = true;
    note_verified(wants_open() ? options_.verify : CopyOptions::Verify::open);
    return result;
  }

  void verify_by_opening(const FileSink::Staged& staged) {
    if (result_.image.damaged_blocks > 0) {
      result_.warnings.push_back("the copy was not opened to verify it, because it is damaged");
      return;
    }
    step("opening the copy with DuckDB");
    bool encrypted = result_.sidecar.encrypted;
    OpenRequest request{.database = staged.database.temp.path(),
                        .catalog = source_.stem().string(),
                        .key = encrypted ? options_.key : std::nullopt,
                        .read_only = encrypted || !staged.wal,
                        .full_scan = options_.verify == CopyOptions::Verify::full};
    TempFolder scratch = TempFolder::beside(target_->workplace());
    if (staged.wal) {
      check_scratch_space(staged);
      request.database = copy_to_scratch(staged, scratch);
    }
    note_tables(open_database(request, worker(scratch)));
    note_verified(options_.verify);
  }

  void check_scratch_space(const FileSink::Staged& staged) const {
    std::uint64_t needed = staged.database.bytes + (staged.wal ? 2 * staged.wal->bytes : 0);
    fs::path folder = folder_of(target_->workplace());
    if (std::uint64_t free = free_space(folder); free < needed) {
      throw Error(Errc::no_space, "opening a scratch copy needs up to {}, and {} has {} free",
                  format_bytes(needed), folder.string(), format_bytes(free));
    }
  }

  // Under its own name, which its views and macros may mention.
  fs::path copy_to_scratch(const FileSink::Staged& staged, const TempFolder& scratch) const {
    fs::path database = scratch.path() / source_.filename();
    File::create(database).copy_from(staged.database.temp.file());
    if (staged.wal) File::create(database.string() + ".wal").copy_from(staged.wal->temp.file());
    return database;
  }

  // A database that DuckDB wrote and closed, its blocks verified while it is hashed; the sidecar
  // then describes it.
  StagedFile stage_closed(const fs::path& database) {
    if (bytes_of(database.string() + ".wal") > 0) {
      throw Error(Errc::unverified, "DuckDB left a WAL behind");
    }
    TempFile temp = TempFile::adopt(database, target_->workplace());
    const File& file = temp.file();
    file.start_writeback(0, 0);
    MainHeader main = read_main_header(file);
    std::optional<Slots> slots = read_slots(file, main, nullptr);
    if (!slots) throw Error(Errc::unverified, "DuckDB left a database header that is not whole");
    Blake3 hash;
    std::uint64_t bytes = 0;
    BlockCheck check = check_blocks(
        file, slots->header(), nullptr,
        [](const BlockFinding& finding) {
          throw Error(Errc::unverified, "DuckDB left a damaged file: {}", to_text(finding));
        },
        [&](ByteView read) {
          hash.update(read);
          bytes += read.size();
        });
    if (!check.good()) throw Error(Errc::unverified, "{}", check.free_list_error);
    file.sync();
    StorageVersion version = storage_version(main, slots->header());
    if (options_.method == CopyOptions::Method::cp &&
        version.number != result_.sidecar.storage_version) {
      throw Error(Errc::unverified, "its storage version would change from {} to {}",
                  result_.sidecar.storage_version, version.number);
    }
    result_.sidecar.storage_version = version.number;
    result_.sidecar.needs = version.needs;
    result_.sidecar.encrypted = false;
    result_.sidecar.blocks = check.used_blocks;
    result_.sidecar.free_blocks = check.free_blocks;
    return {.temp = std::move(temp), .bytes = bytes, .blake3 = hash.digest()};
  }

  bool wants_open() const { return options_.verify >= CopyOptions::Verify::open; }

  void note_verified(CopyOptions::Verify level) {
    result_.sidecar.verified =
        Sidecar::Verified{std::chrono::system_clock::now(), std::string(name_of(level))};
  }

  void note_tables(const OpenedDatabase& opened) {
    result_.sidecar.library_version = opened.library_version;
    result_.sidecar.tables.emplace();
    for (const TableCount& table : opened.tables) {
      result_.sidecar.tables->push_back({table.schema, table.table, table.rows});
    }
  }

  WorkerOptions worker(const TempFolder& scratch) const {
    WorkerOptions worker_options;
    worker_options.library = options_.library;
    worker_options.scratch = scratch.path();
    worker_options.stop = options_.stop;
    return worker_options;
  }

  void publish_files(FileSink::Staged& staged) {
    if (bucket_ != nullptr) step("sending the copy");
    target_->publish(staged, result_.sidecar);
  }

  const CopyOptions& options_;
  fs::path source_;
  std::chrono::steady_clock::time_point began_;
  std::unique_ptr<CopyTarget> target_;
  BucketTarget* bucket_ = nullptr;  // the same, if it is one
  CopyResult result_;
};

}  // namespace

CopyResult copy(const CopyOptions& options) { return Copying(options).run(); }

std::string_view name_of(CopyOptions::Method method) {
  switch (method) {
    case CopyOptions::Method::cp:
      return "cp";
    case CopyOptions::Method::attach:
      return "attach";
    case CopyOptions::Method::export_parquet:
      return "export";
  }
  return "cp";
}

std::string_view name_of(CopyOptions::Verify verify) {
  switch (verify) {
    case CopyOptions::Verify::none:
      return "none";
    case CopyOptions::Verify::blocks:
      return "blocks";
    case CopyOptions::Verify::open:
      return "open";
    case CopyOptions::Verify::full:
      return "full";
  }
  return "blocks";
}

}  // namespace duckback
