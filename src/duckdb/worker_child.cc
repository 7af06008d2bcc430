#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "duckdb/block_users.h"
#include "duckdb/connection.h"
#include "duckdb/database.h"
#include "duckdb/export.h"
#include "duckdb/library.h"
#include "duckdb/logical_copy.h"
#include "duckdb/messages.h"
#include "duckdb/sql.h"
#include "duckdb/worker.h"
#include "io/file.h"

namespace duckback {
namespace {

// A name that no user's database has, and so none of its views mentions.
constexpr const char* kSource = "duckback source";

class Output {
 public:
  // Takes standard output for itself: what the library prints goes to standard error.
  Output() : descriptor_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  void write(const WorkerAnswer& answer) const {
    std::string line = to_line(answer);
    for (std::size_t done = 0; done < line.size();) {
      ssize_t count = ::write(descriptor_, line.data() + done, line.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) ::_exit(1);  // Nobody listens.
      done += static_cast<std::size_t>(count);
    }
  }

 private:
  int descriptor_;
};

std::string read_input() {
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno(errno, "read the request");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

class Task {
 public:
  Task(const WorkerRequest& request, const Output& output)
      : request_(request), output_(output), library_(Library::load(request.library)) {}

  WorkerResult run() {
    WorkerResult result;
    result.library = {library_.version, library_.path};
    if (request_.task == "find") return result;
    if (request_.task == "open") {
      result.opened.push_back(open(request_.read_only, false));
    } else if (request_.task == "settle") {
      result.opened.push_back(open(false, true));
      result.opened.push_back(open(true, false));
    } else if (request_.task == "copy") {
      result.opened.push_back(copy());
    } else if (request_.task == "export") {
      result.opened.push_back(export_parquet());
    } else if (request_.task == "block_users") {
      result.block_users = block_users();
    } else {
      throw Error(Errc::invalid, "there is no task {}", request_.task);
    }
    return result;
  }

 private:
  void enter(const std::string& activity) const {
    WorkerAnswer answer;
    answer.stage = activity;
    output_.write(answer);
  }

  Settings settings() const {
    Settings settings = {{"autoinstall_known_extensions", "false"},
                         {"autoload_known_extensions", "false"},
                         {"temp_directory", request_.temp_directory}};
    if (!request_.memory_limit.empty()) {
      settings.emplace_back("memory_limit", request_.memory_limit);
    }
    if (request_.threads != 0) settings.emplace_back("threads", std::to_string(request_.threads));
    return settings;
  }

  OpenedDatabase open(bool read_only, bool checkpoint) const {
    Connection connection(library_, settings());
    enter("opening " + request_.database);
    attach(connection, {.path = request_.database,
                        .catalog = request_.catalog,
                        .key = request_.key,
                        .read_only = read_only});
    lock_down(connection);
    enter((request_.full_scan ? "reading " : "counting the rows of ") + request_.database);
    OpenedDatabase opened{library_.version,
                          count_tables(connection, request_.catalog, request_.full_scan)};
    if (checkpoint) {
      enter("checkpointing " + request_.database);
      connection.run("CHECKPOINT " + quote_name(request_.catalog));
    }
    enter("closing " + request_.database);
    detach(connection, request_.catalog);
    return opened;
  }

  // Folds the WAL in under the database's own name, which what is in it may mention; then attaches
  // it under another, for that name is the target's.
  void attach_source(Connection& connection) const {
    enter("opening " + request_.database);
    AttachOptions options{.path = request_.database,
                          .catalog = request_.catalog,
                          .key = request_.key,
                          .read_only = request_.read_only};
    if (!request_.read_only) {
      attach(connection, options);
      connection.run("CHECKPOINT " + quote_name(request_.catalog));
      detach(connection, request_.catalog);
    }
    options.catalog = kSource;
    attach(connection, options);
  }

  OpenedDatabase copy() const {
    Connection connection(library_, settings());
    attach_source(connection);
    enter("creating " + request_.target);
    std::string version = request_.storage_version;
    if (version.empty()) version = find_storage_version(connection, kSource);
    attach(connection,
           {.path = request_.target, .catalog = request_.catalog, .storage_version = version});
    // No lock_down(): views over files must find them to be made again.
    connection.run("SET lock_configuration = true");
    enter("copying " + request_.database);
    OpenedDatabase copied{library_.version, copy_database(connection, kSource, request_.read_only,
                                                          request_.catalog, scratch())};
    enter("closing " + request_.target);
    detach(connection, request_.catalog);
    detach(connection, kSource);
    return copied;
  }

  OpenedDatabase export_parquet() const {
    Connection connection(library_, settings());
    attach_source(connection);
    connection.run("SET lock_configuration = true");
    fs::path temp = scratch();
    // File names that are relative: read_parquet() would take brackets in a folder for a pattern.
    fs::create_directory(request_.target);
    fs::current_path(request_.target);
    enter("exporting " + request_.database);
    OpenedDatabase exported{
        library_.version,
        export_database(connection, kSource, request_.read_only, request_.catalog, temp)};
    detach(connection, kSource);
    return exported;
  }

  std::vector<BlockUser> block_users() const {
    Connection connection(library_, settings());
    enter("opening " + request_.database);
    attach(connection, {.path = request_.database, .catalog = request_.catalog, .read_only = true});
    connection.run("USE " + quote_name(request_.catalog));
    lock_down(connection);
    enter("asking for the blocks of tables of " + request_.database);
    return find_block_users(connection, request_.catalog, request_.block_bytes, request_.blocks);
  }

  fs::path scratch() const {
    fs::create_directories(request_.temp_directory);
    return fs::path(request_.temp_directory) / "macros";
  }

  const WorkerRequest& request_;
  const Output& output_;
  Library library_;
};

}  // namespace

int run_worker() {
  // A core dump of this process would hold keys and data.
  ::prctl(PR_SET_DUMPABLE, 0);
  ::umask(077);
  Output output;
  WorkerAnswer answer;
  try {
    WorkerRequest request = parse_request(read_input());
    answer.result = Task(request, output).run();
  } catch (const Error& error) {
    answer.error = error;
  } catch (const std::exception& exception) {
    answer.error = Error(Errc::unverified, "the DuckDB worker failed: {}", exception.what());
  }
  output.write(answer);
  return 0;
}

}  // namespace duckback
