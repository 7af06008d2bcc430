#include "duckdb/export.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "duckdb/rows.h"
#include "duckdb/schema.h"
#include "duckdb/sql.h"
#include "io/file.h"

namespace duckback {
namespace {

// What Parquet as DuckDB writes it rounds or does not know; as text they come back exactly.
bool is_written_as_text(const std::string& type) {
  static const std::set<std::string> types = {"HUGEINT", "UHUGEINT", "INTERVAL", "BIT"};
  return types.contains(type);
}

std::string file_name(std::size_t number, const SchemaObject& table) {
  std::string name = table.schema + "_" + table.name;
  for (char& one : name) {
    bool plain = (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') ||
                 (one >= '0' && one <= '9') || one == '_';
    if (!plain) one = '-';
  }
  name.resize(std::min<std::size_t>(name.size(), 100));
  return fmt::format("{:05}_{}.parquet", number, name);
}

std::map<std::string, std::string> column_types(Connection& connection, const std::string& catalog,
                                                const Table& table) {
  std::map<std::string, std::string> types;
  for (Row& row : connection.query(
           fmt::format("SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = "
                       "{} AND schema_name = {} AND table_name = {}",
                       quote_text(catalog), quote_text(table.schema), quote_text(table.name)))) {
    types[*row[0]] = *row[1];
  }
  return types;
}

void write_script(const char* name, const std::vector<std::string>& statements) {
  std::string text;
  for (const std::string& statement : statements) text += statement + ";\n";
  File file = File::create(name);
  file.write_at(0, as_bytes(text));
}

// The table's Parquet files in the order of their rows.
std::vector<std::string> write_files(Connection& connection, const std::string& source,
                                     const SchemaObject& object, std::size_t& number) {
  std::map<std::string, std::string> types = column_types(connection, source, object.table);
  std::vector<std::string> written;
  for (const std::string& name : object.table.stored_columns) {
    std::string quoted = quote_name(name);
    written.push_back(is_written_as_text(types.at(name))
                          ? fmt::format("CAST({} AS VARCHAR) AS {}", quoted, quoted)
                          : quoted);
  }
  std::vector<std::string> files;
  Portions portions(connection, source, object.table);
  for (std::size_t portion = 0; portion < portions.count(); ++portion) {
    files.push_back(file_name(++number, object));
    connection.run(
        fmt::format("COPY (SELECT {} FROM ({})) TO {} (FORMAT parquet, COMPRESSION zstd)",
                    fmt::join(written, ", "), portions.select(portion), quote_text(files.back())));
  }
  return files;
}

TableCount read_files(Connection& connection, const std::string& source, const SchemaObject& object,
                      const std::vector<std::string>& files) {
  std::map<std::string, std::string> types = column_types(connection, source, object.table);
  std::vector<std::string> values;
  for (const std::string& name : object.table.stored_columns) {
    values.push_back(fmt::format("CAST(t.{} AS {})", quote_name(name), types.at(name)));
  }
  std::vector<std::string> paths;
  for (const std::string& file : files) paths.push_back(quote_text(file));
  Rows rows = connection.query(
      fmt::format("SELECT count(*)::VARCHAR, coalesce(sum(hash({})), 0)::HUGEINT::VARCHAR FROM "
                  "read_parquet([{}]) AS t",
                  fmt::join(values, ", "), fmt::join(paths, ", ")));
  return {object.schema, object.name, std::stoull(*rows[0][0]), rows[0][1]};
}

}  // namespace

std::vector<TableCount> export_database(Connection& connection, const std::string& source,
                                        bool source_read_only, const std::string& blueprint,
                                        const fs::path& scratch) {
  Schema schema = read_schema(connection, source, source_read_only, scratch);
  connection.run("ATTACH ':memory:' AS " + quote_name(blueprint));
  std::vector<SchemaObject> objects =
      create_objects(connection, blueprint, std::move(schema.objects));
  for (const std::string& comment : schema.comments) connection.run(comment);
  std::vector<SchemaObject> indexes =
      create_objects(connection, blueprint, std::move(schema.indexes));
  for (const std::string& comment : schema.index_comments) connection.run(comment);
  compare_schemas(connection, source, blueprint);

  // IMPORT DATABASE takes nothing but COPY from load.sql, so indexes come before the rows.
  std::vector<std::string> script;
  auto add = [&](const std::vector<std::string>& statements) {
    script.insert(script.end(), statements.begin(), statements.end());
  };
  for (const SchemaObject& object : objects) add(object.statements);
  script.push_back("SET schema = 'main'");
  add(schema.comments);
  for (const SchemaObject& index : indexes) add(index.statements);
  script.push_back("SET schema = 'main'");
  add(schema.index_comments);
  write_script("schema.sql", script);

  std::vector<TableCount> expected = count_tables(connection, source, true);
  std::vector<std::string> load;
  std::size_t number = 0;
  for (const SchemaObject& object : objects) {
    if (object.kind != "table") continue;
    in_context(object.title(), [&] {
      std::vector<std::string> files = write_files(connection, source, object, number);
      TableCount found = read_files(connection, source, object, files);
      if (std::find(expected.begin(), expected.end(), found) == expected.end()) {
        throw Error(Errc::unsupported,
                    "Parquet does not carry its values as they are; copy the database instead");
      }
      std::vector<std::string> columns;
      for (const std::string& name : object.table.stored_columns) {
        columns.push_back(quote_name(name));
      }
      for (const std::string& file : files) {
        load.push_back(fmt::format("COPY {}.{} ({}) FROM {} (FORMAT parquet)",
                                   quote_name(object.schema), quote_name(object.name),
                                   fmt::join(columns, ", "), quote_text(file)));
      }
    });
  }
  write_script("load.sql", load);
  detach(connection, blueprint);
  return expected;
}

}  // namespace duckback
