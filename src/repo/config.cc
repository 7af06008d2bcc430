#include "repo/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "repo/clear_document.h"
#include "repo/hex.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

const std::string kConfig = "config";
const std::string kCopy = "config-copy";

Config from_json(const std::string& text) {
  try {
    Json json = Json::parse(text);
    Config config;
    json.at("id").get_to(config.id);
    if (!is_hex(config.id, 32)) throw Error(Errc::damaged, "an id of 32 hex digits is missing");
    config.created = parse_utc(json.at("created").get<std::string>());
    std::string encryption = json.at("encryption").get<std::string>();
    if (encryption == "aes-256-gcm") {
      config.encrypted = true;
    } else if (encryption == "none") {
      config.secret = Secret(parse_hex(json.at("secret").get<std::string>(), Secret::kBytes));
    } else {
      throw Error(Errc::unsupported, "{}: encryption '{}' is newer than this duckback knows",
                  kConfig, encryption);
    }
    return config;
  } catch (const Json::exception& error) {
    throw Error(Errc::damaged, "{}: {}", kConfig, error.what());
  } catch (const Error& error) {
    if (error.code() == Errc::unsupported) throw;
    throw Error(Errc::damaged, "{}: {}", kConfig, error.what());
  }
}

Error there_is_one(const Store& store) {
  return Error(Errc::refused,
               "there is a repository at {} already: use it as it is, or name another place",
               store.name());
}

}  // namespace

void create_config(Store& store, const Config& config) {
  Json json = {{"id", config.id},
               {"created", format_utc(config.created)},
               {"encryption", config.encrypted ? "aes-256-gcm" : "none"}};
  if (!config.encrypted) json["secret"] = to_hex(config.secret->bytes());
  std::string text = write_clear_document("config", json.dump());
  refuse_existing(store);
  try {
    store.create(kConfig, as_bytes(text));
  } catch (const Error& error) {
    if (error.code() != Errc::conflict) throw;
    throw there_is_one(store);  // of somebody who was faster
  }
  store.put(kCopy, as_bytes(text));
}

bool is_repository(Store& store) {
  constexpr std::string_view begins = "duckback config ";
  try {
    return std::ranges::equal(store.get(kConfig, {.bytes = begins.size()}), as_bytes(begins));
  } catch (const Error& error) {
    if (error.code() != Errc::not_found && error.code() != Errc::damaged) throw;
    return false;  // None, or one that is shorter.
  }
}

void refuse_existing(Store& store) {
  store.list(kConfig, [&](const ObjectInfo& object) {
    if (object.key == kConfig || object.key == kCopy) throw there_is_one(store);
  });
  refuse_lost_config(store);
}

void refuse_lost_config(Store& store) {
  for (const char* prefix : {"snapshots/", "packs/", "index/"}) {
    bool found = false;
    store.list(prefix, [&](const ObjectInfo&) { found = true; });
    if (!found) continue;
    throw Error(
        Errc::damaged,
        "{} has lost its config and config-copy, and nothing in it can be read without: bring "
        "one back from a copy of the repository. Do not make a new one there",
        store.name());
  }
}

Config read_config(Store& store) {
  std::string text;
  try {
    text = get_clear_document(store, "config", kConfig, kCopy);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    refuse_lost_config(store);
    throw Error(Errc::no_repository,
                "there is no repository at {}; make one with `duckback init --repo {}`",
                store.name(), store.name());
  }
  return from_json(text);
}

}  // namespace duckback
