#include "ops/fetch_copy.h"

#include <sys/stat.h>

#include "base/error.h"
#include "ops/bucket_folder.h"
#include "ops/copy_target.h"

namespace duckback {
namespace {

// A copy that can be brought here: its objects are those of its record.
CatalogCopy find_copy(BucketFolder& folder, const std::string& name) {
  std::optional<CatalogCopy> copy;
  try {
    copy = folder.look_at(name);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    throw Error(
        Errc::refused,
        "{} is not there, or has no record of duckback beside it, so that nothing can prove "
        "what arrives; `duckback list` shows the copies in a folder",
        folder.address_of(name));
  }
  if (copy->problem.empty()) return std::move(*copy);
  throw Error(Errc::unverified, "{}: {}", folder.address_of(name), copy->problem);
}

// In a folder it keeps its name.
std::string destination_of(const CopyOptions& options, const std::string& name) {
  std::optional<FileStat> there = stat_path(options.destination);
  bool is_folder = options.destination.ends_with('/') || (there && S_ISDIR(there->mode));
  if (!is_folder) return options.destination;
  return options.destination + (options.destination.ends_with('/') ? "" : "/") + name;
}

class Fetching {
 public:
  Fetching(BucketFolder& folder, const CopyOptions& options) : folder_(folder), options_(options) {}

  StagedFile stage(const std::string& name, std::uint64_t bytes, const std::string& blake3,
                   const fs::path& workplace) const {
    if (std::uint64_t free = free_space(folder_of(workplace)); free < bytes) {
      throw Error(Errc::no_space, "{} needs {}, and {} has {} free", folder_.address_of(name),
                  format_bytes(bytes), folder_of(workplace).string(), format_bytes(free));
    }
    TempFile temp = TempFile::beside(workplace);
    folder_.download(name, bytes, temp.file(), [&](std::uint64_t done) {
      if (options_.progress) options_.progress(CaptureProgress::of_bytes(done, bytes));
    });
    StagedFile staged = stage_file(std::move(temp));
    if (staged.bytes == bytes && to_hex(staged.blake3) == blake3) return staged;
    throw Error(Errc::unverified,
                "{} is not what duckback wrote: its BLAKE3 is not that of its record",
                folder_.address_of(name));
  }

 private:
  BucketFolder& folder_;
  const CopyOptions& options_;
};

}  // namespace

CopyResult fetch_copy(const CopyOptions& options) {
  auto began = std::chrono::steady_clock::now();
  if (is_in_bucket(options.destination)) {
    throw Error(Errc::invalid, "one of source and destination is on this machine");
  }
  BucketAddress address = parse_bucket_address(options.source);
  if (address.name.empty()) {
    throw Error(Errc::invalid, "{} is a folder; name a copy in it", options.source);
  }
  BucketFolder folder(address, options.stop);
  CatalogCopy copy = find_copy(folder, address.name);
  CopyOptions with_name = options;
  with_name.destination = destination_of(options, address.name);
  MadeFolders made;
  if (with_name.destination != options.destination) made.make(options.destination);
  std::unique_ptr<CopyTarget> target = open_file_target(with_name);

  if (options.step) options.step(fmt::format("fetching {}", options.source));
  const Sidecar& record = copy.sidecar;
  Fetching fetching(folder, options);
  FileSink::Staged staged{
      .database = fetching.stage(address.name, record.bytes, record.blake3, target->workplace()),
      .wal = std::nullopt};
  if (record.wal) {
    staged.wal = fetching.stage(address.name + ".wal", record.wal->bytes, record.wal->blake3,
                                target->workplace());
  }
  CopyResult result;
  result.sidecar = record;
  result.sidecar.etag.clear();
  target->publish(staged, result.sidecar);
  result.path = target->address();
  result.sidecar_path = target->address(kSidecarSuffix);
  if (result.sidecar.wal) result.wal_path = target->address(".wal");
  result.elapsed = std::chrono::steady_clock::now() - began;
  return result;
}

}  // namespace duckback
