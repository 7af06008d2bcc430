#include "writer.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <random>
#include <thread>

#include "base/error.h"

namespace duckback::torture {
namespace {

using namespace std::chrono_literals;
using std::uint64_t;

std::int64_t monotonic_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void say(const std::string& line) {
  std::string text = line + '\n';
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) ::_exit(1);  // Nobody listens any more.
}

// What DuckDB refuses in normal operation; anything else ends the run.
bool is_passing(const std::string& message) {
  for (const char* text : {"Conflict", "conflict", "Cannot CHECKPOINT", "checkpoint lock",
                           "other write transactions", "other transactions"}) {
    if (message.find(text) != std::string::npos) return true;
  }
  return false;
}

// One run of a load: the threads share this.
class Run {
 public:
  Run(const Library& library, const Form& form, uint64_t seed)
      : library_(library), form_(form), seed_(seed) {}

  bool stopped() {
    if (stopped_) return true;
    // Standard input ends when the driver wants no more, or is dead.
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char byte;
    if (::poll(&input, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0) stop();
    return stopped_;
  }
  void stop() {
    stopped_ = true;
    progress_.notify_all();
  }
  void fail(const std::string& message) {
    std::lock_guard guard(mutex_);
    if (failure_.empty()) failure_ = message;
    stop();
  }
  void rethrow() const {
    if (!failure_.empty()) throw Error(Errc::unverified, "{}", failure_);
  }

  Session session() {
    Session session(library_);
    session.run("USE torture");
    return session;
  }

  void pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    progress_.wait_for(lock, time, [&] { return stopped_.load(); });
  }

  void committed(uint64_t generation, std::size_t thread, uint64_t step) {
    say(fmt::format("commit {} {} {} {}", generation, thread, step, monotonic_ns()));
    {
      std::lock_guard guard(mutex_);
      ++commits_;
    }
    progress_.notify_all();
  }

  bool wait_for_commits(uint64_t count) {
    std::unique_lock lock(mutex_);
    progress_.wait(lock, [&] { return stopped_ || commits_ >= count; });
    return !stopped_;
  }
  uint64_t commits() {
    std::lock_guard guard(mutex_);
    return commits_;
  }

  void checkpointed() {
    say(fmt::format("checkpoint {}", monotonic_ns()));
    ++checkpoints_;
  }
  uint64_t checkpoints() const { return checkpoints_; }
  uint64_t seed() const { return seed_; }
  const Form& form() const { return form_; }
  const Library& library() const { return library_; }

 private:
  const Library& library_;
  const Form& form_;
  const uint64_t seed_;
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> checkpoints_{0};
  std::mutex mutex_;
  std::condition_variable progress_;
  uint64_t commits_ = 0;
  std::string failure_;
};

// Runs `sql`; false if DuckDB refused for a reason that passes.
bool attempt(Session& session, const std::string& sql) {
  try {
    session.run(sql);
    return true;
  } catch (const Error& error) {
    if (is_passing(error.what())) return false;
    throw error.within(sql);
  }
}

// One transaction, again and again until it is in.
void commit(Session& session, const Worker& worker, std::size_t thread, uint64_t step,
            uint64_t seq) {
  std::vector<std::string> statements = worker.transaction(seq);
  statements.push_back(
      fmt::format("INSERT INTO journal VALUES ({0}, {1}, {2}, {3}, hash({0}, {1}, {2}, {3}))",
                  thread, step, worker.tag, seq));
  statements.emplace_back("COMMIT");
  for (int attempts = 0;; ++attempts) {
    session.run("BEGIN");
    bool done = true;
    for (const std::string& sql : statements) {
      done = attempt(session, sql);
      if (done) continue;
      // A failed COMMIT has rolled back already.
      if (sql != "COMMIT") session.run("ROLLBACK");
      break;
    }
    if (done) return;
    if (attempts > 1000) throw Error(Errc::busy, "a transaction of {} never commits", worker.name);
    std::this_thread::sleep_for(1ms);
  }
}

// A thread's place in its round of workers.
class Rota {
 public:
  Rota(const Load::Thread& thread, std::size_t number, uint64_t generation)
      : thread_(thread), number_(number), generation_(generation) {}

  void step(Run& run, Session& session) {
    uint64_t count = thread_.workers.size();
    const Worker& worker = thread_.workers[step_ % count];
    uint64_t seq = step_ / count + 1;
    ++step_;
    commit(session, worker, number_, step_, seq);
    run.committed(generation_, number_, step_);
  }

 private:
  const Load::Thread& thread_;
  std::size_t number_;
  uint64_t generation_;
  uint64_t step_ = 0;
};

void run_thread(Run& run, const Load::Thread& thread, std::size_t number) {
  std::mt19937_64 random(run.seed() * 1000 + number);
  Session session = run.session();
  Rota rota(thread, number, 0);
  for (uint64_t step = 1; !run.stopped(); ++step) {
    rota.step(run, session);
    auto pause = thread.pause;
    if (pause > 0ms) pause = pause / 2 + std::chrono::milliseconds(random() % (pause.count() + 1));
    if (thread.burst > 0 && step % thread.burst == 0) pause = thread.rest;
    if (pause > 0ms) run.pause(pause);
  }
}

void run_checkpoints(Run& run, const Load& load) {
  Session session = run.session();
  uint64_t next = load.checkpoint_commits;
  while (!run.stopped()) {
    if (load.checkpoint_commits > 0) {
      if (!run.wait_for_commits(next)) return;
      next = run.commits() + load.checkpoint_commits;
    } else {
      run.pause(load.checkpoint_every);
    }
    if (attempt(session, "CHECKPOINT")) run.checkpointed();
  }
}

// Keeps a snapshot open, so that tables dropped meanwhile stay in use, until two checkpoints have
// passed.
void run_reader(Run& run, const Load& load) {
  Session session = run.session();
  while (!run.stopped()) {
    session.run("BEGIN");
    for (const Load::Thread& thread : load.threads)
      for (const Worker& worker : thread.workers) {
        for (const Row& row : session.rows(
                 fmt::format("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '{}%'",
                             worker.name)))
          session.run(fmt::format("SELECT max(v) FROM {}", row[0]));
      }
    uint64_t until = run.checkpoints() + 2;
    for (int waits = 0; waits < 300 && run.checkpoints() < until && !run.stopped(); ++waits)
      run.pause(10ms);
    session.run("ROLLBACK");
    run.pause(20ms);
  }
}

template <class Body>
std::thread start(Run& run, Body body) {
  return std::thread([&run, body] {
    try {
      body();
    } catch (const Error& error) {
      run.fail(error.what());
    }
  });
}

void run_threads(Run& run, const Load& load) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < load.threads.size(); ++i)
    threads.push_back(start(run, [&run, &load, i] { run_thread(run, load.threads[i], i); }));
  if (load.checkpoint_every > 0ms || load.checkpoint_commits > 0)
    threads.push_back(start(run, [&run, &load] { run_checkpoints(run, load); }));
  if (load.paused_reader) threads.push_back(start(run, [&run, &load] { run_reader(run, load); }));
  while (!run.stopped()) std::this_thread::sleep_for(20ms);
  for (std::thread& thread : threads) thread.join();
}

void run_swaps(Run& run, const std::string& name, Session& session) {
  std::mt19937_64 random(run.seed());
  fs::path beside = run.form().path;
  beside += ".new";
  for (uint64_t generation = 1; !run.stopped(); ++generation) {
    Load load = load_named(name, generation);
    Rota rota(load.threads[0], 0, generation);
    auto steps = [&](uint64_t count) {
      for (uint64_t i = 0; i < count && !run.stopped(); ++i) rota.step(run, session);
    };
    attach(session, run.form(), beside);
    create_tables(session, load, generation);
    session.run("CHECKPOINT");
    session.run("USE memory");
    session.run("DETACH torture");
    fs::rename(beside, run.form().path);
    if (generation == 1) say("ready");
    run.committed(generation, 0, 0);
    attach(session, run.form(), run.form().path);
    steps(3 + random() % 12);
    if (random() % 2 == 0) session.run("CHECKPOINT");
    steps(random() % 6);
    session.run("USE memory");
    session.run("DETACH torture");
  }
}

}  // namespace

void attach(Session& session, const Form& form, const fs::path& path) {
  std::vector<std::string> options;
  if (form.block_bytes > 0 && !fs::exists(path))
    options.push_back(fmt::format("BLOCK_SIZE {}", form.block_bytes));
  if (!form.storage_version.empty())
    options.push_back(fmt::format("STORAGE_VERSION {}", quoted(form.storage_version)));
  if (form.encrypted) {
    options.push_back(fmt::format("ENCRYPTION_KEY {}", quoted(kKey)));
    session.run("SET force_mbedtls_unsafe = 'true'");
  }
  std::string list;
  for (const std::string& each : options) list += (list.empty() ? " (" : ", ") + each;
  session.run(fmt::format("ATTACH {} AS torture{}", quoted(path), list.empty() ? "" : list + ")"));
  session.run("USE torture");
}

void create_tables(Session& session, const Load& load, std::uint64_t generation) {
  session.run("BEGIN");
  session.run(fmt::format("CREATE TABLE generation AS SELECT {}::BIGINT AS number", generation));
  session.run(
      "CREATE TABLE journal (thread BIGINT, step BIGINT, worker BIGINT, seq BIGINT, v UBIGINT)");
  for (const Load::Thread& thread : load.threads)
    for (const Worker& worker : thread.workers)
      for (const std::string& sql : worker.setup()) session.run(sql);
  session.run("COMMIT");
  if (load.ballast_mib > 0)
    session.run(fmt::format(
        "CREATE TABLE ballast AS SELECT range AS k, hash(range, {}) AS v FROM range({})",
        generation, load.ballast_mib * kBallastRowsPerMib));
}

void write(const Library& library, const Form& form, const std::string& name, uint64_t seed) {
  Load load = load_named(name);
  if (!form.wal_autocheckpoint.empty())
    load.settings = {fmt::format("wal_autocheckpoint = {}", quoted(form.wal_autocheckpoint))};
  Session session(library);
  session.run("SET threads = 2");
  session.run("SET memory_limit = '2GB'");
  for (const std::string& setting : load.settings) session.run("SET " + setting);

  Run run(library, form, seed);
  if (load.swaps) {
    run_swaps(run, name, session);
    return;
  }
  attach(session, form, form.path);
  create_tables(session, load, 0);
  session.run("CHECKPOINT");
  say("ready");
  run_threads(run, load);
  run.rethrow();
}

}  // namespace duckback::torture
