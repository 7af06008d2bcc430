#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace duckback {

namespace fs = std::filesystem;

// The DuckDB library, always in a child process (this program again with the hidden command
// `_worker`): a damaged file can crash DuckDB, and that must become an error message. One request a
// child; the request, keys included, goes through its standard input, never its arguments.
// All functions throw Error: Errc::unsupported when there is no usable library or it cannot read
// the database (newer storage, a missing extension), Errc::unverified when DuckDB finds the
// database wrong, crashes or exceeds the timeout, Errc::no_space for a full disk, Errc::refused for
// a missing or wrong key, Errc::conflict when another process has the file open in DuckDB,
// Errc::not_found for a file that is not there, Errc::invalid
// for a storage version that the library does not know. Interrupted when stopped. Nothing is left
// behind.
struct WorkerOptions {
  // "" = $DUCKBACK_LIBDUCKDB, then next to the program, then the system's.
  fs::path library;
  std::chrono::milliseconds timeout{std::chrono::hours(12)};
  // Where DuckDB may spill to; "" = the folder of the database (or of the target, if there is one).
  fs::path scratch;
  // DuckDB's settings of these names; "", 0 = its own default: 80 % of the memory
  // (or of the container's limit), all cores.
  std::string memory_limit;
  unsigned threads = 0;
  std::stop_token stop;
};

struct TableCount {
  std::string schema;
  std::string table;
  std::uint64_t rows = 0;
  // A checksum over all values, blind to the order of rows; only from full scans, and comparable
  // only between results of one library version.
  std::optional<std::string> checksum;
  bool operator==(const TableCount&) const = default;
};

struct LibraryInfo {
  std::string version;  // "v1.5.6"
  fs::path path;
};
// Throws Errc::unsupported with where it looked if there is none.
LibraryInfo find_library(const WorkerOptions& options);

struct OpenedDatabase {
  std::string library_version;
  std::vector<TableCount> tables;  // ordered by schema, table
};

// Opens a database (with its WAL) and lists its tables with row counts. With `full_scan` every
// column of every table is read, and the counts carry checksums. `read_only` for encrypted
// databases and for files that must not change; otherwise the file is a scratch copy and the WAL is
// replayed.
struct OpenRequest {
  fs::path database;
  // The database's name inside DuckDB, which its views and macros may mention: the stem of the
  // file's original name. "" = the stem of `database`.
  std::string catalog = {};
  std::optional<std::string> key = {};
  bool read_only = false;
  bool full_scan = false;
};
OpenedDatabase open_database(const OpenRequest& request, const WorkerOptions& options);

// Opens database + WAL, counts, folds the WAL in (CHECKPOINT), closes, opens again read-only and
// counts again. Returns both; the caller compares. Keeps the storage version.
struct SettledDatabase {
  OpenedDatabase replayed;
  OpenedDatabase settled;
};
SettledDatabase settle_database(const fs::path& database, bool full_scan,
                                const WorkerOptions& options);

// Which tables use given blocks of a database file, as far as DuckDB tells from what describes its
// tables: indexes and the catalog itself are no tables, a table whose name has a quotation mark
// cannot be asked about, and of one with an unreadable block only the first of those may be known.
// Opened read-only, without a WAL. Blocks may be unreadable; DuckDB may then find the whole
// database wrong (Errc::unverified).
struct BlockUser {
  std::uint64_t block = 0;
  std::string schema;
  std::string table;
  bool operator==(const BlockUser&) const = default;
};
struct BlockUsersRequest {
  fs::path database;
  std::uint64_t block_bytes = 0;
  std::vector<std::uint64_t> blocks;
};
std::vector<BlockUser> find_block_users(const BlockUsersRequest& request,
                                        const WorkerOptions& options);

// A logical copy through DuckDB into `target`, which must not exist: every schema, type, sequence,
// macro, table, row, view, index and comment, in order of their dependencies; schema and row counts
// are compared before it returns. What cannot be carried is an Error.
struct LogicalCopyRequest {
  fs::path source;           // a private copy, WAL beside it; opened read-write unless encrypted
  std::string catalog = {};  // as in OpenRequest; also the stem of the file's name later on
  std::optional<std::string> source_key = {};
  fs::path target;
  // DuckDB's STORAGE_VERSION ("v1.2.0", "latest"); "" = the source's, where the library tells it
  // (1.4 and later), else the library's default.
  std::string storage_version = {};
};
OpenedDatabase logical_copy(const LogicalCopyRequest& request, const WorkerOptions& options);

// Writes a folder as EXPORT DATABASE (FORMAT parquet) does, which must not exist, for IMPORT
// DATABASE: schema.sql in an order that works, with the comments, load.sql and Parquet files. The
// values of every table are compared before it returns; what Parquet cannot carry is an Error.
struct ExportRequest {
  fs::path source;  // as in LogicalCopyRequest
  std::string catalog = {};
  std::optional<std::string> source_key = {};
  fs::path folder;
};
OpenedDatabase export_parquet(const ExportRequest& request, const WorkerOptions& options);

// The child's side: reads one request from standard input, answers on standard output.
int run_worker();

}  // namespace duckback
