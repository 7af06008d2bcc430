#include "duckdb/library.h"

#include <dlfcn.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "base/error.h"
#include "io/file.h"

namespace duckback {
namespace {

constexpr const char* kFileName = "libduckdb.so";
constexpr const char* kHelp =
    "put libduckdb.so (DuckDB 1.1 or later) next to duckback, or name it with the variable "
    "DUCKBACK_LIBDUCKDB or with --libduckdb";

template <class Function>
void resolve(void* library, const fs::path& path, const char* name, Function*& function) {
  // POSIX promises that a function's address fits.
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) {
    throw Error(Errc::unsupported, "{} is no DuckDB library that can be used: it has no {}; {}",
                path.string(), name, kHelp);
  }
}

// Where the library that holds `address` was loaded from.
fs::path path_of(const void* address, const fs::path& otherwise) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return otherwise;
  return info.dli_fname;
}

bool is_too_old(const std::string& version) {
  // "v1.1.3"; builds between releases are "v1.2.0-dev123", or a hash only.
  return version.starts_with("v0.") || version.starts_with("v1.0.");
}

}  // namespace

Library Library::load(const fs::path& given) {
  fs::path path = given;
  std::vector<std::string> looked;
  if (path.empty()) {
    if (const char* named = std::getenv("DUCKBACK_LIBDUCKDB"); named != nullptr && *named != '\0') {
      path = named;
    }
  }
  if (path.empty()) {
    std::error_code error;
    fs::path beside = folder_of(fs::read_symlink("/proc/self/exe", error)) / kFileName;
    if (stat_path(beside)) path = beside;
    looked.push_back(beside.string());
  } else {
    // dlopen() would look for a bare name elsewhere.
    path = fs::absolute(path);
    if (!stat_path(path)) {
      throw Error(Errc::unsupported, "there is no DuckDB library at {}; {}", path.string(), kHelp);
    }
  }
  const std::string name = path.empty() ? kFileName : path.string();
  void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    if (path.empty()) {
      throw Error(Errc::unsupported,
                  "there is no DuckDB library: not at {}, not among the system's; {}",
                  fmt::join(looked, ", "), kHelp);
    }
    throw Error(Errc::unsupported, "{} is no DuckDB library that can be used: {}; {}",
                path.string(), reason == nullptr ? "unknown reason" : reason, kHelp);
  }

  Library library;
  const char* (*library_version)() = nullptr;
  resolve(handle, name, "duckdb_library_version", library_version);
  library.version = library_version();
  library.path = path_of(reinterpret_cast<const void*>(library_version), name);
  if (is_too_old(library.version)) {
    throw Error(Errc::unsupported, "{} is DuckDB {}, which is too old; {}", library.path.string(),
                library.version, kHelp);
  }
  resolve(handle, name, "duckdb_create_config", library.create_config);
  resolve(handle, name, "duckdb_set_config", library.set_config);
  resolve(handle, name, "duckdb_destroy_config", library.destroy_config);
  resolve(handle, name, "duckdb_open_ext", library.open_ext);
  resolve(handle, name, "duckdb_close", library.close);
  resolve(handle, name, "duckdb_connect", library.connect);
  resolve(handle, name, "duckdb_disconnect", library.disconnect);
  resolve(handle, name, "duckdb_query", library.query);
  resolve(handle, name, "duckdb_destroy_result", library.destroy_result);
  resolve(handle, name, "duckdb_result_error", library.result_error);
  resolve(handle, name, "duckdb_column_count", library.column_count);
  resolve(handle, name, "duckdb_column_type", library.column_type);
  resolve(handle, name, "duckdb_fetch_chunk", library.fetch_chunk);
  resolve(handle, name, "duckdb_data_chunk_get_size", library.data_chunk_get_size);
  resolve(handle, name, "duckdb_data_chunk_get_vector", library.data_chunk_get_vector);
  resolve(handle, name, "duckdb_destroy_data_chunk", library.destroy_data_chunk);
  resolve(handle, name, "duckdb_vector_get_data", library.vector_get_data);
  resolve(handle, name, "duckdb_vector_get_validity", library.vector_get_validity);
  resolve(handle, name, "duckdb_free", library.free);
  return library;
}

}  // namespace duckback
