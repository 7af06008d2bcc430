#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace duckback::torture {

namespace fs = std::filesystem;

// A DuckDB library of any version, loaded at run time; one a process. A Python module of DuckDB
// ("_duckdb.cpython-311-….so") will do as well: its interpreter's library is loaded first.
// Everything throws Error with DuckDB's own message.
class Library {
 public:
  explicit Library(const fs::path& path);
  std::string version() const;  // "v1.5.6"
};

// A row of text; NULL is "NULL".
using Row = std::vector<std::string>;

// A session of the process' one DuckDB instance, which has no database of its own: databases are
// attached. One thread at a time.
class Session {
 public:
  explicit Session(const Library& library);
  Session(Session&&) noexcept;
  ~Session();

  std::vector<Row> rows(const std::string& sql);
  void run(const std::string& sql) { rows(sql); }
  std::string value(const std::string& sql);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

// A text as an SQL literal.
std::string quoted(const std::string& text);

}  // namespace duckback::torture
