#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "cli/snapshot_json.h"
#include "ops/undelete.h"

namespace duckback {
namespace {

using nlohmann::json;

struct Arguments {
  RepoOption repo;
  std::vector<std::string> ids;
  bool all = false;
};

int show(const Repository& repository, const Invocation& invocation) {
  std::vector<TrashedSnapshot> trash = list_trash(repository);
  json list = json::array();
  Table table{
      .columns = {Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left},
      .rows = {{"ID", "TIME", "FORGOTTEN", "DATABASE"}}};
  for (const TrashedSnapshot& one : trash) {
    bool readable = one.error.empty();
    json object = readable ? to_json(one.snapshot, one.details) : json{{"id", one.name.id}};
    object["forgotten"] = format_utc_ms(one.name.modified);
    object["error"] = readable ? json(nullptr) : json(one.error);
    list.push_back(std::move(object));
    table.rows.push_back({one.name.id.substr(0, 8), format_local(one.name.time),
                          format_local(one.name.modified),
                          readable ? database_title(one.snapshot) : one.error});
  }
  if (invocation.json) {
    print_json(list, invocation);
  } else if (trash.empty()) {
    if (invocation.quiet) return 0;
    print_note("no snapshot can be brought back: none was forgotten since the last prune");
  } else {
    print_table(table);
    if (!invocation.quiet) print_note("`duckback undelete ID` brings one back, --all all of them.");
  }
  return 0;
}

int run(const Arguments& arguments, const Invocation& invocation) {
  if (arguments.all && !arguments.ids.empty()) {
    throw Error(Errc::invalid, "give ids or --all, not both");
  }
  Repository repository = arguments.repo.open(invocation);
  if (!arguments.all && arguments.ids.empty()) return show(repository, invocation);
  std::vector<SnapshotName> live = undelete(repository, arguments.ids);
  if (invocation.json) {
    json list = json::array();
    for (const SnapshotName& name : live) {
      list.push_back({{"id", name.id}, {"time", format_utc_ms(name.time)}});
    }
    print_json(list, invocation);
    return 0;
  }
  for (const SnapshotName& name : live) print_result(name.id);
  if (!invocation.quiet) print_note(fmt::format("{} back", count_of(live.size(), "snapshot")));
  return 0;
}

}  // namespace

Run declare_undelete(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("ID", arguments->ids, "Snapshots to bring back; without any, shows what can be");
  arguments->repo.declare(app);
  app.add_flag("--all", arguments->all, "Bring back all that can be");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
