#include "ops/scratch_database.h"

#include <sys/stat.h>

#include <cstdlib>

#include "base/error.h"
#include "ops/restore.h"
#include "ops/snapshot_details.h"

namespace duckback {
namespace {

constexpr const char* kUsualPlace = "/var/tmp";

bool is_folder(const fs::path& path) {
  std::optional<FileStat> stat = stat_path(path);
  return stat && S_ISDIR(stat->mode);
}

fs::path choose_scratch(const fs::path& given) {
  if (!given.empty()) {
    if (!is_folder(given)) throw Error(Errc::not_found, "there is no folder {}", given.string());
    return given;
  }
  const char* named = std::getenv("TMPDIR");
  for (const char* place : {named == nullptr ? "" : named, kUsualPlace}) {
    if (*place != '\0' && is_folder(place) && !is_memory_filesystem(place)) return place;
  }
  throw Error(Errc::refused,
              "there is no folder on disk for DuckDB to open the database in: $TMPDIR and {} are "
              "not there or in memory; name one with --scratch",
              kUsualPlace);
}

// What it needs at most, but for what DuckDB spills: a WAL that is replayed grows the file.
std::uint64_t needed_bytes(const Snapshot& snapshot) {
  return snapshot.file.bytes + 2 * snapshot.wal.bytes;
}

std::string file_name_of(const Snapshot& snapshot, const std::string& given) {
  if (!given.empty()) return given;
  std::string name = fs::path(snapshot.database).filename().string();
  return snapshot.named || name.empty() ? "snapshot.duckdb" : name;
}

// Errors outlive the folder: they are of the database.
template <class Body>
auto without(const fs::path& folder, Body body) {
  try {
    return body();
  } catch (const Error& error) {
    std::string message = error.what();
    std::string prefix = folder.string() + "/";
    for (std::size_t at = message.find(prefix); at != message.npos; at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    throw Error(error.code(), message);
  }
}

}  // namespace

fs::path find_scratch(const fs::path& given, std::uint64_t bytes) {
  fs::path folder = fs::absolute(choose_scratch(given));
  remove_leftovers(folder / "scratch");
  std::uint64_t free = free_space(folder);
  if (free >= bytes) return folder;
  throw Error(Errc::no_space,
              "opening the database needs {} in {}, which has {} free; name another folder with "
              "--scratch",
              format_bytes(bytes), folder.string(), format_bytes(free));
}

ScratchDatabase::ScratchDatabase(const Repository& repository, const Snapshot& snapshot,
                                 ScratchOptions options)
    : options_(std::move(options)),
      block_bytes_(snapshot.file.chunk_bytes),
      encrypted_(parse_details(snapshot.details).encrypted),
      folder_(
          TempFolder::beside(find_scratch(options_.scratch, needed_bytes(snapshot)) / "scratch")),
      database_(folder_.path() / file_name_of(snapshot, options_.file_name)) {
  RestoreOptions restore_options;
  restore_options.target = database_;
  restore_options.leave_out = options_.leave_out;
  restore_options.without_wal = options_.leave_out != nullptr;
  restore_options.stop = options_.stop;
  without(folder_.path(), [&] { return restore(repository, snapshot, restore_options); });
}

OpenedDatabase ScratchDatabase::open(bool full_scan, std::chrono::milliseconds timeout) const {
  OpenRequest request{.database = database_,
                      .key = encrypted_ ? options_.key : std::nullopt,
                      .read_only = encrypted_,
                      .full_scan = full_scan};
  WorkerOptions options = worker();
  options.timeout = timeout;
  return without(folder_.path(), [&] { return open_database(request, options); });
}

std::vector<BlockUser> ScratchDatabase::block_users(
    const std::vector<std::uint64_t>& blocks) const {
  BlockUsersRequest request{.database = database_, .block_bytes = block_bytes_, .blocks = blocks};
  return without(folder_.path(), [&] { return find_block_users(request, worker()); });
}

WorkerOptions ScratchDatabase::worker() const {
  WorkerOptions worker;
  worker.library = options_.library;
  worker.scratch = folder_.path();
  worker.stop = options_.stop;
  return worker;
}

}  // namespace duckback
