#pragma once

#include <string>
#include <vector>

#include "duckdb/connection.h"
#include "duckdb/worker.h"

namespace duckback {

// What find_block_users() of duckdb/worker.h answers, for `catalog`, which must be in use.
std::vector<BlockUser> find_block_users(Connection& connection, const std::string& catalog,
                                        std::uint64_t block_bytes,
                                        const std::vector<std::uint64_t>& blocks);
// The block that one of DuckDB's messages says it could not read; empty if it names none.
std::optional<std::uint64_t> find_unreadable_block(std::string_view message,
                                                   std::uint64_t block_bytes);

}  // namespace duckback
