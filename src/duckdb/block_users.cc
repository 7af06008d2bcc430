#include "duckdb/block_users.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "duckdb/database.h"
#include "duckdb/sql.h"

namespace duckback {
namespace {

// Where block 0 begins in a database file.
constexpr std::uint64_t kBlocksBegin = 3 * 4096;

// pragma_storage_info() reads a name with a quotation mark as the name without it: another table's.
bool can_be_asked(const Table& table) {
  return (table.schema + table.name).find('"') == std::string::npos;
}

// Blocks of long strings are in a list of their own, from DuckDB 1.2 on.
bool tells_more_blocks(Connection& connection, const std::string& title) {
  Rows rows = connection.query(
      fmt::format("SELECT column_name FROM (DESCRIBE SELECT * FROM pragma_storage_info({}))",
                  quote_text(title)));
  return std::any_of(rows.begin(), rows.end(),
                     [](const Row& row) { return row[0] == "additional_block_ids"; });
}

Rows ask(Connection& connection, const Table& table, const std::vector<std::uint64_t>& blocks) {
  std::string title = quote_name(table.schema) + "." + quote_name(table.name);
  std::string from = fmt::format("FROM pragma_storage_info({})", quote_text(title));
  std::string used = fmt::format("SELECT block_id AS id {}", from);
  if (tells_more_blocks(connection, title)) {
    used += fmt::format(" UNION ALL SELECT unnest(additional_block_ids) {}", from);
  }
  return connection.query(fmt::format("SELECT DISTINCT id::VARCHAR FROM ({}) WHERE id IN ({})",
                                      used, fmt::join(blocks, ", ")));
}

}  // namespace

std::optional<std::uint64_t> find_unreadable_block(std::string_view message,
                                                   std::uint64_t block_bytes) {
  constexpr std::string_view kPlace = "in block at location ";
  std::size_t at = message.find(kPlace);
  if (at == message.npos || block_bytes == 0) return std::nullopt;
  message.remove_prefix(at + kPlace.size());
  std::uint64_t location = 0;
  auto [end, error] = std::from_chars(message.data(), message.data() + message.size(), location);
  if (error != std::errc() || location < kBlocksBegin ||
      (location - kBlocksBegin) % block_bytes != 0) {
    return std::nullopt;
  }
  return (location - kBlocksBegin) / block_bytes;
}

std::vector<BlockUser> find_block_users(Connection& connection, const std::string& catalog,
                                        std::uint64_t block_bytes,
                                        const std::vector<std::uint64_t>& blocks) {
  std::vector<BlockUser> users;
  if (blocks.empty()) return users;
  for (const Table& table : list_tables(connection, catalog)) {
    if (!can_be_asked(table)) continue;
    try {
      for (const Row& row : ask(connection, table, blocks)) {
        users.push_back({std::stoull(*row[0]), table.schema, table.name});
      }
    } catch (const Error& error) {
      // DuckDB looks into some blocks of strings to answer; one that it stumbles on for this table
      // is this table's.
      std::optional<std::uint64_t> block = find_unreadable_block(error.what(), block_bytes);
      if (block && std::find(blocks.begin(), blocks.end(), *block) != blocks.end()) {
        users.push_back({*block, table.schema, table.name});
      }
    }
  }
  return users;
}

}  // namespace duckback
