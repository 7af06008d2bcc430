#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/repo_option.h"
#include "cli/snapshot_table.h"

namespace duckback {
namespace {

struct Arguments {
  RepoOption repo;
  std::string database;
};

}  // namespace

Run declare_snapshots(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->repo.declare(app);
  app.add_option("--database", arguments->database, "Only of this database: its path or --name");
  return [arguments, &invocation] {
    return print_snapshots(arguments->repo.open(invocation), arguments->database, invocation);
  };
}

}  // namespace duckback
