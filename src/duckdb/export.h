#pragma once

#include <string>
#include <vector>

#include "duckdb/connection.h"
#include "duckdb/worker.h"

namespace duckback {

// Writes schema.sql, load.sql and Parquet files into the working directory, reads every value
// back and returns the counts. The schema is tried out first in a `blueprint`, a catalog in memory
// that it attaches. `scratch` must not exist.
std::vector<TableCount> export_database(Connection& connection, const std::string& source,
                                        bool source_read_only, const std::string& blueprint,
                                        const fs::path& scratch);

}  // namespace duckback
