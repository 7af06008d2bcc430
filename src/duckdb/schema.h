#pragma once

#include <string>
#include <vector>

#include "duckdb/connection.h"
#include "duckdb/database.h"

namespace duckback {

// What a database holds besides rows, as statements that make it again. Names in the statements
// are "schema"."name", the catalog is whichever is in use.
struct SchemaObject {
  std::string kind;  // "schema", "type", "sequence", "macro", "table", "view", "index"
  std::string schema;
  std::string name;
  std::vector<std::string> statements;
  Table table;  // of a table

  std::string title() const;  // "view main.v"
};
struct Schema {
  std::vector<SchemaObject> objects;  // in no order that works
  std::vector<SchemaObject> indexes;
  std::vector<std::string> comments;
  std::vector<std::string> index_comments;
};

// `scratch` must not exist; DuckDB writes macros there. Removes objects from the database in a
// transaction that is rolled back, unless it is read-only.
Schema read_schema(Connection& connection, const std::string& catalog, bool read_only,
                   const fs::path& scratch);

// Makes the objects in `catalog`, which must be empty, and returns them in the order that worked.
// Each has a first statement then that says in which schema its names are looked up.
std::vector<SchemaObject> create_objects(Connection& connection, const std::string& catalog,
                                         std::vector<SchemaObject> objects);

// Throws Errc::unverified naming an object that is not the same in both.
void compare_schemas(Connection& connection, const std::string& source, const std::string& target);

}  // namespace duckback
