#pragma once

#include <string>
#include <vector>

#include "duckdb/connection.h"
#include "duckdb/database.h"

namespace duckback {

// The rows of a table in portions that can be inserted one after the other: DuckDB checks foreign
// keys of a table to itself against rows of earlier statements only. Most tables are one portion.
class Portions {
 public:
  Portions(Connection& connection, const std::string& catalog, const Table& table);
  ~Portions();
  Portions(const Portions&) = delete;
  Portions& operator=(const Portions&) = delete;

  std::size_t count() const { return count_; }
  // The columns that are stored: "a", "b".
  const std::string& columns() const { return columns_; }
  // A SELECT of those.
  std::string select(std::size_t portion) const;

 private:
  void find_levels(const std::vector<SelfReference>& references);

  Connection& connection_;
  std::string path_;
  std::string title_;
  std::string columns_;
  std::size_t count_ = 1;
  bool has_levels_ = false;
};

}  // namespace duckback
