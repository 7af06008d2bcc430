#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/rewrite_snapshot.h"

namespace duckback {
namespace {

using nlohmann::json;

enum class Action { add, remove, set };
const Choices<Action> kActions = {
    {"add", Action::add}, {"remove", Action::remove}, {"set", Action::set}};

struct Arguments {
  RepoOption repo;
  std::string action;
  std::vector<std::string> snapshots;
  std::vector<std::string> tags;
  std::string database;
};

void apply(Action action, const std::vector<std::string>& tags, std::vector<std::string>& to) {
  if (action == Action::set) to.clear();
  for (const std::string& tag : tags) {
    if (action == Action::remove) {
      std::erase(to, tag);
    } else if (std::find(to.begin(), to.end(), tag) == to.end()) {
      to.push_back(tag);
    }
  }
}

int rewrite(const Arguments& arguments, const Invocation& invocation,
            const std::function<void(Snapshot&)>& change) {
  Repository repository = arguments.repo.open(invocation);
  std::vector<FoundSnapshot> found;
  for (const std::string& reference : arguments.snapshots) {
    found.push_back(find_snapshot(repository, reference, arguments.database));
  }
  json list = json::array();
  for (const FoundSnapshot& one : found) {
    FoundSnapshot changed = rewrite_snapshot(repository, one, change);
    json object = to_json(changed.snapshot, changed.details);
    object["was"] = one.name.id;
    list.push_back(std::move(object));
    if (invocation.json) continue;
    if (!invocation.quiet) {
      print_note(changed.name.id == one.name.id
                     ? fmt::format("Snapshot {} stays as it is", one.name.id.substr(0, 8))
                     : fmt::format("Snapshot {} is now {}", one.name.id.substr(0, 8),
                                   changed.name.id.substr(0, 8)));
    }
    print_result(changed.name.id);
  }
  if (invocation.json) print_json(list, invocation);
  return 0;
}

int run_tag(const Arguments& arguments, const Invocation& invocation) {
  Action action = choose("ACTION", kActions, arguments.action);
  if (arguments.tags.empty() && action != Action::set) {
    throw Error(Errc::invalid, "name the tags to {}", arguments.action);
  }
  if (action != Action::remove) {
    for (const std::string& tag : arguments.tags) check_new_tag(tag);
  }
  return rewrite(arguments, invocation,
                 [&](Snapshot& snapshot) { apply(action, arguments.tags, snapshot.tags); });
}

Run declare_pinning(CLI::App& app, const Invocation& invocation, bool pinned) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("SNAPSHOT", arguments->snapshots, "As restore takes them")->required();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Of this database: its path or --name");
  return [arguments, pinned, &invocation] {
    return rewrite(*arguments, invocation, [&](Snapshot& snapshot) { snapshot.pinned = pinned; });
  };
}

}  // namespace

Run declare_tag(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->snapshots.resize(1);
  app.add_option("ACTION", arguments->action, "add, remove or set")->required();
  app.add_option("SNAPSHOT", arguments->snapshots.front(), "As restore takes it")->required();
  app.add_option("TAG", arguments->tags, "Tags; `set` without any removes all");
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Of this database: its path or --name");
  app.footer(
      "The snapshot gets a new id; restore, diff and tag go on finding it by the one it had.");
  return [arguments, &invocation] { return run_tag(*arguments, invocation); };
}

Run declare_pin(CLI::App& app, const Invocation& invocation) {
  return declare_pinning(app, invocation, true);
}

Run declare_unpin(CLI::App& app, const Invocation& invocation) {
  return declare_pinning(app, invocation, false);
}

}  // namespace duckback
