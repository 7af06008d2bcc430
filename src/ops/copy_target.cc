#include "ops/copy_target.h"

#include "base/error.h"
#include "ops/bucket_address.h"
#include "ops/publish.h"
#include "repo/config.h"
#include "store/directory_store.h"

namespace duckback {
namespace {

// Who copies to one means a snapshot, which may be encrypted, as the copy would not be.
void refuse_repository(const fs::path& folder) {
  if (!fs::is_directory(folder)) return;
  if (DirectoryStore store(folder); !is_repository(store)) return;
  fail_repository(folder.string());
}

class FileTarget : public CopyTarget {
 public:
  explicit FileTarget(const CopyOptions& options)
      : options_(options),
        is_folder_(options.method == CopyOptions::Method::export_parquet),
        destination_(options.destination,
                     {.timestamp = options.timestamp, .extension = is_folder_ ? "" : ".duckdb"}) {
    fs::path source = options.source;
    if (!is_in_bucket(options.source)) {
      check_apart(source, resolve_database(source), destination_.path());
    }
    refuse_repository(folder_of(destination_.path()));
    if (options.clobber) check_replaceable(destination_.path());
    replace_ = options.clobber && !is_folder_ && !destination_.chosen();
    if (!replace_ && stat_path(destination_.path())) fail_exists(address(""), options_);
    remove_leftovers(destination_.path());
  }

  const fs::path& workplace() const override { return destination_.path(); }
  std::string address(std::string_view suffix) const override {
    return destination_.path().string() + std::string(suffix);
  }

  void publish(FileSink::Staged& copy, Sidecar& sidecar) override {
    while (!duckback::publish(copy, destination_.path(), replace_,
                              "a copy was stopped here; run the same `duckback copy` again")) {
      advance();
    }
    note_files(sidecar, destination_.path().filename().string(), copy.database.bytes,
               copy.database.blake3, copy.wal);
    save_sidecar(destination_.path(), sidecar);
  }

  void publish_folder(const fs::path& folder, Sidecar& sidecar) override {
    while (!rename_new(folder, destination_.path())) advance();
    sync_folder(folder_of(destination_.path()));
    sidecar.file = destination_.path().filename().string();
    save_sidecar(destination_.path(), sidecar);
  }

 private:
  void advance() {
    if (!destination_.chosen()) fail_exists(address(""), options_);
    destination_.advance();
  }

  const CopyOptions& options_;
  bool is_folder_ = false;
  Destination destination_;
  bool replace_ = false;
};

}  // namespace

std::unique_ptr<CopyTarget> open_file_target(const CopyOptions& options) {
  return std::make_unique<FileTarget>(options);
}

void note_files(Sidecar& sidecar, const std::string& name, std::uint64_t bytes,
                const Digest& blake3, const std::optional<StagedFile>& wal) {
  sidecar.file = name;
  sidecar.bytes = bytes;
  sidecar.blake3 = to_hex(blake3);
  sidecar.wal.reset();
  if (!wal) return;
  sidecar.wal =
      Sidecar::Wal{.file = name + ".wal", .bytes = wal->bytes, .blake3 = to_hex(wal->blake3)};
}

void fail_repository(const std::string& address) {
  throw Error(Errc::refused,
              "{} is a repository: make a snapshot with `duckback backup --repo {}`, or copy to "
              "another folder",
              address, address);
}

void fail_exists(const std::string& address, const CopyOptions& options) {
  if (!options.clobber) {
    throw Error(Errc::refused, "{} exists, and --no-clobber keeps it", address);
  }
  throw Error(Errc::refused, "{} exists, and an export replaces nothing", address);
}

}  // namespace duckback
