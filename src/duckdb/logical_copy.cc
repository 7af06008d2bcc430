#include "duckdb/logical_copy.h"

#include "duckdb/rows.h"
#include "duckdb/schema.h"
#include "duckdb/sql.h"

namespace duckback {
namespace {

void require_equal(const std::vector<TableCount>& source, const std::vector<TableCount>& target) {
  if (source == target) return;
  for (const TableCount& one : source) {
    for (const TableCount& other : target) {
      if (one.schema == other.schema && one.table == other.table && one != other) {
        throw Error(Errc::unverified, "table {}.{} has {} rows in the copy and {} in the source",
                    one.schema, one.table, other.rows, one.rows);
      }
    }
  }
  throw Error(Errc::unverified, "the copy has {} tables and the source {}", target.size(),
              source.size());
}

}  // namespace

std::vector<TableCount> copy_database(Connection& connection, const std::string& source,
                                      bool source_read_only, const std::string& target,
                                      const fs::path& scratch) {
  Schema schema = read_schema(connection, source, source_read_only, scratch);
  // Tables that others refer to are made before those, so their rows go first as well.
  for (const SchemaObject& object : create_objects(connection, target, std::move(schema.objects))) {
    if (object.kind != "table") continue;
    Portions portions(connection, source, object.table);
    for (std::size_t portion = 0; portion < portions.count(); ++portion) {
      in_context(object.title(), [&] {
        connection.run(fmt::format("INSERT INTO {} ({}) {}",
                                   quote_path(target, object.schema, object.name),
                                   portions.columns(), portions.select(portion)));
      });
    }
  }
  for (const std::string& comment : schema.comments) connection.run(comment);
  create_objects(connection, target, std::move(schema.indexes));
  for (const std::string& comment : schema.index_comments) connection.run(comment);
  connection.run("CHECKPOINT " + quote_name(target));

  compare_schemas(connection, source, target);
  std::vector<TableCount> counts = count_tables(connection, target, false);
  require_equal(count_tables(connection, source, false), counts);
  return counts;
}

}  // namespace duckback
