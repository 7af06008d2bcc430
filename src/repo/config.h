#pragma once

#include <optional>
#include <string>

#include "base/text.h"
#include "repo/secret.h"
#include "store/store.h"

namespace duckback {

// The identity of a repository (docs/format.md, "Clear documents").
struct Config {
  std::string id;  // 32 hex digits
  SystemTime created;
  bool encrypted = false;
  std::optional<Secret> secret;  // not encrypted only
};

// Creates `config`, then its copy. Throws as refuse_existing().
void create_config(Store& store, const Config& config);
// Reads `config`, or its copy where that is missing, damaged or cannot be read. Throws
// Errc::no_repository if there is neither, Errc::unsupported for a newer format, Errc::damaged if
// both are unreadable.
Config read_config(Store& store);
// Whether something there begins as the config of a repository.
bool is_repository(Store& store);
// Throws Errc::refused if there is a repository; as refuse_lost_config() if there was one.
void refuse_existing(Store& store);
// Throws Errc::damaged if there are other objects of a repository: it had a config.
void refuse_lost_config(Store& store);

}  // namespace duckback
