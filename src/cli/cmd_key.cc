#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/choice.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "io/temp_file.h"
#include "repo/clear_document.h"
#include "repo/key.h"
#include "store/open_store.h"

namespace duckback {
namespace {

using nlohmann::json;

enum class Action { add, list, remove, passwd, export_key };
const Choices<Action> kActions = {{"add", Action::add},
                                  {"list", Action::list},
                                  {"remove", Action::remove},
                                  {"passwd", Action::passwd},
                                  {"export", Action::export_key}};

struct Arguments {
  RepoOption repo;
  std::string action;
  std::string what;  // an id to remove, a file to export to
  PasswordSource fresh;
};

struct Opened {
  std::shared_ptr<Store> store;
  Config config;
};

Opened open_encrypted(const Arguments& arguments, const Invocation& invocation) {
  Opened opened{open_store(arguments.repo.address(), invocation.stop), {}};
  opened.config = read_config(*opened.store);
  if (!opened.config.encrypted) {
    throw Error(Errc::refused,
                "{} is not encrypted, so it has no keys; `duckback init --encrypt` makes one that "
                "is, and `duckback sync` copies snapshots to it",
                opened.store->name());
  }
  return opened;
}

std::string old_password(const Arguments& arguments, const Opened& opened) {
  std::optional<std::string> given = arguments.repo.password();
  return given ? *given : ask_password(fmt::format("Password of {}", opened.store->name()));
}

OpenedKey open_with_password(const Arguments& arguments, const Opened& opened) {
  return open_key(*opened.store, opened.config.id, old_password(arguments, opened));
}

// Empty if the password opens none.
std::optional<OpenedKey> find_key(const Opened& opened, const std::string& password) {
  try {
    return open_key(*opened.store, opened.config.id, password);
  } catch (const Error& error) {
    if (error.code() != Errc::wrong_password) throw;
    return std::nullopt;
  }
}

std::string new_password(const Arguments& arguments) {
  if (std::optional<std::string> given = arguments.fresh.read()) return *given;
  if (::isatty(STDIN_FILENO) == 0) {
    throw Error(Errc::invalid,
                "a new password is needed: give --new-password-file or --new-password-command");
  }
  return ask_new_password("New password");
}

json to_json(const KeyInfo& key) {
  return {{"id", key.id},
          {"created", format_utc_ms(key.created)},
          {"host", key.host},
          {"user", key.user}};
}

int list(const Opened& opened, const Invocation& invocation) {
  std::vector<KeyInfo> keys = list_keys(*opened.store, opened.config.id);
  if (invocation.json) {
    json all = json::array();
    for (const KeyInfo& key : keys) all.push_back(to_json(key));
    print_json(all, invocation);
    return 0;
  }
  Table table{.columns = {Table::Align::left, Table::Align::left, Table::Align::left},
              .rows = {{"ID", "CREATED", "BY"}}};
  for (const KeyInfo& key : keys) {
    table.rows.push_back({key.id.substr(0, 8), format_local(key.created),
                          fmt::format("{} on {}", key.user, key.host)});
  }
  print_table(table);
  return 0;
}

// What was added, and what was removed ("" for neither).
void print_change(const Invocation& invocation, const std::string& added,
                  const std::string& removed) {
  if (invocation.json) {
    print_json({{"added", added.empty() ? json(nullptr) : json(added)},
                {"removed", removed.empty() ? json(nullptr) : json(removed)}},
               invocation);
    return;
  }
  if (!added.empty()) print_result(added);
  if (removed.empty() || invocation.quiet) return;
  print_note(
      fmt::format("Removed key {}. Who has read the repository with it may have kept what "
                  "reads it still: only a new repository would shut them out",
                  removed.substr(0, 8)));
}

int add(const Arguments& arguments, const Opened& opened, const Invocation& invocation) {
  OpenedKey key = open_with_password(arguments, opened);
  print_change(invocation,
               add_key(*opened.store, opened.config.id, key.master, new_password(arguments)), "");
  return 0;
}

int change_password(const Arguments& arguments, const Opened& opened,
                    const Invocation& invocation) {
  std::string old = old_password(arguments, opened);
  OpenedKey key = open_key(*opened.store, opened.config.id, old);
  std::string fresh = new_password(arguments);
  if (fresh == old) throw Error(Errc::invalid, "the new password is the old one");
  std::string added = add_key(*opened.store, opened.config.id, key.master, fresh);
  // Only when the new one is there; killed in between, both passwords open it.
  remove_key(*opened.store, opened.config.id, key.key_id);
  // Of a run that was killed, or of `key add`, another key may have the same password.
  while (std::optional<OpenedKey> another = find_key(opened, old)) {
    remove_key(*opened.store, opened.config.id, another->key_id);
    print_warning(fmt::format("key {} had the same password, and is removed too",
                              another->key_id.substr(0, 8)));
  }
  print_change(invocation, added, key.key_id);
  return 0;
}

int remove(const Arguments& arguments, const Opened& opened, const Invocation& invocation) {
  if (arguments.what.empty()) {
    throw Error(Errc::invalid, "say which key to remove; `duckback key list` shows them");
  }
  OpenedKey key = open_with_password(arguments, opened);
  if (key.key_id.starts_with(arguments.what)) {
    throw Error(Errc::refused,
                "key {} is the one of the password given: give the password of a key that stays, "
                "or change this one with `duckback key passwd`",
                key.key_id.substr(0, 8));
  }
  std::string removed = remove_key(*opened.store, opened.config.id, arguments.what);
  print_change(invocation, "", removed);
  return 0;
}

// The key as it is in the repository: it still needs its password.
int export_key(const Arguments& arguments, const Opened& opened, const Invocation& invocation) {
  if (arguments.what.empty()) throw Error(Errc::invalid, "say which file to export the key to");
  OpenedKey key = open_with_password(arguments, opened);
  std::string object = "keys/" + key.key_id;
  std::string text = write_clear_document(
      "key", get_clear_document(*opened.store, "key", object, "keys-copy/" + key.key_id));
  TempFile file = TempFile::beside(arguments.what);
  file.file().write_at(0, as_bytes(text));
  file.file().sync();
  if (!file.rename_to_new(arguments.what)) {
    throw Error(Errc::refused, "{} exists; name a new file", arguments.what);
  }
  sync_folder(folder_of(arguments.what));
  if (invocation.json) {
    print_json({{"path", arguments.what}, {"key", key.key_id}, {"object", object}}, invocation);
    return 0;
  }
  if (!invocation.quiet) {
    print_note(
        fmt::format("If the repository loses its keys, copy this file to {} in it. It needs "
                    "its password as before",
                    object));
  }
  print_exact(arguments.what);
  return 0;
}

int run(const Arguments& arguments, const Invocation& invocation) {
  Action action = choose("ACTION", kActions, arguments.action);
  bool takes_one = action == Action::remove || action == Action::export_key;
  if (!takes_one && !arguments.what.empty()) {
    throw Error(Errc::invalid, "`key {}` takes no '{}'", arguments.action, arguments.what);
  }
  Opened opened = open_encrypted(arguments, invocation);
  switch (action) {
    case Action::add:
      return add(arguments, opened, invocation);
    case Action::list:
      return list(opened, invocation);
    case Action::remove:
      return remove(arguments, opened, invocation);
    case Action::passwd:
      return change_password(arguments, opened, invocation);
    case Action::export_key:
      return export_key(arguments, opened, invocation);
  }
  return 0;
}

}  // namespace

Run declare_key(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("ACTION", arguments->action,
                 "list; add a password; passwd: change the one given; remove ID; export FILE")
      ->required();
  app.add_option("WHAT", arguments->what, "The key to remove, or the file to export to");
  arguments->repo.declare(app);
  arguments->fresh.declare(app, "new-");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
