#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "duckdb/connection.h"
#include "duckdb/worker.h"

namespace duckback {

struct AttachOptions {
  fs::path path;
  std::string catalog;
  std::optional<std::string> key = {};
  bool read_only = false;
  std::string storage_version = {};  // of a new database; "" = the library's default
};
// Creates the file if it is not there.
void attach(Connection& connection, const AttachOptions& options);
void detach(Connection& connection, const std::string& catalog);
// What ATTACH's STORAGE_VERSION would be for a database like this one; "" if the library does not
// tell.
std::string find_storage_version(Connection& connection, const std::string& catalog);
// From here on nothing in a database can reach files, load extensions or change settings.
void lock_down(Connection& connection);

struct Table {
  std::string schema;
  std::string name;
  std::string sql;                          // CREATE TABLE …
  std::vector<std::string> stored_columns;  // all but generated ones
};
// Oldest first.
std::vector<Table> list_tables(Connection& connection, const std::string& catalog);
// A foreign key of a table to itself: (column, the column it refers to).
using SelfReference = std::vector<std::pair<std::string, std::string>>;
std::vector<SelfReference> list_self_references(Connection& connection, const std::string& catalog,
                                                const Table& table);
std::vector<TableCount> count_tables(Connection& connection, const std::string& catalog,
                                     bool full_scan);

}  // namespace duckback
