#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "duckdb/worker.h"

namespace duckback {

// What goes through the pipes, as one line of JSON each: the parent writes one request, the child
// answers with stages and then a result or an error. Parsing throws Errc::invalid.

struct WorkerRequest {
  std::string task;
  std::string library;
  std::string memory_limit;
  unsigned threads = 0;
  std::string temp_directory;
  std::string database;
  std::string catalog;
  std::optional<std::string> key;
  bool read_only = false;
  bool full_scan = false;
  std::string target;
  std::string storage_version;
  std::uint64_t block_bytes = 0;
  std::vector<std::uint64_t> blocks;
};
std::string to_line(const WorkerRequest& request);
WorkerRequest parse_request(std::string_view line);

struct WorkerResult {
  LibraryInfo library;
  std::vector<OpenedDatabase> opened;
  std::vector<BlockUser> block_users;
};
struct WorkerAnswer {
  std::string stage;  // what it does next, for messages should DuckDB crash
  std::optional<WorkerResult> result;
  std::optional<Error> error;
};
std::string to_line(const WorkerAnswer& answer);
WorkerAnswer parse_answer(std::string_view line);

}  // namespace duckback
