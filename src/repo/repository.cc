#include "repo/repository.h"

#include "base/error.h"
#include "repo/key.h"

namespace duckback {

Repository::Repository(std::shared_ptr<Store> store, Config config, std::optional<Secret> master)
    : store_(std::move(store)),
      config_(std::move(config)),
      master_(std::move(master)),
      sealer_(std::make_unique<Sealer>(config_.id, master_)),
      namer_(std::make_unique<Namer>(master_ ? *master_ : *config_.secret)) {}

Repository Repository::create(std::shared_ptr<Store> store,
                              const std::optional<std::string>& password) {
  refuse_existing(*store);  // Before a key is put that would be none of it.
  Config config{.id = random_id(),
                .created = std::chrono::system_clock::now(),
                .encrypted = password.has_value(),
                .secret = std::nullopt};
  std::optional<Secret> master;
  if (password) {
    // First, so that a repository never exists without a key.
    master = Secret::random();
    add_key(*store, config.id, *master, *password);
  } else {
    config.secret = Secret::random();
  }
  create_config(*store, config);
  return Repository(std::move(store), std::move(config), std::move(master));
}

Repository Repository::open(std::shared_ptr<Store> store,
                            const std::optional<std::string>& password) {
  Config config = read_config(*store);
  if (!config.encrypted) {
    if (password) {
      throw Error(Errc::refused,
                  "{} is not encrypted, and a password is given: leave the password out, or make "
                  "an encrypted repository with `duckback init --encrypt`",
                  store->name());
    }
    return Repository(std::move(store), std::move(config), std::nullopt);
  }
  if (!password) {
    throw Error(Errc::invalid,
                "{} is encrypted: give its password with --password-file, --password-command or "
                "DUCKBACK_PASSWORD",
                store->name());
  }
  OpenedKey key = open_key(*store, config.id, *password);
  return Repository(std::move(store), std::move(config), std::move(key.master));
}

}  // namespace duckback
