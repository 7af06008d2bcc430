// The part of the torture that talks to DuckDB: writes, checks, runs SQL. torture.py drives it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "checker.h"

namespace {

using namespace duckback;
using namespace duckback::torture;
using nlohmann::json;

void print(const json& line) { std::cout << line.dump() << std::endl; }

int list_loads() {
  for (const Load& load : loads())
    print({{"name", load.name},
           {"about", load.about},
           {"since", load.since},
           {"deletes_beside_checkpoints", load.deletes_beside_checkpoints}});
  return 0;
}

// "2:14,0,7": generation 2, thread 0 at step 14, thread 1 at 0…
Acknowledged parse_acknowledged(const std::string& text) {
  Acknowledged acknowledged;
  std::istringstream in(text);
  char separator = 0;
  in >> acknowledged.generation >> separator;
  for (std::uint64_t step; in >> step; in >> separator) acknowledged.steps.push_back(step);
  return acknowledged;
}

// Lines "SESSION SQL" from standard input, each answered by a line of JSON; "SESSION& SQL" runs
// beside what follows, and is answered when it is done. At the end of input the process dies as
// by a kill: nothing is closed.
int run_sql(const Library& library) {
  std::map<std::string, Session> sessions;
  std::vector<std::thread> beside;
  auto answer = [](const std::string& number, Session& session, const std::string& sql) {
    json line{{"session", number}};
    try {
      line["rows"] = session.rows(sql);
    } catch (const Error& error) {
      line["error"] = error.what();
    }
    print(line);
  };
  for (std::string line; std::getline(std::cin, line);) {
    std::size_t space = line.find(' ');
    std::string number = line.substr(0, space);
    std::string sql = line.substr(space + 1);
    bool wait = number.back() != '&';
    if (!wait) number.pop_back();
    Session& session = sessions.try_emplace(number, library).first->second;
    if (wait)
      answer(number, session, sql);
    else
      beside.emplace_back([=, &session] { answer(number, session, sql); });
  }
  ::_exit(0);
}

int run(int argc, char** argv) {
  CLI::App app("Writes to, checks and queries DuckDB databases for the capture torture");
  app.require_subcommand(1);
  fs::path library;
  Form form;
  std::string load;
  std::uint64_t seed = 1;
  std::string acknowledged;
  bool settle = false;

  CLI::App* loads = app.add_subcommand("loads", "List the loads");
  CLI::App* write_verb = app.add_subcommand("write", "Run a load until standard input ends");
  CLI::App* check_verb = app.add_subcommand("check", "Judge an image; changes it");
  CLI::App* sql = app.add_subcommand("sql", "Run SQL from standard input; ends as by a kill");
  CLI::App* version = app.add_subcommand("version", "Print the library's version");
  for (CLI::App* verb : {write_verb, check_verb, sql, version})
    verb->add_option("--library", library)->required();
  for (CLI::App* verb : {write_verb, check_verb}) {
    verb->add_option("--db", form.path)->required();
    verb->add_flag("--encrypted", form.encrypted);
    verb->add_option("--load", load)->required();
  }
  write_verb->add_option("--storage-version", form.storage_version);
  write_verb->add_option("--block-size", form.block_bytes);
  write_verb->add_option("--seed", seed);
  write_verb->add_option("--wal-autocheckpoint", form.wal_autocheckpoint);
  check_verb->add_option("--acknowledged", acknowledged);
  check_verb->add_flag("--settle", settle);
  CLI11_PARSE(app, argc, argv);

  if (loads->parsed()) return list_loads();
  Library loaded(library);
  if (version->parsed()) {
    std::puts(loaded.version().c_str());
  } else if (write_verb->parsed()) {
    write(loaded, form, load, seed);
  } else if (check_verb->parsed()) {
    Verdict verdict = check(loaded, form, load, parse_acknowledged(acknowledged), settle);
    print({{"verdict", verdict.good ? "good" : "bad"}, {"reason", verdict.reason}});
  } else if (sql->parsed()) {
    return run_sql(loaded);
  }
  std::fflush(stdout);
  ::_exit(0);  // DuckDB would checkpoint; the image is thrown away anyway.
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const duckback::Error& error) {
    std::cerr << "torture: " << error.what() << '\n';
    return 1;
  }
}
