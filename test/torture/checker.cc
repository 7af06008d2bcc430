#include "checker.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace duckback::torture {
namespace {

using std::uint64_t;

class Check {
 public:
  Check(Session& session, const std::string& load) : session_(session), name_(load) {}

  void run(const Acknowledged& acknowledged) {
    uint64_t generation = std::stoull(session_.value("SELECT max(number) FROM generation"));
    Load load = load_named(name_, generation);
    require("there is one generation", "SELECT count(*) = 1 FROM generation");
    require_fresh(generation >= acknowledged.generation, "generation", generation,
                  acknowledged.generation);
    require("every value of journal is its own",
            "SELECT count(*) = 0 FROM journal WHERE v IS DISTINCT FROM hash(thread, step, worker, "
            "seq)");

    std::vector<std::string> expected{"generation", "journal"};
    uint64_t rows = 0;
    for (std::size_t i = 0; i < load.threads.size(); ++i) {
      const std::vector<Worker>& workers = load.threads[i].workers;
      uint64_t steps = steps_of(i);
      rows += steps;
      if (generation == acknowledged.generation && i < acknowledged.steps.size())
        require_fresh(steps >= acknowledged.steps[i], fmt::format("thread {}", i), steps,
                      acknowledged.steps[i]);
      for (std::size_t w = 0; w < workers.size(); ++w) {
        uint64_t seq = (steps + workers.size() - 1 - w) / workers.size();
        judge(workers[w], seq);
        for (std::string& table : workers[w].tables(seq)) expected.push_back(std::move(table));
      }
    }
    require("the journal has no other thread",
            fmt::format("SELECT count(*) = {} FROM journal", rows));
    if (load.ballast_mib > 0) {
      expected.emplace_back("ballast");
      require("the ballast is whole",
              fmt::format("SELECT count(*) = {0} AND sum(k) = {0}::HUGEINT * ({0} - 1) // 2 AND "
                          "count(*) FILTER (v IS DISTINCT FROM hash(k, {1})) = 0 FROM ballast",
                          load.ballast_mib * kBallastRowsPerMib, generation));
    }
    require_tables(std::move(expected));
  }

 private:
  void require(const std::string& what, const std::string& sql) {
    std::string result = in_context(what, [&] { return session_.value(sql); });
    if (result != "true" && !what.empty())
      throw Error(Errc::unverified, "not so: {} ({} gives {})", what, sql, result);
  }

  void require_fresh(bool fresh, const std::string& what, uint64_t has, uint64_t wanted) {
    if (!fresh)
      throw Error(Errc::unverified, "stale: {} is at {}, but {} was acknowledged", what, has,
                  wanted);
  }

  // A thread commits in order, so what is there of its steps has no gap.
  uint64_t steps_of(std::size_t thread) {
    Row row = session_
                  .rows(fmt::format("SELECT count(*), count(DISTINCT step), coalesce(max(step), 0) "
                                    "FROM journal WHERE thread = {}",
                                    thread))
                  .at(0);
    if (row[0] != row[1] || row[0] != row[2])
      throw Error(Errc::unverified,
                  "not so: the journal of thread {} has no gap and no step twice ({} rows, {} "
                  "steps, the last {})",
                  thread, row[0], row[1], row[2]);
    return std::stoull(row[0]);
  }

  void judge(const Worker& worker, uint64_t seq) {
    for (const Worker::Invariant& each : worker.invariants(seq)) require(each.what, each.sql);
  }

  void require_tables(std::vector<std::string> expected) {
    std::vector<std::string> found;
    for (const Row& row : session_.rows(
             "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'torture'"))
      found.push_back(row[0]);
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
    if (found != expected)
      throw Error(Errc::unverified, "not so: the tables are {}; they are {}",
                  fmt::join(expected, " "), fmt::join(found, " "));
  }

  Session& session_;
  const std::string& name_;
};

}  // namespace

Verdict check(const Library& library, const Form& form, const std::string& load,
              const Acknowledged& acknowledged, bool settle) {
  Session session(library);
  session.run("SET threads = 1");
  session.run("SET memory_limit = '2GB'");
  try {
    attach(session, form, form.path);
    Check(session, load).run(acknowledged);
    if (settle) {
      in_context("settled", [&] {
        session.run("CHECKPOINT");
        session.run("USE memory");
        session.run("DETACH torture");
        attach(session, form, form.path);
        Check(session, load).run(acknowledged);
      });
    }
  } catch (const Error& error) {
    return {false, error.what()};
  }
  return {};
}

}  // namespace duckback::torture
