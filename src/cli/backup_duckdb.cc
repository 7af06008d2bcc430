#include <CLI/CLI.hpp>
#include <ctime>

#include "cli/choice.h"
#include "cli/render.h"
#include "cli/run.h"
#include "cli/stop.h"
#include "ops/copy.h"

namespace duckback {
namespace {

void log(std::string_view level, std::string_view text) {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &parts);
  print_note(fmt::format("{} {} {}", stamp, level, text));
}

int run_copy(const CopyOptions& options) {
  CopyResult result = copy(options);
  for (const std::string& warning : result.warnings) log("WARNING", warning);
  log("INFO", fmt::format("done in {}: {} ({}, {})", format_duration(result.elapsed), result.path,
                          format_bytes(result.sidecar.bytes), result.sidecar.certification));
  print_exact(result.path);
  return 0;
}

}  // namespace

int run_backup_duckdb(int argc, char** argv) {
  using Method = CopyOptions::Method;
  const Choices<Method> methods = {{"cp", Method::cp}, {"attach", Method::attach}};
  StopOnSignal stop;
  CopyOptions options;
  std::string method = "cp";
  options.stop = stop.token();
  options.step = [](const std::string& what) { log("INFO", what); };

  CLI::App app("Copies a DuckDB database, in use or not.", "backup_duckdb");
  app.add_option("--db", options.source, "The database")->required();
  app.add_option("--backup", options.destination,
                 "Where to: a file, or a folder for backup-YYYYMMDD-HHMMSS.duckdb; or "
                 "s3://BUCKET/FOLDER/[NAME]")
      ->required();
  app.add_option("--method", method,
                 "cp: its blocks (default); attach: through DuckDB, which compacts")
      ->type_name("cp|attach");
  app.add_flag("--timestamp", options.timestamp, "Put the local time into the name");
  app.footer("Exit status: 0 done, 1 failed. `duckback copy` can do more.");

  try {
    app.parse(argc, argv);
    options.method = choose("--method", methods, method);
    return run_copy(options);
  } catch (const CLI::Success& wish) {
    return app.exit(wish);
  } catch (const CLI::ParseError& error) {
    log("ERROR", fmt::format("{}. See `backup_duckdb --help`", error.what()));
  } catch (const Error& error) {
    log("ERROR", error.what());
  } catch (const Interrupted&) {
    log("ERROR", "stopped by a signal; nothing was left behind");
  } catch (const std::exception& error) {
    log("ERROR", fmt::format("unexpected error: {}. Please report it", error.what()));
  }
  return 1;
}

}  // namespace duckback
