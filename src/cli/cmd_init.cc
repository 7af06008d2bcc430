#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/repo_option.h"
#include "ops/bucket_address.h"
#include "store/open_store.h"

namespace duckback {
namespace {

struct Arguments {
  RepoOption repo;
  std::string folder;
  bool encrypt = false;
};

// What a repository has in its folder, and a filesystem of its own.
constexpr std::array<std::string_view, 12> kExpected = {
    "config",    "config-copy", "keys",     "keys-copy", "packs",   "index",
    "snapshots", "trash",       "sessions", "checks",    "damaged", "lost+found"};

bool is_expected(const std::string& name) {
  return std::ranges::find(kExpected, name) != kExpected.end();
}

// Among other things a repository is easily taken for one of them, and removed with them. What a
// stopped init left is gone on with.
[[noreturn]] void refuse(const std::string& place, const std::string& thing) {
  throw Error(Errc::refused,
              "{} holds other things ({}): name an empty folder, or one that is yet to be made, as "
              "{}/repo",
              place, thing, place);
}

void refuse_other_things(std::string folder) {
  constexpr std::string_view kFile = "file://";
  if (folder.starts_with(kFile)) folder.erase(0, kFile.size());
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    std::string name = entry.path().filename().string();
    bool temporary = name.starts_with('.') && name.find(".duckback-") != std::string::npos;
    if (!temporary && !is_expected(name)) refuse(folder, name);
  }
}

void refuse_other_objects(Store& bucket) {
  bucket.list("", [&](const ObjectInfo& object) {
    std::string name = object.key.substr(0, object.key.find('/'));
    if (!is_expected(name)) refuse(bucket.name(), name);
  });
}

int run(const Arguments& arguments, const Invocation& invocation) {
  RepoOption repo = arguments.repo;
  if (!arguments.folder.empty() && !repo.repo.empty()) {
    throw Error(Errc::invalid, "the place is given twice: {}, and --repo {}", arguments.folder,
                repo.repo);
  }
  if (!arguments.folder.empty()) repo.repo = arguments.folder;
  std::optional<std::string> password = repo.password();
  if (password && !arguments.encrypt) {
    throw Error(Errc::invalid,
                "a password is given: say --encrypt too, or the repository would be written in "
                "plain text");
  }
  std::string address = repo.address();
  if (arguments.encrypt) password = repo.new_password("Password for the new repository");
  refuse_other_things(address);
  std::shared_ptr<Store> store = make_store(address, invocation.stop);
  if (is_in_bucket(address)) refuse_other_objects(*store);
  Repository made = Repository::create(std::move(store), password);
  if (invocation.json) {
    nlohmann::json json = {{"repository", made.store().name()},
                           {"id", made.config().id},
                           {"encrypted", made.config().encrypted}};
    print_json(json, invocation);
    return 0;
  }
  if (!invocation.quiet) {
    print_note(fmt::format("Made {} repository {} at {}",
                           made.config().encrypted ? "an encrypted" : "a",
                           made.config().id.substr(0, 8), made.store().name()));
    if (made.config().encrypted) {
      print_note("Nobody can read it without the password, you included: keep that elsewhere too.");
    }
  }
  return 0;
}

}  // namespace

Run declare_init(CLI::App& app, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("REPO", arguments->folder,
                 "Where to make it: a folder, made if it is missing, or s3://BUCKET/PREFIX");
  arguments->repo.declare(app);
  app.add_flag("--encrypt", arguments->encrypt, "Encrypt everything with a password");
  return [arguments, &invocation] { return run(*arguments, invocation); };
}

}  // namespace duckback
