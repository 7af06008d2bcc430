#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "duckdb/library.h"

namespace duckback {

// Values as text; empty: NULL.
using Row = std::vector<std::optional<std::string>>;
using Rows = std::vector<Row>;
using Settings = std::vector<std::pair<std::string, std::string>>;

// DuckDB without a database of its own, and one connection to it.
// Errors are DuckDB's words with a code for what can be done about them.
class Connection {
 public:
  Connection(const Library& library, const Settings& settings);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Library& library() const { return library_; }

  // Statements whose rows do not matter.
  void run(const std::string& sql);
  // All rows. Every column must be VARCHAR.
  Rows query(const std::string& sql);
  // Of exactly one row with one column that is not NULL.
  std::string query_text(const std::string& sql);

  // Removed from every error message.
  void hide(const std::string& secret);

 private:
  class ScopedResult;
  [[noreturn]] void fail(std::string message) const;

  const Library& library_;
  duckdb_api::Handle database_ = nullptr;
  duckdb_api::Handle connection_ = nullptr;
  std::vector<std::string> secrets_;
};

// What one of DuckDB's messages means.
Errc classify_message(std::string_view message);

}  // namespace duckback
