#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/key_option.h"
#include "cli/render.h"
#include "cli/timeout_option.h"
#include "ops/bucket_address.h"
#include "ops/copy.h"
#include "ops/fetch_copy.h"

namespace duckback {
namespace {

using nlohmann::json;

const Choices<CopyOptions::Method> kMethods = {{"cp", CopyOptions::Method::cp},
                                               {"attach", CopyOptions::Method::attach},
                                               {"export", CopyOptions::Method::export_parquet}};
const Choices<CopyOptions::Verify> kLevels = {{"none", CopyOptions::Verify::none},
                                              {"blocks", CopyOptions::Verify::blocks},
                                              {"open", CopyOptions::Verify::open},
                                              {"full", CopyOptions::Verify::full}};

struct Arguments {
  CopyOptions copy;
  std::string method = "cp";
  std::string verify = "blocks";
  KeyOption key;
  bool no_clobber = false;
  std::string library;
  TimeoutOption timeout;
  std::string scratch;
};

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

json to_json(const CopyResult& result) {
  const Sidecar& sidecar = result.sidecar;
  const Image& image = result.image;
  json wal = nullptr;
  if (!result.wal_path.empty()) wal = result.wal_path;
  json writer = nullptr;
  if (image.writer) writer = {{"pid", image.writer->pid}, {"program", image.writer->program}};
  json damaged = json::array();
  for (const DamagedBlock& block : image.damaged) {
    damaged.push_back({{"block", block.id}, {"offset", block.offset}});
  }
  json tables = nullptr;
  if (sidecar.tables) {
    tables = json::array();
    for (const Sidecar::Table& table : *sidecar.tables) {
      tables.push_back({{"schema", table.schema}, {"table", table.table}, {"rows", table.rows}});
    }
  }
  return {{"path", result.path},
          {"wal", wal},
          {"sidecar", result.sidecar_path},
          {"certification", sidecar.certification},
          {"method", sidecar.method},
          {"time", format_utc(sidecar.time)},
          {"bytes", sidecar.bytes},
          {"blake3", sidecar.blake3},
          {"source", sidecar.database},
          {"source_bytes", sidecar.source_bytes},
          {"source_wal_bytes", sidecar.source_wal_bytes},
          {"storage_version", sidecar.storage_version},
          {"needs", sidecar.needs},
          {"encrypted", sidecar.encrypted},
          {"blocks", sidecar.blocks},
          {"free_blocks", sidecar.free_blocks},
          {"settled", sidecar.settled},
          {"verified", sidecar.verified ? json(sidecar.verified->level) : json(nullptr)},
          {"capture_seconds", seconds(image.elapsed)},
          {"seconds", seconds(result.elapsed)},
          {"rounds", image.rounds},
          {"checkpoints_seen", image.checkpoints_seen},
          {"wal_commits", image.wal_commits},
          {"writer", writer},
          {"damaged", damaged},
          {"damaged_blocks", sidecar.damaged_blocks},
          {"tables", tables},
          {"warnings", result.warnings}};
}

std::string in_words(Grade grade) {
  switch (grade) {
    case Grade::certified:
      return "certified: proven consistent by its WAL";
    case Grade::quiet:
      return "quiet: nothing changed during the copy and for a while after";
    case Grade::cold:
      return "cold: no process had it open for writing";
  }
  return "";
}

std::string verification(const Sidecar& sidecar) {
  if (!sidecar.verified) return "not verified";
  std::string blocks = fmt::format("{} verified", count_of(sidecar.blocks, "block"));
  if (sidecar.verified->level == "blocks") return blocks;
  std::uint64_t rows = 0;
  for (const Sidecar::Table& table : *sidecar.tables) rows += table.rows;
  return fmt::format("{}, opened with DuckDB {}: {}, {}{}", blocks,
                     sidecar.library_version.value_or("?"),
                     count_of(sidecar.tables->size(), "table"), count_of(rows, "row"),
                     sidecar.verified->level == "full" ? ", all read" : "");
}

void print_summary(const CopyResult& result) {
  const Sidecar& sidecar = result.sidecar;
  const Image& image = result.image;
  print_note(fmt::format("Copied {} ({}) in {}", image.path.string(),
                         format_bytes(image.source.bytes), format_duration(result.elapsed)));
  if (image.writer) {
    print_note(fmt::format("  in use by {}; copied without stopping it", to_text(*image.writer)));
  }
  print_note(fmt::format("  {}", in_words(image.grade)));
  std::string size = format_bytes(sidecar.bytes);
  if (sidecar.wal) size += fmt::format(" and a WAL of {}", format_bytes(sidecar.wal->bytes));
  print_note(fmt::format("  {}; {}", size, verification(sidecar)));
}

void print_fetched(const CopyResult& result, const std::string& source) {
  print_note(fmt::format("Fetched {} ({}) in {}; it is what duckback wrote", source,
                         format_bytes(result.sidecar.bytes), format_duration(result.elapsed)));
}

// A copy in a bucket is given back as it is.
void check_fetch(const CopyOptions& options) {
  bool as_it_is = options.method == CopyOptions::Method::cp &&
                  options.verify == CopyOptions::Verify::blocks && !options.keep_wal &&
                  !options.allow_damaged && !options.require_certified && !options.key &&
                  !options.name;
  if (as_it_is) return;
  throw Error(Errc::invalid,
              "{} is a copy in a bucket, which is given back as it is: of the options only "
              "--timestamp and --no-clobber go with it",
              options.source);
}

int run(const Arguments& arguments, const Invocation& invocation) {
  CopyOptions options = arguments.copy;
  options.method = choose("--method", kMethods, arguments.method);
  options.verify = choose("--verify", kLevels, arguments.verify);
  options.clobber = !arguments.no_clobber;
  options.key = arguments.key.read();
  if (options.name && options.name->empty()) throw Error(Errc::invalid, "--name: it is empty");
  options.timeout = arguments.timeout.read();
  options.library = arguments.library;
  options.scratch = arguments.scratch;
  options.stop = invocation.stop;
  bool logical = options.method != CopyOptions::Method::cp;
  if (options.keep_wal && logical) {
    throw Error(Errc::invalid, "--keep-wal goes with --method cp only");
  }
  if (options.method == CopyOptions::Method::export_parquet &&
      options.verify >= CopyOptions::Verify::open) {
    throw Error(Errc::invalid,
                "--verify {} opens a database, and an export is none; its values are compared as "
                "it is written",
                name_of(options.verify));
  }
  if (!options.storage_version.empty() && options.method != CopyOptions::Method::attach) {
    throw Error(Errc::invalid, "--storage-version goes with --method attach only");
  }
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  options.progress = [&](const CaptureProgress& now) { progress.update(now); };

  bool fetched = is_in_bucket(options.source);
  if (fetched) check_fetch(options);
  CopyResult result = fetched ? fetch_copy(options) : copy(options);
  progress.clear();
  for (const std::string& warning : result.warnings) print_warning(warning);
  if (invocation.json) {
    print_json(to_json(result), invocation);
  } else {
    if (!invocation.quiet) {
      fetched ? print_fetched(result, options.source) : print_summary(result);
    }
    print_exact(result.path);
  }
  bool damaged = result.sidecar.damaged_blocks > 0 || result.image.wal_damaged;
  return damaged ? exit_status(Errc::corrupt) : 0;
}

}  // namespace

Run declare_copy(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  CopyOptions& copy = arguments->copy;
  app.add_option("SOURCE", copy.source,
                 "The database, in use or not; or a copy in a bucket, to bring it here")
      ->required();
  app.add_option(
         "DEST", copy.destination,
         "A file, or a folder (a slash at its end makes it) for backup-YYYYMMDD-HHMMSS.duckdb; or "
         "s3://BUCKET/FOLDER/[NAME]")
      ->required();
  app.add_flag("--timestamp", copy.timestamp, "Put the local time into the name of the file");
  app.add_flag("--no-clobber", arguments->no_clobber, "Refuse if the destination exists");
  app.add_flag("--keep-wal", copy.keep_wal,
               "Copy database and WAL as they are, two files, instead of folding the WAL in");
  app.add_option("--method", arguments->method,
                 "cp: its blocks (default); attach: through DuckDB, which compacts; "
                 "export: a folder of Parquet files")
      ->type_name("METHOD");
  app.add_option("--storage-version", copy.storage_version,
                 "With --method attach: the copy's, as DuckDB calls it (v1.2.0, latest)");
  app.add_option("--libduckdb", arguments->library, "The DuckDB library to open copies with");
  app.add_option("--scratch", arguments->scratch,
                 "Folder for the working files of a copy to a bucket (default: $TMPDIR, /var/tmp)")
      ->type_name("FOLDER");
  app.add_option("--verify", arguments->verify,
                 "none; blocks: every checksum (default); open: also open it with DuckDB; "
                 "full: also read every row")
      ->type_name("LEVEL");
  arguments->key.declare(app);
  app.add_flag("--allow-damaged", copy.allow_damaged,
               "Keep a copy of a damaged database, marked as such (exit status 4)");
  app.add_flag("--require-certified", copy.require_certified,
               "Refuse an image that only a quiet period proves");
  app.add_option("--name", copy.name, "What to call this database in lists, in place of its path");
  arguments->timeout.declare(app);
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
