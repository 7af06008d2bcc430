#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"
#include "repo/secret.h"
#include "store/store.h"

namespace duckback {

// One password's way to the master key of an encrypted repository.
struct KeyInfo {
  std::string id;  // 32 hex digits
  SystemTime created;
  std::string host;
  std::string user;
};

// What scrypt is asked for; 128 * n * r bytes of memory.
struct KdfCost {
  std::uint64_t n = 1 << 16;
  std::uint64_t r = 8;
  std::uint64_t p = 2;
};

// Wraps `master` with `password` and puts it, twice; returns its id. Throws Errc::invalid for an
// empty password. Tests take a cheaper `cost`.
std::string add_key(Store& store, std::string_view repository_id, const Secret& master,
                    std::string_view password, const KdfCost& cost = {});
struct OpenedKey {
  Secret master;
  std::string key_id;
};
// Tries every key. Throws Errc::wrong_password if none opens; if there was none to try, why: mostly
// Errc::damaged.
OpenedKey open_key(Store& store, std::string_view repository_id, std::string_view password);
// Those of this repository that can be read, oldest first. An `init` that died may have left a key
// of a repository that never was: that is none.
std::vector<KeyInfo> list_keys(Store& store, std::string_view repository_id);
// Whether what lies under that id is a key of another repository: what an `init` that died left.
bool is_key_of_another(Store& store, std::string_view repository_id, const std::string& id);
// By an id prefix, also one that is damaged; returns its id. Refuses the last one that can be read.
// Throws Errc::not_found, Errc::invalid (ambiguous), Errc::refused.
std::string remove_key(Store& store, std::string_view repository_id, std::string_view id_prefix);

}  // namespace duckback
