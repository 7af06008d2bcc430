#include "ops/destination.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "duckfile/header.h"
#include "io/lock_holder.h"
#include "ops/catalog.h"
#include "ops/publish.h"
#include "ops/sidecar.h"

namespace duckback {
namespace {

fs::path follow_links(const fs::path& path) {
  std::error_code failed;
  fs::path real = fs::weakly_canonical(fs::absolute(path), failed);
  return failed ? path : real;
}

// Of a name that may come and go, as a WAL does: only the folder's links are followed.
fs::path place_of(const fs::path& path) { return resolve_path(folder_of(path)) / path.filename(); }

}  // namespace

Destination::Destination(const std::string& given, const Rule& rule) {
  if (given.empty()) throw Error(Errc::invalid, "the destination is empty");
  if (given.find("://") != std::string::npos || looks_like_address(given)) {
    throw Error(Errc::refused,
                "cannot copy to {}: a destination is a file or a folder of this machine, or in a "
                "bucket: s3://BUCKET/FOLDER/",
                given);
  }
  if (std::optional<fs::path> file = find_file_as_folder(given)) {
    throw Error(Errc::refused,
                "cannot copy to {}: {} is a file, not a folder; choose another "
                "destination",
                given, file->string());
  }
  std::string stamp = format_local_stamp(rule.now);
  std::optional<FileStat> there = stat_path(given);
  bool is_folder = there && S_ISDIR(there->mode);
  if (is_folder || given.back() == '/') {
    made_.make(given);
    folder_ = follow_links(given);
    if (stat_path(folder_ / "schema.sql") && stat_path(folder_ / "load.sql")) {
      throw Error(
          Errc::refused,
          "{} holds an exported database, which is not replaced or added to; choose another "
          "destination",
          given);
    }
    stem_ = "backup-" + stamp;
    extension_ = rule.extension;
    chosen_ = true;
  } else {
    if (there && !S_ISREG(there->mode)) {
      throw Error(Errc::refused, "{} is neither a file nor a folder", given);
    }
    fs::path path = follow_links(given);
    folder_ = folder_of(path);
    std::optional<FileStat> folder = stat_path(folder_);
    if (!folder || !S_ISDIR(folder->mode)) {
      throw Error(
          Errc::not_found,
          "folder {} does not exist; make it, or name a folder with a slash at its end ({}/) "
          "to have it made",
          folder_of(given).string(), folder_of(given).string());
    }
    stem_ = path.stem().string();
    extension_ = path.extension().string();
    chosen_ = rule.timestamp;
    if (rule.timestamp) stem_ += "-" + stamp;
  }
  path_ = folder_ / (stem_ + extension_);
  while (chosen_ && stat_path(path_)) advance();
}

void Destination::advance() {
  DUCKBACK_ASSERT(chosen_);
  ++attempt_;
  path_ = folder_ / fmt::format("{}-{}{}", stem_, attempt_, extension_);
}

void check_apart(const fs::path& source, const fs::path& resolved_source,
                 const fs::path& destination) {
  std::optional<FileStat> in_place = stat_path(destination);
  std::optional<FileStat> source_stat = stat_path(source);
  if (in_place && source_stat && in_place->same_file(*source_stat)) {
    throw Error(Errc::refused,
                "{} is the database itself or a link to it; choose another destination",
                destination.string());
  }
  std::vector<fs::path> touched = names_of_copy(destination);
  for (const fs::path& database : {source, resolved_source}) {
    std::vector<fs::path> parts = names_of_copy(database);
    parts.pop_back();  // A sidecar is no part of a database.
    for (const fs::path& part : parts) {
      std::optional<FileStat> part_stat = stat_path(part);
      for (const fs::path& name : touched) {
        std::optional<FileStat> name_stat = stat_path(name);
        bool same = part_stat && name_stat ? part_stat->same_file(*name_stat)
                                           : place_of(part) == place_of(name);
        if (!same) continue;
        throw Error(
            Errc::refused,
            "a copy to {} would replace {}, which belongs to the database {}; choose another "
            "destination",
            destination.string(), part.string(), source.string());
      }
    }
  }
  std::optional<FileStat> there = stat_path(destination);
  if (!there || !S_ISREG(there->mode)) return;
  if (std::optional<Process> user = find_lock_holder(File::open_read(destination), LockKind::any)) {
    throw Error(Errc::conflict, "{} is a database in use by {}; choose another destination",
                destination.string(), to_text(*user));
  }
}

namespace {

// Who has worked with it since must not lose that.
void check_as_written(const fs::path& destination) {
  if (auto writer = find_lock_holder(File::open_read(destination), LockKind::writing)) {
    throw Error(Errc::conflict, "{} is in use by {}; choose another destination",
                destination.string(), to_text(*writer));
  }
  std::string change = find_change(look_at_copy(destination));
  if (change.empty()) return;
  throw Error(Errc::refused,
              "{} is no copy any more: {}. It may hold what is nowhere else; move it and what is "
              "beside it away, or choose another destination",
              destination.string(), change);
}

}  // namespace

void check_replaceable(const fs::path& destination) {
  std::optional<FileStat> there = stat_path(destination);
  fs::path wal = destination.string() + ".wal";
  if (!there && stat_path(wal)) {
    throw Error(Errc::refused,
                "{} is there without its database, and may hold the last of it; move it to a safe "
                "place, or choose "
                "another destination",
                wal.string());
  }
  if (!there || !S_ISREG(there->mode) || there->bytes == 0) return;
  std::array<std::uint8_t, 12> begin{};
  File::open_read(destination).read_at(0, begin);
  if (is_unfinished(begin)) return;
  if (std::memcmp(begin.data() + 8, "DUCK", 4) == 0) {
    if (stat_path(sidecar_path(destination))) return check_as_written(destination);
    throw Error(Errc::refused,
                "{} exists and has no record of duckback beside it ({}): it may be a database in "
                "its own right. Move it away, or choose another destination",
                destination.string(), sidecar_path(destination).filename().string());
  }
  throw Error(Errc::refused, "{} exists and is not a DuckDB database; choose another destination",
              destination.string());
}

}  // namespace duckback
