#pragma once

#include <string>

#include "duckdb/connection.h"
#include "duckdb/worker.h"

namespace duckback {

// Copies catalog `source` into the new, attached and empty `target`, compares the two and returns
// the counts. `scratch` must not exist.
std::vector<TableCount> copy_database(Connection& connection, const std::string& source,
                                      bool source_read_only, const std::string& target,
                                      const fs::path& scratch);

}  // namespace duckback
