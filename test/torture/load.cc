#include "load.h"

#include "base/error.h"

namespace duckback::torture {
namespace {

using namespace std::chrono_literals;
using Kind = Worker::Kind;

// More than a row group (122,880 rows): DuckDB writes it into the database file at once and only
// names the blocks in the WAL.
constexpr std::uint64_t kBulkRows = 130'000;

// Everything that one session can do without a delete.
Load::Thread mixed() {
  return {.workers = {{.kind = Kind::ledger, .name = "ledger"},
                      {.kind = Kind::trickle, .name = "trickle", .rows = 100},
                      {.kind = Kind::bulk, .name = "small", .rows = 40'000},
                      {.kind = Kind::text, .name = "text", .rows = 250},
                      {.kind = Kind::bulk, .name = "bulk", .rows = kBulkRows, .keep = 6}}};
}

Load::Thread bulk(std::string name, std::chrono::milliseconds pause) {
  return {.workers = {{.kind = Kind::bulk, .name = std::move(name), .rows = kBulkRows, .keep = 12}},
          .pause = pause};
}

Load::Thread trickle(std::chrono::milliseconds pause) {
  return {.workers = {{.kind = Kind::trickle, .name = "trickle", .rows = 3}}, .pause = pause};
}

std::vector<Load> make_loads() {
  return {
      {.name = "single-16mb",
       .about = "one session, all kinds of work, DuckDB's default threshold",
       .threads = {mixed()}},
      {.name = "single-1mb",
       .about = "the same, checkpoint at 1 MB of WAL",
       .settings = {"wal_autocheckpoint = '1MB'"},
       .threads = {mixed()}},
      {.name = "bulk",
       .about = "commits of more than a row group, CHECKPOINT now and then",
       .threads = {{.workers = {{.kind = Kind::bulk, .name = "bulk", .rows = 250'000, .keep = 4},
                                {.kind = Kind::trickle, .name = "trickle"}},
                    .pause = 20ms}},
       .checkpoint_every = 400ms},
      {.name = "catalog",
       .about = "tables, indexes and views created and dropped",
       // DuckDB up to 1.2 cannot replay a CREATE INDEX or VIEW in an attached database.
       .settings = {"wal_autocheckpoint = '1MB'"},
       .threads = {{.workers = {{.kind = Kind::catalog, .name = "item", .rows = 3000, .keep = 4},
                                {.kind = Kind::ledger, .name = "ledger"}},
                    .pause = 5ms}},
       .checkpoint_every = 300ms,
       .since = "1.3"},
      {.name = "deletes",
       .about = "one session inserts, deletes, updates and checkpoints",
       .threads = {{.workers = {{.kind = Kind::churn, .name = "churn", .rows = 20'000, .keep = 6},
                                {.kind = Kind::ledger, .name = "ledger"},
                                {.kind = Kind::trickle, .name = "trickle", .rows = 10}},
                    .pause = 5ms}},
       .checkpoint_commits = 25},
      {.name = "concurrent",
       .about = "two bulk inserters and a trickle beside a checkpointer",
       .threads = {bulk("left", 20ms), bulk("right", 20ms), trickle(5ms)},
       .checkpoint_every = 150ms},
      {.name = "concurrent-deletes",
       .about = "the same with deletes",
       .threads = {bulk("left", 20ms),
                   {.workers = {{.kind = Kind::churn, .name = "churn", .rows = 20'000, .keep = 6}},
                    .pause = 10ms},
                   trickle(5ms)},
       .checkpoint_every = 150ms,
       .deletes_beside_checkpoints = true},
      {.name = "skip-wal-100kb",
       .about = "two bulk inserters, threshold 100 KB: big commits go around the WAL",
       .settings = {"wal_autocheckpoint = '100KB'"},
       .threads = {bulk("left", 30ms), bulk("right", 30ms), trickle(10ms)}},
      {.name = "skip-wal-1mb",
       .about = "the same at 1 MB",
       .settings = {"wal_autocheckpoint = '1MB'"},
       .threads = {bulk("left", 10ms), bulk("right", 10ms), trickle(10ms)}},
      {.name = "paused-reader",
       .about = "a reader keeps a snapshot over two checkpoints while inserters go on",
       .threads = {bulk("left", 10ms), bulk("right", 10ms), trickle(5ms)},
       .checkpoint_every = 200ms,
       .paused_reader = true},
      {.name = "swap",
       .about = "the file is built anew beside itself and renamed over, then written to",
       .threads = {{.workers = {{.kind = Kind::bulk, .name = "bulk", .rows = kBulkRows, .keep = 50},
                                {.kind = Kind::trickle, .name = "trickle", .rows = 50},
                                {.kind = Kind::ledger, .name = "ledger"}}}},
       .swaps = true,
       .ballast_mib = 16},
      {.name = "idle",
       .about = "a burst of commits, then a rest",
       .threads = {{.workers = mixed().workers, .burst = 20, .rest = 3s}}},
      {.name = "liveness",
       .about = "two bulk inserters, a trickle, CHECKPOINT after every second commit, ballast",
       .threads = {bulk("left", 0ms), bulk("right", 0ms), trickle(20ms)},
       .checkpoint_commits = 2,
       .ballast_mib = 450},
      {.name = "restless",
       .about = "the same with little ballast: quick to judge",
       .threads = {bulk("left", 0ms), bulk("right", 0ms), trickle(20ms)},
       .checkpoint_commits = 2,
       .ballast_mib = 48},
      {.name = "default-threshold",
       // Commits around the WAL do not count for the threshold: alone and without a pause they make
       // the file grow by 100 MB a second, and reading it takes longer every second.
       .about = "the load of liveness without the CHECKPOINTs, and commits that fill the WAL",
       .threads = {bulk("left", 300ms),
                   bulk("right", 300ms),
                   trickle(20ms),
                   {.workers = {{.kind = Kind::bulk, .name = "small", .rows = 40'000, .keep = 12}},
                    .pause = 50ms}},
       .ballast_mib = 450},
  };
}

}  // namespace

const std::vector<Load>& loads() {
  static const std::vector<Load> all = make_loads();
  return all;
}

Load load_named(const std::string& name, std::uint64_t generation) {
  for (const Load& each : loads()) {
    if (each.name != name) continue;
    Load load = each;
    std::uint64_t number = 0;
    for (Load::Thread& thread : load.threads)
      for (Worker& worker : thread.workers) worker.tag = generation * 100 + ++number;
    return load;
  }
  throw Error(Errc::invalid, "there is no load '{}'", name);
}

}  // namespace duckback::torture
