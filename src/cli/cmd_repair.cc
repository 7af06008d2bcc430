#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "ops/repair_index.h"

namespace duckback {
namespace {

using nlohmann::json;

enum class What { index };
const Choices<What> kWhat = {{"index", What::index}};

struct Arguments {
  RepoOption repo;
  std::string what;
  bool dry_run = false;
};

int run(const Arguments& arguments, const Invocation& invocation) {
  choose("WHAT", kWhat, arguments.what);
  Repository repository = arguments.repo.open_past_cache(invocation);
  RepairOptions options;
  options.dry_run = arguments.dry_run;
  options.stop = invocation.stop;
  ProgressLine progress(!invocation.quiet && !invocation.json);
  options.step = [&](const std::string& what) { progress.say(what); };
  RepairReport report = repair_index(repository, options);
  progress.clear();
  if (invocation.json) {
    json unreadable = json::array();
    for (const UnreadablePack& pack : report.unreadable) unreadable.push_back(pack.text);
    json object = {{"packs", report.packs},           {"chunks", report.chunks},
                   {"unreadable", unreadable},        {"indexes", report.indexes},
                   {"superseded", report.superseded}, {"dry_run", options.dry_run}};
    print_json(object, invocation);
  } else if (!invocation.quiet) {
    print_note(fmt::format("{} index of {} in {}, in place of {} older{}",
                           options.dry_run ? "Would make an" : "Made an",
                           count_of(report.chunks, "chunk"), count_of(report.packs, "pack"),
                           report.superseded, options.dry_run ? "; nothing was changed" : ""));
  }
  for (const UnreadablePack& pack : report.unreadable) {
    print_warning(fmt::format("{}; {}", pack.text,
                              pack.kept ? "what the old index says of its chunks is kept"
                                        : "its chunks are in no index"));
  }
  if (report.unreadable.empty()) return 0;
  throw Error(Errc::damaged,
              "{} damaged; `duckback check --read-data` names the snapshots that need what is lost",
              count_of(report.unreadable.size(), "pack"));
}

}  // namespace

Run declare_repair(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("WHAT", arguments->what, "index")->required();
  arguments->repo.declare(app);
  app.add_flag("-n,--dry-run", arguments->dry_run, "Read the packs, and change nothing");
  app.footer(
      "The index is made anew from the packs, which say themselves what is in them. Nothing is\n"
      "removed; prune removes the old one later.");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
