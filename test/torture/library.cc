#include "library.h"

#include <dlfcn.h>

#include <cstdint>

#include "base/error.h"

namespace duckback::torture {
namespace {

// The part of DuckDB's C API that all versions share; its layout is stable.
struct Result {
  std::uint64_t words[6];
};
using Handle = void*;

struct Api {
  const char* (*library_version)();
  int (*open)(const char*, Handle*);
  int (*connect)(Handle, Handle*);
  void (*disconnect)(Handle*);
  int (*query)(Handle, const char*, Result*);
  const char* (*result_error)(Result*);
  std::uint64_t (*column_count)(Result*);
  std::uint64_t (*row_count)(Result*);
  char* (*value_varchar)(Result*, std::uint64_t, std::uint64_t);
  void (*destroy_result)(Result*);
  void (*free_text)(void*);
};
Api api;
Handle instance;

void* load(const fs::path& path, int flags) {
  void* library = ::dlopen(path.c_str(), flags);
  if (library == nullptr) throw Error(Errc::not_found, "cannot load a library: {}", ::dlerror());
  return library;
}

template <class Function>
void bind(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw Error(Errc::unsupported, "the library has no function {}", name);
}

// "_duckdb.cpython-311-x86_64-linux-gnu.so" -> "libpython3.11.so.1.0", "" if it is no such module.
std::string python_library(const std::string& module) {
  constexpr std::string_view kTag = "cpython-3";
  std::size_t at = module.find(kTag);
  if (at == std::string::npos) return "";
  std::size_t begin = at + kTag.size();
  return fmt::format("libpython3.{}.so.1.0", module.substr(begin, module.find('-', begin) - begin));
}

}  // namespace

Library::Library(const fs::path& path) {
  std::string python = python_library(path.filename());
  if (!python.empty()) load(python, RTLD_NOW | RTLD_GLOBAL);
  void* library = load(path, RTLD_NOW | RTLD_LOCAL);
  bind(library, "duckdb_library_version", api.library_version);
  bind(library, "duckdb_open", api.open);
  bind(library, "duckdb_connect", api.connect);
  bind(library, "duckdb_disconnect", api.disconnect);
  bind(library, "duckdb_query", api.query);
  bind(library, "duckdb_result_error", api.result_error);
  bind(library, "duckdb_column_count", api.column_count);
  bind(library, "duckdb_row_count", api.row_count);
  bind(library, "duckdb_value_varchar", api.value_varchar);
  bind(library, "duckdb_destroy_result", api.destroy_result);
  bind(library, "duckdb_free", api.free_text);
  if (api.open(nullptr, &instance) != 0) throw Error(Errc::unsupported, "DuckDB does not start");
}

std::string Library::version() const { return api.library_version(); }

struct Session::Connection {
  Handle handle = nullptr;
  ~Connection() { api.disconnect(&handle); }
};

Session::Session(const Library&) : connection_(std::make_unique<Connection>()) {
  if (api.connect(instance, &connection_->handle) != 0)
    throw Error(Errc::unsupported, "DuckDB gives no connection");
}
Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

std::vector<Row> Session::rows(const std::string& sql) {
  Result result{};
  bool failed = api.query(connection_->handle, sql.c_str(), &result) != 0;
  std::string error;
  std::vector<Row> rows;
  if (failed) {
    const char* text = api.result_error(&result);
    error = text == nullptr ? "no message" : text;
  } else {
    std::uint64_t columns = api.column_count(&result);
    rows.resize(api.row_count(&result));
    for (std::uint64_t y = 0; y < rows.size(); ++y) {
      for (std::uint64_t x = 0; x < columns; ++x) {
        char* text = api.value_varchar(&result, x, y);
        rows[y].emplace_back(text == nullptr ? "NULL" : text);
        api.free_text(text);
      }
    }
  }
  api.destroy_result(&result);
  if (failed) throw Error(Errc::unverified, "{}", error);
  return rows;
}

std::string Session::value(const std::string& sql) {
  std::vector<Row> all = rows(sql);
  if (all.size() != 1 || all[0].size() != 1)
    throw Error(Errc::invalid, "the query gives not one value: {}", sql);
  return all[0][0];
}

std::string quoted(const std::string& text) {
  std::string literal = "'";
  for (char c : text) {
    literal += c;
    if (c == '\'') literal += c;
  }
  return literal + "'";
}

}  // namespace duckback::torture
