#include "duckdb/rows.h"

#include <fmt/ranges.h>

#include "duckdb/sql.h"

namespace duckback {
namespace {

// Temporary, so in none of the databases.
constexpr const char* kLevels = "temp.main.duckback_levels";

}  // namespace

Portions::Portions(Connection& connection, const std::string& catalog, const Table& table)
    : connection_(connection),
      path_(quote_path(catalog, table.schema, table.name)),
      title_(table.schema + "." + table.name) {
  std::vector<std::string> names;
  bool has_rowid = false;
  for (const std::string& name : table.stored_columns) {
    names.push_back(quote_name(name));
    if (name == "rowid") has_rowid = true;
  }
  columns_ = fmt::format("{}", fmt::join(names, ", "));

  std::vector<SelfReference> references = list_self_references(connection, catalog, table);
  if (references.empty()) return;
  if (has_rowid) {
    throw Error(Errc::unsupported,
                "table {} refers to itself and has a column rowid: its rows cannot be put in "
                "order; copy by blocks instead",
                title_);
  }
  find_levels(references);
}

Portions::~Portions() {
  if (!has_levels_) return;
  try {
    connection_.run(fmt::format("DROP TABLE IF EXISTS {}", kLevels));
  } catch (const Error&) {
    // The next one replaces it.
  }
}

// A row's level is 0 if it refers to no row, else one more than those it refers to.
void Portions::find_levels(const std::vector<SelfReference>& references) {
  std::vector<std::string> satisfied;
  std::vector<std::string> free;
  for (const SelfReference& reference : references) {
    std::vector<std::string> nulls;
    std::vector<std::string> equal;
    for (const auto& [column, referenced] : reference) {
      nulls.push_back(fmt::format("child.{} IS NULL", quote_name(column)));
      equal.push_back(
          fmt::format("child.{} = parent.{}", quote_name(column), quote_name(referenced)));
    }
    free.push_back(fmt::format("({})", fmt::join(nulls, " OR ")));
    satisfied.push_back(fmt::format(
        "({} OR EXISTS (SELECT 1 FROM {} AS parent JOIN {} AS known ON parent.rowid = known.id "
        "WHERE {}))",
        fmt::join(nulls, " OR "), path_, kLevels, fmt::join(equal, " AND ")));
  }
  connection_.run(fmt::format(
      "CREATE OR REPLACE TEMP TABLE duckback_levels AS SELECT child.rowid AS id, 0 AS level "
      "FROM {} AS child WHERE {}",
      path_, fmt::join(free, " AND ")));
  has_levels_ = true;
  std::uint64_t all =
      std::stoull(connection_.query_text(fmt::format("SELECT count(*)::VARCHAR FROM {}", path_)));
  std::uint64_t known = 0;
  for (;; ++count_) {
    std::uint64_t before = known;
    known = std::stoull(
        connection_.query_text(fmt::format("SELECT count(*)::VARCHAR FROM {}", kLevels)));
    if (known == all) return;
    if (known == before && count_ > 1) {
      throw Error(
          Errc::unsupported,
          "{} rows of table {} refer to each other in a circle, which DuckDB cannot insert; "
          "copy by blocks instead",
          all - known, title_);
    }
    connection_.run(fmt::format(
        "INSERT INTO {} SELECT child.rowid, {} FROM {} AS child WHERE NOT EXISTS (SELECT 1 FROM {} "
        "AS done WHERE done.id = child.rowid) AND {}",
        kLevels, count_, path_, kLevels, fmt::join(satisfied, " AND ")));
  }
}

std::string Portions::select(std::size_t portion) const {
  if (!has_levels_ || count_ == 1) return fmt::format("SELECT {} FROM {}", columns_, path_);
  return fmt::format(
      "SELECT {} FROM {} AS source WHERE source.rowid IN (SELECT id FROM {} WHERE level = {}) "
      "ORDER BY source.rowid",
      columns_, path_, kLevels, portion);
}

}  // namespace duckback
