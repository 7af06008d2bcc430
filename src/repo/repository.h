#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "repo/chunk_id.h"
#include "repo/config.h"
#include "repo/sealer.h"
#include "repo/snapshot.h"
#include "store/store.h"

namespace duckback {

// A repository that was opened: its store, and what names and seals its objects.
class Repository {
 public:
  // Throws Errc::conflict if there is one already. With a password it is encrypted.
  static Repository create(std::shared_ptr<Store> store,
                           const std::optional<std::string>& password);
  // Throws Errc::no_repository, Errc::wrong_password; Errc::invalid for an encrypted one without
  // password, Errc::refused for one that is not encrypted though a password is given: it would be
  // written in plain text.
  static Repository open(std::shared_ptr<Store> store, const std::optional<std::string>& password);

  Store& store() const { return *store_; }
  const Config& config() const { return config_; }
  const Sealer& sealer() const { return *sealer_; }
  const Namer& namer() const { return *namer_; }
  // Of an encrypted one.
  const std::optional<Secret>& master() const { return master_; }

 private:
  Repository(std::shared_ptr<Store> store, Config config, std::optional<Secret> master);
  std::shared_ptr<Store> store_;
  Config config_;
  std::optional<Secret> master_;
  std::unique_ptr<Sealer> sealer_;
  std::unique_ptr<Namer> namer_;
};

}  // namespace duckback
