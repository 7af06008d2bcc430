#include "repo/key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "io/host.h"
#include "repo/aes_gcm.h"
#include "repo/clear_document.h"
#include "repo/hex.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

const std::string kKeys = "keys/";
const std::string kCopies = "keys-copy/";
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kWrappedBytes = Secret::kBytes + kGcmTagBytes;
// What is accepted from a key object: more would only be a way to use up memory (128 * N * r).
constexpr std::uint64_t kCostLeast = 1 << 10;
constexpr std::uint64_t kCostMost = 1 << 20;
constexpr std::uint64_t kBlockMost = 16;
constexpr std::uint64_t kParallelMost = 4;

struct KeyObject {
  KeyInfo info;
  std::string repository;
  KdfCost cost;
  Bytes salt;
  GcmNonce nonce{};
  Bytes wrapped;
};

Secret derive(std::string_view password, const KeyObject& key) {
  std::array<std::uint8_t, Secret::kBytes> bytes{};
  const KdfCost& cost = key.cost;
  std::uint64_t memory = 128 * cost.n * cost.r + (std::uint64_t{1} << 20);
  int done =
      EVP_PBE_scrypt(password.data(), password.size(), key.salt.data(), key.salt.size(), cost.n,
                     cost.r, cost.p, memory + memory / 4, bytes.data(), bytes.size());
  if (done != 1) {
    throw Error(Errc::io, "scrypt (n = {}, r = {}, p = {}) needs {} of memory and did not get it",
                cost.n, cost.r, cost.p, format_bytes(memory));
  }
  Secret secret(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

// Empty if the password is not this key's.
std::optional<Secret> unwrap(const KeyObject& key, std::string_view password) {
  Secret with = derive(password, key);
  std::array<std::uint8_t, Secret::kBytes> bytes{};
  if (!gcm_decrypt(with.bytes(), key.nonce, {as_bytes(key.repository)}, key.wrapped, bytes)) {
    return std::nullopt;
  }
  Secret master(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return master;
}

// Not what a number of another kind would be converted to.
std::uint64_t whole_number(const Json& json) {
  if (!json.is_number_unsigned()) throw Error(Errc::damaged, "a number is none");
  return json.get<std::uint64_t>();
}

KeyObject from_json(const Json& json, std::string_view id) {
  KeyObject key;
  key.info.id = id;
  json.at("repository").get_to(key.repository);
  key.info.created = parse_utc(json.at("created").get<std::string>());
  json.at("host").get_to(key.info.host);
  json.at("user").get_to(key.info.user);
  if (json.at("kdf").get<std::string>() != "scrypt") {
    throw Error(Errc::unsupported, "its key derivation is newer than this duckback knows");
  }
  key.cost = {.n = whole_number(json.at("n")),
              .r = whole_number(json.at("r")),
              .p = whole_number(json.at("p"))};
  const KdfCost& cost = key.cost;
  bool power = (cost.n & (cost.n - 1)) == 0;
  if (!power || cost.n < kCostLeast || cost.n > kCostMost || cost.r < 1 || cost.r > kBlockMost ||
      cost.p < 1 || cost.p > kParallelMost) {
    throw Error(Errc::damaged, "impossible parameters of its key derivation");
  }
  key.salt = parse_hex(json.at("salt").get<std::string>(), kSaltBytes);
  Bytes nonce = parse_hex(json.at("nonce").get<std::string>(), key.nonce.size());
  std::copy(nonce.begin(), nonce.end(), key.nonce.begin());
  key.wrapped = parse_hex(json.at("wrapped").get<std::string>(), kWrappedBytes);
  return key;
}

// Of a key or its copy. Throws Errc::damaged, Errc::unsupported, Errc::not_found.
KeyObject read_key(Store& store, const std::string& id) {
  std::string object = kKeys + id;
  std::string text = get_clear_document(store, "key", object, kCopies + id);
  try {
    return from_json(Json::parse(text), id);
  } catch (const Json::exception& error) {
    throw Error(Errc::damaged, "{}: {}", object, error.what());
  } catch (const Error& error) {
    Errc code = error.code() == Errc::unsupported ? Errc::unsupported : Errc::damaged;
    throw Error(code, "{}: {}", object, error.what());
  }
}

std::vector<std::string> list_ids(Store& store) {
  std::vector<std::string> ids;
  for (const std::string& prefix : {kKeys, kCopies}) {
    store.list(prefix, [&](const ObjectInfo& object) {
      std::string id = object.key.substr(prefix.size());
      if (is_hex(id, 32)) ids.push_back(id);
    });
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Whether a key with this error is one that cannot be used, and the others still can.
bool is_of_one_key(const Error& error) {
  return error.code() == Errc::damaged || error.code() == Errc::unsupported ||
         error.code() == Errc::not_found || error.code() == Errc::io;
}

// One that is there twice, as nobody is removing it.
bool has_another(Store& store, std::string_view repository_id, const std::string& id) {
  std::vector<KeyInfo> keys = list_keys(store, repository_id);
  return std::ranges::any_of(
      keys, [&](const KeyInfo& key) { return key.id != id && store.exists(kKeys + key.id); });
}

Error last_key(const Store& store) {
  return Error(Errc::refused,
               "no other key can be read: without this one nothing in {} could be either. Add "
               "another first (`duckback key add`)",
               store.name());
}

Bytes copy_of(Store& store, const std::string& id) {
  return store.get(store.exists(kCopies + id) ? kCopies + id : kKeys + id);
}

}  // namespace

std::string add_key(Store& store, std::string_view repository_id, const Secret& master,
                    std::string_view password, const KdfCost& cost) {
  if (password.empty()) throw Error(Errc::invalid, "the password is empty");
  KeyObject key;
  key.repository = repository_id;
  key.cost = cost;
  key.salt.resize(kSaltBytes);
  key.wrapped.resize(kWrappedBytes);
  fill_random(key.salt);
  fill_random(key.nonce);
  Secret with = derive(password, key);
  gcm_encrypt(with.bytes(), key.nonce, {as_bytes(key.repository)}, master.bytes(), key.wrapped);
  Json json = {{"repository", key.repository},
               {"created", format_utc_ms(std::chrono::system_clock::now())},
               {"host", host_name()},
               {"user", user_name()},
               {"kdf", "scrypt"},
               {"n", cost.n},
               {"r", cost.r},
               {"p", cost.p},
               {"salt", to_hex(key.salt)},
               {"nonce", to_hex(key.nonce)},
               {"wrapped", to_hex(key.wrapped)}};
  std::string text =
      write_clear_document("key", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string id = random_id();
  store.put(kKeys + id, as_bytes(text));
  store.put(kCopies + id, as_bytes(text));
  return id;
}

OpenedKey open_key(Store& store, std::string_view repository_id, std::string_view password) {
  std::optional<Error> unusable;
  bool tried = false;
  for (const std::string& id : list_ids(store)) {
    try {
      KeyObject key = read_key(store, id);
      if (key.repository != repository_id) continue;
      std::optional<Secret> master = unwrap(key, password);
      if (master) return {*master, id};
      tried = true;
    } catch (const Error& error) {
      if (!is_of_one_key(error)) throw;
      if (!unusable) unusable = error;
    }
  }
  if (tried) {
    throw Error(Errc::wrong_password, "the password opens no key of {}{}", store.name(),
                unusable ? fmt::format("; one could not be tried: {}", unusable->what()) : "");
  }
  Errc code = unusable && unusable->code() != Errc::not_found ? unusable->code() : Errc::damaged;
  throw Error(code,
              "{} is encrypted, and no key of it can be used: {}; put a key that `duckback key "
              "export` saved back into it as keys/ and any 32 hex digits",
              store.name(), unusable ? unusable->what() : "there is none");
}

std::vector<KeyInfo> list_keys(Store& store, std::string_view repository_id) {
  std::vector<KeyInfo> keys;
  for (const std::string& id : list_ids(store)) {
    try {
      KeyObject key = read_key(store, id);
      if (key.repository == repository_id) keys.push_back(std::move(key.info));
    } catch (const Error& error) {
      if (!is_of_one_key(error)) throw;
    }
  }
  std::sort(keys.begin(), keys.end(), [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return keys;
}

bool is_key_of_another(Store& store, std::string_view repository_id, const std::string& id) {
  try {
    return read_key(store, id).repository != repository_id;
  } catch (const Error& error) {
    if (!is_of_one_key(error)) throw;
    return false;
  }
}

std::string remove_key(Store& store, std::string_view repository_id, std::string_view id_prefix) {
  std::vector<std::string> found;
  for (const std::string& id : list_ids(store)) {
    if (id.starts_with(id_prefix)) found.push_back(id);
  }
  if (found.empty() || id_prefix.empty()) {
    throw Error(Errc::not_found, "no key begins with '{}'; `duckback key list` shows them",
                id_prefix);
  }
  if (found.size() > 1) {
    throw Error(Errc::invalid, "{} keys begin with '{}'; give more digits", found.size(),
                id_prefix);
  }
  const std::string& id = found.front();
  if (!has_another(store, repository_id, id)) throw last_key(store);
  // Of two who remove the last two keys, each may see the other's. So its copy goes only when there
  // is another key after `keys/ID` went, with both its objects; and comes back if not.
  Bytes copy = copy_of(store, id);
  store.remove(kKeys + id);
  if (!has_another(store, repository_id, id)) {
    store.put(kKeys + id, copy);
    throw last_key(store);
  }
  store.remove(kCopies + id);
  return id;
}

}  // namespace duckback
