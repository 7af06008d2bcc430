#include "duckdb/database.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "duckdb/ddl.h"
#include "duckdb/sql.h"

namespace duckback {

void attach(Connection& connection, const AttachOptions& options) {
  std::vector<std::string> words;
  words.push_back(options.read_only ? "READ_ONLY" : "READ_WRITE");
  if (options.key) {
    connection.hide(*options.key);
    words.push_back("ENCRYPTION_KEY " + quote_text(*options.key));
  }
  if (!options.storage_version.empty()) {
    words.push_back("STORAGE_VERSION " + quote_text(options.storage_version));
  }
  connection.run(fmt::format("ATTACH {} AS {} ({})", quote_text(options.path.string()),
                             quote_name(options.catalog), fmt::join(words, ", ")));
}

void detach(Connection& connection, const std::string& catalog) {
  connection.run("USE memory");
  connection.run("DETACH " + quote_name(catalog));
}

std::string find_storage_version(Connection& connection, const std::string& catalog) {
  std::string tags = connection.query_text(
      fmt::format("SELECT tags::VARCHAR FROM duckdb_databases() WHERE database_name = {}",
                  quote_text(catalog)));
  // "{storage_version=v1.0.0+}"
  constexpr std::string_view key = "storage_version=";
  std::size_t begin = tags.find(key);
  if (begin == std::string::npos) return "";
  begin += key.size();
  return tags.substr(begin, tags.find_first_of(" +,}", begin) - begin);
}

void lock_down(Connection& connection) {
  connection.run("SET enable_external_access = false");
  connection.run("SET lock_configuration = true");
}

std::vector<Table> list_tables(Connection& connection, const std::string& catalog) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> columns;
  for (Row& row : connection.query(
           fmt::format("SELECT schema_name, table_name, column_name FROM duckdb_columns() "
                       "WHERE database_name = {} AND NOT internal ORDER BY column_index",
                       quote_text(catalog)))) {
    columns[{*row[0], *row[1]}].push_back(*row[2]);
  }
  std::vector<Table> tables;
  for (Row& row :
       connection.query(fmt::format("SELECT schema_name, table_name, sql FROM duckdb_tables() "
                                    "WHERE database_name = {} AND NOT internal AND NOT temporary "
                                    "ORDER BY table_oid",
                                    quote_text(catalog)))) {
    Table table{*row[0], *row[1], row[2].value_or(""), {}};
    std::vector<std::string> generated = find_generated_columns(table.sql);
    for (const std::string& name : columns[{table.schema, table.name}]) {
      bool is_generated = std::find(generated.begin(), generated.end(), name) != generated.end();
      if (!is_generated) table.stored_columns.push_back(name);
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

std::vector<SelfReference> list_self_references(Connection& connection, const std::string& catalog,
                                                const Table& table) {
  std::vector<SelfReference> references;
  std::string constraint;
  // DuckDB gives them no text; a table of that name in another schema has one.
  for (Row& row : connection.query(fmt::format(
           "SELECT constraint_index::VARCHAR, unnest(constraint_column_names), "
           "unnest(referenced_column_names) FROM duckdb_constraints() WHERE database_name = {} AND "
           "schema_name = {} AND table_name = {} AND referenced_table = table_name AND "
           "constraint_type = 'FOREIGN KEY' AND coalesce(constraint_text, '') = '' "
           "ORDER BY constraint_index",
           quote_text(catalog), quote_text(table.schema), quote_text(table.name)))) {
    if (references.empty() || constraint != *row[0]) references.emplace_back();
    constraint = *row[0];
    references.back().emplace_back(*row[1], *row[2]);
  }
  return references;
}

std::vector<TableCount> count_tables(Connection& connection, const std::string& catalog,
                                     bool full_scan) {
  std::vector<TableCount> counts;
  for (const Table& table : list_tables(connection, catalog)) {
    // Summing hashes is blind to order and layout, and unlike XOR sees rows that come twice.
    std::string checksum = "NULL";
    if (full_scan) {
      std::vector<std::string> columns;
      for (const std::string& name : table.stored_columns)
        columns.push_back("t." + quote_name(name));
      checksum =
          fmt::format("coalesce(sum(hash({})), 0)::HUGEINT::VARCHAR", fmt::join(columns, ", "));
    }
    Rows rows =
        connection.query(fmt::format("SELECT count(*)::VARCHAR, {}::VARCHAR FROM {} AS t", checksum,
                                     quote_path(catalog, table.schema, table.name)));
    TableCount count{table.schema, table.name, std::stoull(*rows[0][0]), rows[0][1]};
    counts.push_back(std::move(count));
  }
  std::sort(counts.begin(), counts.end(), [](const TableCount& one, const TableCount& other) {
    return std::tie(one.schema, one.table) < std::tie(other.schema, other.table);
  });
  return counts;
}

}  // namespace duckback
