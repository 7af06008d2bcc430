// Runs SQL in a real DuckDB library, for fixtures and as a writer beside which copies are made.
//
//   duckdb_run [--read-only] [--crash] [--hold] LIBRARY DATABASE [SQL]
//
// Prints the rows of each line of SQL, columns separated by tabs. With --hold it then prints
// "ready" and runs every line of its standard input as SQL, each answered by "ok" (rows before it)
// or "error: …", until the input ends: a process that keeps the database open. With --crash it ends
// without closing the database, so that the WAL stays. Exit 1 when SQL of the command line fails.

#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

namespace {

// The stable part of DuckDB's C API.
using Handle = void*;
struct Result {
  std::uint64_t column_count;
  std::uint64_t row_count;
  std::uint64_t rows_changed;
  void* columns;
  char* error;
  void* internal;
};

[[noreturn]] void die(const std::string& message) {
  std::fprintf(stderr, "duckdb_run: %s\n", message.c_str());
  std::exit(1);
}

struct Library {
  explicit Library(const std::string& path) {
    // The Python package's library needs the interpreter's symbols.
    if (path.find("_duckdb.") != std::string::npos) {
      dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_GLOBAL);
    }
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) die(dlerror());
    load(create_config, "duckdb_create_config");
    load(set_config, "duckdb_set_config");
    load(open_ext, "duckdb_open_ext");
    load(connect, "duckdb_connect");
    load(query, "duckdb_query");
    load(result_error, "duckdb_result_error");
    load(column_count, "duckdb_column_count");
    load(row_count, "duckdb_row_count");
    load(value_varchar, "duckdb_value_varchar");
    load(free_value, "duckdb_free");
    load(destroy_result, "duckdb_destroy_result");
    load(disconnect, "duckdb_disconnect");
    load(close, "duckdb_close");
  }

  template <class Function>
  void load(Function& function, const char* name) {
    void* symbol = dlsym(handle, name);
    if (symbol == nullptr) die(std::string("no ") + name + " in the library");
    std::memcpy(&function, &symbol, sizeof function);
  }

  void* handle;
  int (*create_config)(Handle*);
  int (*set_config)(Handle, const char*, const char*);
  int (*open_ext)(const char*, Handle*, Handle, char**);
  int (*connect)(Handle, Handle*);
  int (*query)(Handle, const char*, Result*);
  const char* (*result_error)(Result*);
  std::uint64_t (*column_count)(Result*);
  std::uint64_t (*row_count)(Result*);
  char* (*value_varchar)(Result*, std::uint64_t, std::uint64_t);
  void (*free_value)(void*);
  void (*destroy_result)(Result*);
  void (*disconnect)(Handle*);
  void (*close)(Handle*);
};

bool run(const Library& duckdb, Handle connection, const std::string& sql, std::string& error) {
  Result result{};
  bool good = duckdb.query(connection, sql.c_str(), &result) == 0;
  if (!good) {
    const char* text = duckdb.result_error(&result);
    error = text == nullptr ? "unknown error" : text;
  } else {
    std::uint64_t columns = duckdb.column_count(&result);
    std::uint64_t rows = duckdb.row_count(&result);
    for (std::uint64_t row = 0; row < rows; ++row) {
      for (std::uint64_t column = 0; column < columns; ++column) {
        char* text = duckdb.value_varchar(&result, column, row);
        std::printf("%s%s", column == 0 ? "" : "\t", text == nullptr ? "NULL" : text);
        duckdb.free_value(text);
      }
      std::printf("\n");
    }
  }
  duckdb.destroy_result(&result);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  bool hold = false;
  bool crash = false;
  bool read_only = false;
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--hold") {
      hold = true;
    } else if (word == "--crash") {
      crash = true;
    } else if (word == "--read-only") {
      read_only = true;
    } else {
      words.push_back(word);
    }
  }
  if (words.size() < 2 || words.size() > 3) {
    die("usage: duckdb_run [--read-only] [--crash] [--hold] LIBRARY DATABASE [SQL]");
  }

  Library duckdb(words[0]);
  Handle config = nullptr;
  duckdb.create_config(&config);
  if (read_only) duckdb.set_config(config, "access_mode", "READ_ONLY");
  Handle database = nullptr;
  char* open_error = nullptr;
  if (duckdb.open_ext(words[1].c_str(), &database, config, &open_error) != 0) {
    die(open_error == nullptr ? "cannot open the database" : open_error);
  }
  Handle connection = nullptr;
  if (duckdb.connect(database, &connection) != 0) die("cannot connect");

  std::string error;
  if (words.size() == 3 && !run(duckdb, connection, words[2], error)) die(error);
  if (hold) {
    std::printf("ready\n");
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
      if (run(duckdb, connection, line, error)) {
        std::printf("ok\n");
      } else {
        std::printf("error: %s\n", error.c_str());
      }
      std::fflush(stdout);
    }
  }
  std::fflush(stdout);
  if (crash) _exit(0);
  duckdb.disconnect(&connection);
  duckdb.close(&database);
}
