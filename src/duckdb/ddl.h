#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duckback {

// Statements as DuckDB writes them (duckdb_tables().sql and its like).

// The names of generated columns in a CREATE TABLE: no catalog function tells them from columns
// with a default.
std::vector<std::string> find_generated_columns(std::string_view create_table);

// The schema ("" if there is none) and the name in a CREATE TABLE, VIEW or MACRO.
std::pair<std::string, std::string> object_name(std::string_view create);
// A CREATE TABLE, VIEW or MACRO with its name replaced by `path`.
std::string with_name(std::string_view create, std::string_view path);
// A CREATE INDEX with its table replaced by `path`.
std::string with_index_table(std::string_view create_index, std::string_view path);
// A CREATE TABLE with `constraints` for the empty elements that DuckDB writes for foreign keys of a
// table to itself.
std::string with_constraints(std::string_view create_table,
                             const std::vector<std::string>& constraints);
// The statements of a script, without semicolons.
std::vector<std::string> split_statements(std::string_view script);

}  // namespace duckback
