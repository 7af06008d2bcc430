#include "duckdb/schema.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "duckdb/ddl.h"
#include "duckdb/sql.h"
#include "io/file.h"

namespace duckback {
namespace {

std::string path_of(const std::string& schema, const std::string& name) {
  return quote_name(schema) + "." + quote_name(name);
}

// The rows of a catalog function that belong to the database's own objects.
Rows own(Connection& connection, const std::string& catalog, const std::string& columns,
         const std::string& function, const std::string& order = "1, 2") {
  // Only some have both of these.
  std::string others;
  if (function != "duckdb_sequences") others += " AND NOT internal";
  if (function == "duckdb_tables" || function == "duckdb_views" || function == "duckdb_sequences") {
    others += " AND NOT temporary";
  }
  return connection.query(fmt::format("SELECT {} FROM {}() WHERE database_name = {}{} ORDER BY {}",
                                      columns, function, quote_text(catalog), others, order));
}

// What nextval() gives next. last_value and start_value mean other things once the database was
// closed; only the statement tells.
constexpr const char* kEnded = "end";
constexpr const char* kNextValue =
    "CASE WHEN regexp_extract(sql, ' START (-?[0-9]+) (NO )?CYCLE;?$', 1)::HUGEINT BETWEEN "
    "min_value AND max_value THEN regexp_extract(sql, ' START (-?[0-9]+) (NO )?CYCLE;?$', 1) "
    "ELSE 'end' END";

void add_comment(std::vector<std::string>& comments, const std::string& what,
                 const std::optional<std::string>& comment) {
  if (comment) comments.push_back(fmt::format("COMMENT ON {} IS {}", what, quote_text(*comment)));
}

void read_schemas(Connection& connection, const std::string& catalog, Schema& schema) {
  for (Row& row : connection.query(
           fmt::format("SELECT schema_name FROM duckdb_schemas() WHERE database_name = {} AND "
                       "schema_name NOT IN ('main', 'pg_catalog', 'information_schema') ORDER BY 1",
                       quote_text(catalog)))) {
    schema.objects.push_back(
        {"schema", *row[0], *row[0], {"CREATE SCHEMA " + quote_name(*row[0])}, {}});
  }
}

void read_types(Connection& connection, const std::string& catalog, Schema& schema) {
  for (Row& row :
       own(connection, catalog, "schema_name, type_name, logical_type, comment", "duckdb_types")) {
    std::string definition = connection.query_text(
        fmt::format("SELECT typeof(NULL::{})", quote_path(catalog, *row[0], *row[1])));
    // Up to 1.1 an alias answers with its own name.
    if (definition == *row[1]) definition = row[2].value_or("");
    schema.objects.push_back(
        {"type",
         *row[0],
         *row[1],
         {fmt::format("CREATE TYPE {} AS {}", path_of(*row[0], *row[1]), definition)},
         {}});
    add_comment(schema.comments, "TYPE " + path_of(*row[0], *row[1]), row[3]);
  }
}

void read_sequences(Connection& connection, const std::string& catalog, Schema& schema) {
  for (Row& row : own(connection, catalog,
                      fmt::format("schema_name, sequence_name, increment_by::VARCHAR, "
                                  "min_value::VARCHAR, max_value::VARCHAR, cycle::VARCHAR, "
                                  "{}, comment",
                                  kNextValue),
                      "duckdb_sequences")) {
    std::string path = path_of(*row[0], *row[1]);
    bool ended = row[6] == kEnded;
    // At its end: take the last value once more.
    const std::string& last = row[2]->starts_with('-') ? *row[3] : *row[4];
    SchemaObject object{
        "sequence",
        *row[0],
        *row[1],
        {fmt::format("CREATE SEQUENCE {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START {} {}", path,
                     *row[2], *row[3], *row[4], ended ? last : *row[6],
                     *row[5] == "true" ? "CYCLE" : "NO CYCLE")},
        {}};
    if (ended) object.statements.push_back(fmt::format("SELECT nextval({})", quote_text(path)));
    schema.objects.push_back(std::move(object));
    add_comment(schema.comments, "SEQUENCE " + path, row[7]);
  }
}

// Drops what is in the way, in whatever order works; the caller rolls back.
void drop_all_but_macros(Connection& connection, const std::string& catalog) {
  std::vector<std::string> drops;
  auto add = [&](const char* kind, const char* columns, const char* function) {
    for (Row& row : own(connection, catalog, columns, function)) {
      drops.push_back(
          fmt::format("DROP {} IF EXISTS {}", kind, quote_path(catalog, *row[0], *row[1])));
    }
  };
  add("VIEW", "schema_name, view_name", "duckdb_views");
  // A table that another refers to goes after that one.
  std::set<std::string> tables;
  for (Row& row : own(connection, catalog, "schema_name, table_name", "duckdb_tables")) {
    tables.insert(quote_path(catalog, *row[0], *row[1]));
  }
  std::multimap<std::string, std::string> referrers;
  for (Row& row : connection.query(fmt::format(
           "SELECT schema_name, table_name, referenced_table FROM duckdb_constraints() WHERE "
           "database_name = {} AND constraint_type = 'FOREIGN KEY' AND referenced_table <> "
           "table_name",
           quote_text(catalog)))) {
    referrers.emplace(quote_path(catalog, *row[0], *row[2]), quote_path(catalog, *row[0], *row[1]));
  }
  while (!tables.empty()) {
    std::size_t before = tables.size();
    for (auto at = tables.begin(); at != tables.end();) {
      auto [first, last] = referrers.equal_range(*at);
      bool needed =
          std::any_of(first, last, [&](const auto& one) { return tables.contains(one.second); });
      if (!needed) drops.push_back("DROP TABLE " + *at);
      at = needed ? std::next(at) : tables.erase(at);
    }
    DUCKBACK_ASSERT(tables.size() < before);  // References between tables make no circle.
  }
  for (Row& row : own(connection, catalog, "schema_name, sequence_name", "duckdb_sequences")) {
    drops.push_back("DROP SEQUENCE " + quote_path(catalog, *row[0], *row[1]));
  }
  for (const std::string& drop : drops) connection.run(drop);
}

// No catalog function shows the defaults of a macro's parameters; EXPORT DATABASE does.
void read_macros(Connection& connection, const std::string& catalog, bool read_only,
                 const fs::path& scratch, Schema& schema) {
  Rows macros =
      own(connection, catalog, "DISTINCT schema_name, function_name, function_type, comment",
          "duckdb_functions");
  if (macros.empty()) return;
  connection.run("BEGIN");
  if (!read_only) drop_all_but_macros(connection, catalog);
  connection.run(fmt::format("EXPORT DATABASE {} TO {} (FORMAT parquet)", quote_name(catalog),
                             quote_text(scratch.string())));
  connection.run("ROLLBACK");
  std::ifstream file(scratch / "schema.sql");
  std::string script = "\n" + std::string(std::istreambuf_iterator<char>(file), {});
  std::error_code ignored;
  fs::remove_all(scratch, ignored);

  // Before them stand only schemas and types, and labels of enums are not always quoted well.
  script.erase(0, std::min(script.find("\nCREATE MACRO"), script.size()));
  for (const std::string& statement : split_statements(script)) {
    if (!statement.starts_with("CREATE MACRO")) continue;
    auto [written_schema, name] = object_name(statement);
    if (written_schema.empty()) written_schema = "main";
    schema.objects.push_back(
        {"macro", written_schema, name, {with_name(statement, path_of(written_schema, name))}, {}});
  }
  for (const Row& row : macros) {
    bool found =
        std::any_of(schema.objects.begin(), schema.objects.end(), [&](const SchemaObject& object) {
          return object.kind == "macro" && object.schema == *row[0] && object.name == *row[1];
        });
    if (!found) {
      throw Error(Errc::unsupported,
                  "this DuckDB does not tell the definition of macro {}.{}; drop the macro or "
                  "copy by blocks",
                  *row[0], *row[1]);
    }
    add_comment(schema.comments,
                (*row[2] == "table_macro" ? "MACRO TABLE " : "MACRO ") + path_of(*row[0], *row[1]),
                row[3]);
  }
}

// Foreign keys of a table to itself, which DuckDB does not write into its SQL.
std::vector<std::string> read_self_references(Connection& connection, const std::string& catalog,
                                              const Table& table) {
  std::vector<std::string> found;
  for (const SelfReference& reference : list_self_references(connection, catalog, table)) {
    std::string from;
    std::string to;
    for (const auto& [column, referenced] : reference) {
      from += (from.empty() ? "" : ", ") + quote_name(column);
      to += (to.empty() ? "" : ", ") + quote_name(referenced);
    }
    found.push_back(fmt::format("FOREIGN KEY ({}) REFERENCES {} ({})", from,
                                path_of(table.schema, table.name), to));
  }
  return found;
}

void read_tables(Connection& connection, const std::string& catalog, Schema& schema) {
  for (const Table& table : list_tables(connection, catalog)) {
    std::string path = path_of(table.schema, table.name);
    std::string create = with_constraints(with_name(table.sql, path),
                                          read_self_references(connection, catalog, table));
    schema.objects.push_back({"table", table.schema, table.name, {create}, table});
  }
  for (Row& row : own(connection, catalog, "schema_name, table_name, comment", "duckdb_tables")) {
    add_comment(schema.comments, "TABLE " + path_of(*row[0], *row[1]), row[2]);
  }
  for (Row& row : own(connection, catalog, "schema_name, view_name, sql, comment", "duckdb_views",
                      "view_oid")) {
    std::string path = path_of(*row[0], *row[1]);
    schema.objects.push_back(
        {"view", *row[0], *row[1], {with_name(row[2].value_or(""), path)}, {}});
    add_comment(schema.comments, "VIEW " + path, row[3]);
  }
  for (Row& row : own(connection, catalog, "schema_name, table_name, column_name, comment",
                      "duckdb_columns", "1, 2, column_index")) {
    add_comment(schema.comments, "COLUMN " + path_of(*row[0], *row[1]) + "." + quote_name(*row[2]),
                row[3]);
  }
}

void read_indexes(Connection& connection, const std::string& catalog, Schema& schema) {
  for (Row& row : connection.query(fmt::format(
           "SELECT schema_name, index_name, table_name, sql, comment FROM duckdb_indexes() "
           "WHERE database_name = {} AND sql IS NOT NULL AND sql <> '' ORDER BY index_oid",
           quote_text(catalog)))) {
    schema.indexes.push_back(
        {"index", *row[0], *row[1], {with_index_table(*row[3], path_of(*row[0], *row[2]))}, {}});
    add_comment(schema.index_comments, "INDEX " + path_of(*row[0], *row[1]), row[4]);
  }
}

// One line for each fact that must be the same.
std::map<std::string, std::string> describe(Connection& connection, const std::string& catalog) {
  std::map<std::string, std::string> facts;
  auto add = [&](const char* kind, const char* names, const std::string& details,
                 const char* function) {
    std::string columns =
        fmt::format("concat_ws('.', {}) AS name, concat_ws(' | ', {}) AS fact", names, details);
    for (Row& row : own(connection, catalog, columns, function)) {
      facts[fmt::format("{} {}", kind, *row[0])] += *row[1] + "\n";
    }
  };
  add("type", "schema_name, type_name", "logical_type, labels::VARCHAR, coalesce(comment, '')",
      "duckdb_types");
  add("sequence", "schema_name, sequence_name",
      fmt::format("min_value, max_value, increment_by, cycle, {}, coalesce(comment, '')",
                  kNextValue),
      "duckdb_sequences");
  add("macro", "schema_name, function_name",
      "function_type, parameters::VARCHAR, parameter_types::VARCHAR, macro_definition, "
      "coalesce(comment, '')",
      "duckdb_functions");
  add("table", "schema_name, table_name", "coalesce(comment, ''), sql", "duckdb_tables");
  add("view", "schema_name, view_name", "sql, coalesce(comment, '')", "duckdb_views");
  // What a view's columns are is known only once it is bound.
  add("comment of column", "schema_name, table_name, column_name", "coalesce(comment, '')",
      "duckdb_columns");
  for (Row& row : connection.query(fmt::format(
           "SELECT schema_name || '.' || index_name, table_name || sql || coalesce(comment, '') "
           "FROM duckdb_indexes() WHERE database_name = {} AND sql IS NOT NULL",
           quote_text(catalog)))) {
    facts["index " + *row[0]] = *row[1];
  }
  for (Row& row : connection.query(fmt::format(
           "SELECT schema_name || '.' || table_name, constraint_type || "
           "constraint_column_names::VARCHAR || coalesce(referenced_table, '') || "
           "coalesce(referenced_column_names::VARCHAR, '') || coalesce(constraint_text, '') "
           "FROM duckdb_constraints() WHERE database_name = {} ORDER BY ALL",
           quote_text(catalog)))) {
    facts["constraints of table " + *row[0]] += row[1].value_or("") + "\n";
  }
  return facts;
}

}  // namespace

std::string SchemaObject::title() const {
  return kind == "schema" ? kind + " " + name : kind + " " + schema + "." + name;
}

Schema read_schema(Connection& connection, const std::string& catalog, bool read_only,
                   const fs::path& scratch) {
  Schema schema;
  read_schemas(connection, catalog, schema);
  read_types(connection, catalog, schema);
  read_sequences(connection, catalog, schema);
  read_macros(connection, catalog, read_only, scratch, schema);
  read_tables(connection, catalog, schema);
  read_indexes(connection, catalog, schema);
  return schema;
}

std::vector<SchemaObject> create_objects(Connection& connection, const std::string& catalog,
                                         std::vector<SchemaObject> objects) {
  std::vector<SchemaObject> created;
  while (!objects.empty()) {
    std::vector<SchemaObject> left;
    std::optional<Error> first_error;
    for (SchemaObject& object : objects) {
      // A view finds unqualified names in its own schema first; but it may have been made with
      // only main in sight.
      std::vector<std::string> places = {"main"};
      if (object.kind != "schema" && object.schema != "main") {
        places.insert(places.begin(), object.schema);
      }
      std::optional<Error> error;
      for (const std::string& place : places) {
        try {
          connection.run("USE " + path_of(catalog, place));
          for (const std::string& statement : object.statements) connection.run(statement);
          object.statements.insert(object.statements.begin(), "SET schema = " + quote_text(place));
          error.reset();
          break;
        } catch (const Error& failed) {
          error = failed;
        }
      }
      if (!error) {
        created.push_back(std::move(object));
        continue;
      }
      if (!first_error) first_error = error->within(object.title() + " cannot be made again");
      left.push_back(std::move(object));
    }
    if (left.size() == objects.size()) throw Error(*first_error);
    objects = std::move(left);
  }
  connection.run("USE " + path_of(catalog, "main"));
  return created;
}

void compare_schemas(Connection& connection, const std::string& source, const std::string& target) {
  auto expected = describe(connection, source);
  auto found = describe(connection, target);
  for (const auto& [name, facts] : expected) {
    auto other = found.find(name);
    if (other == found.end()) throw Error(Errc::unverified, "the copy has no {}", name);
    if (other->second != facts) {
      throw Error(Errc::unverified, "the copy has another {}: {} instead of {}", name,
                  other->second, facts);
    }
  }
  for (const auto& [name, facts] : found) {
    if (!expected.contains(name)) {
      throw Error(Errc::unverified, "the copy has a {} that the source has not", name);
    }
  }
}

}  // namespace duckback
