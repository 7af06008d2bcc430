#include "duckdb/worker.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "duckdb/messages.h"
#include "io/child.h"
#include "io/file.h"

namespace duckback {
namespace {

// DuckDB makes the folder only when it must; we remove it whatever happened.
class TempFolder {
 public:
  explicit TempFolder(const fs::path& parent) {
    static std::atomic<unsigned> number = 0;
    path_ = parent / fmt::format(".duckback-worker-{}-{}", ::getpid(), number++);
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

[[noreturn]] void throw_ended(const Child& child, const ChildEnd& end, const std::string& stage) {
  std::string last = child.error_text();
  while (!last.empty() && last.back() == '\n') last.pop_back();
  last.erase(0, last.rfind('\n') + 1);
  if (!last.empty()) last = " (" + last + ")";
  if (end.signal == SIGKILL) {
    throw Error(Errc::io,
                "DuckDB was killed while {}, probably for lack of memory; give it a lower memory "
                "limit or the machine more memory",
                stage);
  }
  if (end.signal != 0) {
    throw Error(Errc::unverified,
                "DuckDB crashed (signal {}, {}) while {}{}: the file is damaged, or this DuckDB "
                "has a bug; try another version of the library",
                end.signal, ::strsignal(end.signal), stage, last);
  }
  throw Error(Errc::unverified, "DuckDB ended without an answer (exit status {}) while {}{}",
              end.exit_status, stage, last);
}

WorkerResult ask(const WorkerRequest& request, const WorkerOptions& options) {
  Child child({.program = "/proc/self/exe",
               .arguments = {"_worker"},
               .input = to_line(request),
               .timeout = options.timeout,
               .stop = options.stop});
  std::string stage = "starting";
  std::optional<WorkerResult> result;
  for (;;) {
    std::optional<std::string> line =
        in_context("DuckDB, " + stage, [&] { return child.read_line(); });
    if (!line) break;
    WorkerAnswer answer = parse_answer(*line);
    if (!answer.stage.empty()) stage = answer.stage;
    if (answer.error) throw stage == "starting" ? *answer.error : answer.error->within(stage);
    if (answer.result) result = std::move(answer.result);
  }
  // An answer from a process that then crashes is none.
  ChildEnd end = in_context("DuckDB, " + stage, [&] { return child.wait(); });
  if (!end.ok() || !result) throw_ended(child, end, stage);
  return std::move(*result);
}

// Absolute, so that DuckDB takes no part of it for a scheme.
std::string to_text(const fs::path& path) {
  std::string text = fs::absolute(path).lexically_normal().string();
  if (!is_utf8(text)) {
    throw Error(Errc::unsupported,
                "DuckDB cannot open {}: the name is not UTF-8; rename the file or its folder",
                text);
  }
  return text;
}

void require_database(const fs::path& path) {
  std::optional<FileStat> stat = stat_path(path);
  if (!stat) throw Error(Errc::not_found, "there is no database {}", path.string());
  // DuckDB would make a new database of it.
  if (stat->bytes == 0) throw Error(Errc::unverified, "{} is empty", path.string());
}

WorkerRequest make_request(const char* task, const WorkerOptions& options) {
  WorkerRequest request;
  request.task = task;
  if (!options.library.empty()) request.library = to_text(options.library);
  request.memory_limit = options.memory_limit;
  request.threads = options.threads;
  return request;
}

WorkerResult ask_about(WorkerRequest request, const fs::path& database, const std::string& catalog,
                       const fs::path& work_folder, const WorkerOptions& options) {
  require_database(database);
  TempFolder temp(options.scratch.empty() ? work_folder : options.scratch);
  request.temp_directory = to_text(temp.path());
  request.database = to_text(database);
  request.catalog = catalog.empty() ? database.stem().string() : catalog;
  return ask(request, options);
}

}  // namespace

LibraryInfo find_library(const WorkerOptions& options) {
  return ask(make_request("find", options), options).library;
}

OpenedDatabase open_database(const OpenRequest& request, const WorkerOptions& options) {
  WorkerRequest message = make_request("open", options);
  message.key = request.key;
  message.read_only = request.read_only;
  message.full_scan = request.full_scan;
  return ask_about(std::move(message), request.database, request.catalog,
                   folder_of(request.database), options)
      .opened.at(0);
}

SettledDatabase settle_database(const fs::path& database, bool full_scan,
                                const WorkerOptions& options) {
  WorkerRequest message = make_request("settle", options);
  message.full_scan = full_scan;
  WorkerResult result = ask_about(std::move(message), database, "", folder_of(database), options);
  return {std::move(result.opened.at(0)), std::move(result.opened.at(1))};
}

std::vector<BlockUser> find_block_users(const BlockUsersRequest& request,
                                        const WorkerOptions& options) {
  WorkerRequest message = make_request("block_users", options);
  message.read_only = true;
  message.block_bytes = request.block_bytes;
  message.blocks = request.blocks;
  return ask_about(std::move(message), request.database, "", folder_of(request.database), options)
      .block_users;
}

namespace {

// Removes what a failed task wrote, unless committed.
class Unfinished {
 public:
  explicit Unfinished(std::vector<fs::path> paths) : paths_(std::move(paths)) {
    if (stat_path(paths_[0])) throw Error(Errc::refused, "{} exists", paths_[0].string());
  }
  ~Unfinished() {
    std::error_code ignored;
    for (const fs::path& path : paths_) fs::remove_all(path, ignored);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void commit() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

}  // namespace

OpenedDatabase logical_copy(const LogicalCopyRequest& request, const WorkerOptions& options) {
  WorkerRequest message = make_request("copy", options);
  message.key = request.source_key;
  message.read_only = request.source_key.has_value();
  message.target = to_text(request.target);
  message.storage_version = request.storage_version;
  Unfinished unfinished({request.target, request.target.string() + ".wal"});
  OpenedDatabase copied = ask_about(std::move(message), request.source, request.catalog,
                                    folder_of(request.target), options)
                              .opened.at(0);
  unfinished.commit();
  return copied;
}

OpenedDatabase export_parquet(const ExportRequest& request, const WorkerOptions& options) {
  WorkerRequest message = make_request("export", options);
  message.key = request.source_key;
  message.read_only = request.source_key.has_value();
  message.target = to_text(request.folder);
  Unfinished unfinished({request.folder});
  OpenedDatabase exported = ask_about(std::move(message), request.source, request.catalog,
                                      folder_of(request.folder), options)
                                .opened.at(0);
  unfinished.commit();
  return exported;
}

}  // namespace duckback
