#pragma once

#include <functional>

#include "capture/capture.h"
#include "ops/sidecar.h"

namespace duckback {

struct CopyOptions {
  enum class Method { cp, attach, export_parquet };
  enum class Verify { none, blocks, open, full };

  std::string source;
  std::string destination;  // as of ops/destination.h, or ops/bucket_address.h
  bool timestamp = false;
  bool clobber = true;  // replace a copy that exists
  Method method = Method::cp;
  Verify verify = Verify::blocks;
  bool keep_wal = false;        // ship database and WAL rather than fold the WAL in
  std::string storage_version;  // method attach: DuckDB's STORAGE_VERSION, "" = the source's
  bool allow_damaged = false;
  bool require_certified = false;
  std::optional<std::string> key;   // the database's ENCRYPTION_KEY
  std::optional<std::string> name;  // what to call the database, "" = its path
  std::chrono::milliseconds timeout{120'000};
  fs::path library;  // as of duckdb/worker.h
  fs::path scratch;  // for what is made on the way into a bucket; as of ops/scratch_database.h

  // What is being done now, in words; and how far reading is.
  std::function<void(const std::string&)> step;
  std::function<void(const CaptureProgress&)> progress;
  std::stop_token stop;
};

struct CopyResult {
  std::string path;      // or an address
  std::string wal_path;  // "" if there is none
  std::string sidecar_path;
  Sidecar sidecar;
  Image image;  // what was captured; for methods other than cp not what the copy holds
  std::vector<std::string> warnings;
  std::chrono::nanoseconds elapsed{};
};

// Copies a database, in use or not, and leaves at the destination either a complete, durable copy
// with its sidecar, or what was there before. A copy of a damaged database exists only with
// allow_damaged, and its sidecar says so. Errors are those of capture(), and Errc::refused,
// Errc::conflict, Errc::not_found, Errc::no_space for what is wrong with source and destination.
CopyResult copy(const CopyOptions& options);

std::string_view name_of(CopyOptions::Method method);
std::string_view name_of(CopyOptions::Verify verify);

}  // namespace duckback
