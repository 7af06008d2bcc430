#include "ops/catalog.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "ops/file_sink.h"

namespace duckback {

const std::string_view kRemovalStub =
    "duckback was removing this copy and was interrupted.\n"
    "Run `duckback forget` on this folder again, or delete this file and its .wal.\n";

namespace {

bool begins_like_duckdb(const fs::path& path) {
  std::array<std::uint8_t, 12> start{};
  return File::open_read(path).read_at(0, start) == start.size() &&
         std::memcmp(start.data() + 8, "DUCK", 4) == 0;
}

// What the files in an export's folder hold.
std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (at->is_regular_file(failed)) bytes += at->file_size(failed);
  }
  if (failed) throw Error(Errc::io, "cannot list {}: {}", folder.string(), failed.message());
  return bytes;
}

bool is_stub(const fs::path& path, std::uint64_t bytes) {
  return bytes == kRemovalStub.size() && read_text(path, kRemovalStub.size()) == kRemovalStub;
}

// Sidecars come from outside: a name in one must not lead out of the folder.
std::string find_difference(const CatalogCopy& copy, const std::optional<FileStat>& wal) {
  const Sidecar& sidecar = copy.sidecar;
  std::string name = copy.path.filename().string();
  if (sidecar.file != name) {
    return fmt::format("its sidecar is about a file named '{}': it was renamed or replaced",
                       sidecar.file);
  }
  if (sidecar.wal && sidecar.wal->file != name + ".wal") {
    return fmt::format("its sidecar names '{}' as its WAL", sidecar.wal->file);
  }
  std::uint64_t bytes = copy.bytes - (wal ? wal->bytes : 0);
  if (bytes != sidecar.bytes) {
    return fmt::format("it has {} bytes, duckback wrote {}", bytes, sidecar.bytes);
  }
  for (const char* suffix : {".wal.checkpoint", ".wal.recovery"}) {
    if (stat_path(copy.path.string() + suffix)) {
      return fmt::format("a {}{} lies beside: DuckDB has had it open since", name, suffix);
    }
  }
  if (!sidecar.wal && wal) {
    return "a WAL lies beside that duckback did not write: DuckDB has had it open since";
  }
  if (sidecar.wal && !wal) return "its WAL is gone: without it, it is an older state";
  if (sidecar.wal && wal->bytes != sidecar.wal->bytes) {
    return fmt::format("its WAL has {} bytes, duckback wrote {}", wal->bytes, sidecar.wal->bytes);
  }
  return "";
}

}  // namespace

bool CatalogCopy::good() const {
  return state == State::present && sidecar.damaged_blocks == 0 && !sidecar.failed;
}

bool is_sidecar_name(const fs::path& path) {
  std::string name = path.filename().string();
  return name.ends_with(kSidecarSuffix) && name.size() > kSidecarSuffix.size();
}

fs::path copy_of_sidecar(const fs::path& sidecar) {
  std::string path = sidecar.string();
  path.resize(path.size() - kSidecarSuffix.size());
  return path;
}

CatalogCopy look_at_copy(const fs::path& path) {
  CatalogCopy copy;
  copy.sidecar = load_sidecar(path);
  copy.path = path;
  copy.name = path.filename().string();
  std::optional<FileStat> file = stat_path(path);
  std::optional<FileStat> wal = stat_path(path.string() + ".wal");
  if (!file) {
    copy.state = CatalogCopy::State::missing;
    copy.problem = wal ? "the database is gone, its WAL is still there: open nothing at this path "
                         "in DuckDB before the WAL is moved away"
                       : "the file is gone, only its sidecar is left";
    return copy;
  }
  copy.file = *file;
  copy.bytes = (fs::is_directory(path) ? bytes_below(path) : file->bytes) + (wal ? wal->bytes : 0);
  if (is_stub(path, file->bytes)) {
    copy.state = CatalogCopy::State::half_removed;
    copy.problem = "it was being removed; run `duckback forget` again to finish";
    return copy;
  }
  copy.problem = find_difference(copy, wal);
  if (!copy.problem.empty()) copy.state = CatalogCopy::State::changed;
  return copy;
}

std::string find_change(const CatalogCopy& copy) {
  if (copy.state != CatalogCopy::State::present) return copy.problem;
  const Sidecar& record = copy.sidecar;
  std::optional<FileStat> recorded = stat_path(sidecar_path(copy.path));
  auto is_other = [&](const fs::path& path, const std::string& blake3) {
    std::optional<FileStat> file = stat_path(path);
    bool may_be = !recorded || !file || file->modified_ns > recorded->modified_ns;
    return may_be && !blake3.empty() && to_hex(hash_file(File::open_read(path))) != blake3;
  };
  if (is_other(copy.path, record.blake3)) return "it holds other bytes than duckback wrote";
  if (record.wal && is_other(copy.path.string() + ".wal", record.wal->blake3)) {
    return "its WAL holds other bytes than duckback wrote";
  }
  return "";
}

Catalog read_catalog(const fs::path& folder) {
  std::optional<FileStat> stat = stat_path(folder);
  if (!stat) throw Error(Errc::not_found, "there is no folder {}", folder.string());
  if (!fs::is_directory(folder)) {
    throw Error(Errc::refused, "{} is not a folder; name the folder that the copies are in",
                folder.string());
  }
  Catalog catalog;
  std::error_code failed;
  std::vector<fs::path> paths;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    paths.push_back(at->path());
  }
  if (failed) {
    throw Error(Errc::io, "cannot list {}: {}", folder.string(), failed.message());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    try {
      std::string name = path.filename().string();
      if (name.starts_with('.')) continue;
      if (is_sidecar_name(path)) {
        catalog.copies.push_back(look_at_copy(copy_of_sidecar(path)));
        continue;
      }
      if (!fs::is_regular_file(path) || stat_path(sidecar_path(path))) continue;
      if (begins_like_duckdb(path)) catalog.foreign.push_back({path, stat_path(path)->bytes});
    } catch (const Error& error) {
      if (error.code() != Errc::not_found) catalog.problems.push_back({path, error.what()});
    }
  }
  sort_catalog(catalog);
  return catalog;
}

void sort_catalog(Catalog& catalog) {
  std::sort(catalog.copies.begin(), catalog.copies.end(),
            [](const CatalogCopy& a, const CatalogCopy& b) {
              return std::tuple(a.sidecar.identity(), a.sidecar.time, a.path) <
                     std::tuple(b.sidecar.identity(), b.sidecar.time, b.path);
            });
}

}  // namespace duckback
