#include "ops/copy_claim.h"

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "io/host.h"
#include "repo/process_json.h"
#include "repo/secret.h"

namespace duckback {
namespace {

using nlohmann::json;
constexpr std::string_view kFolder = "duckback-claims/";
constexpr auto kRenewed = std::chrono::minutes(5);
constexpr auto kDead = std::chrono::minutes(60);

std::string text_of_mine(const std::string& upload) {
  json claim = {{"nonce", random_id()}};
  add_this_process(claim);
  if (!upload.empty()) claim["upload"] = upload;
  return claim.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string read(Store& store, const std::string& key) {
  Bytes bytes = store.get(key);
  return {bytes.begin(), bytes.end()};
}

// Certain only for processes of this machine; false for what cannot be read.
bool process_has_ended(const std::string& text) {
  try {
    json claim = json::parse(text);
    std::optional<ProcessId> process = process_in(claim);
    return process && claim.at("host") == host_name() && has_ended(*process);
  } catch (const json::exception&) {
    return false;
  }
}

// Empty where it says nothing of one.
std::string upload_in(const std::string& text) {
  try {
    return json::parse(text).at("upload").get<std::string>();
  } catch (const json::exception&) {
    return "";
  }
}

struct DeadClaim {
  bool ended = false;  // its process, certainly; else it only was not renewed
  std::string upload;
};

// Nothing if its process may live, or another one has it by now.
std::optional<DeadClaim> read_dead(Store& store, const ObjectInfo& claim, SystemTime now) {
  std::string text;
  try {
    text = read(store, claim.key);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    return std::nullopt;  // It was given up meanwhile.
  }
  DeadClaim dead{process_has_ended(text), upload_in(text)};
  if (!dead.ended && now - claim.modified <= kDead) return std::nullopt;
  bool same = false;
  store.list(claim.key, [&](const ObjectInfo& object) {
    same = same || (object.key == claim.key && object.modified == claim.modified &&
                    object.tag == claim.tag);
  });
  if (!same) return std::nullopt;
  return dead;
}

}  // namespace

CopyClaim::CopyClaim(Store& store, std::string key, std::string text, std::string upload)
    : store_(store),
      key_(std::move(key)),
      text_(std::move(text)),
      upload_(std::move(upload)),
      put_(std::chrono::system_clock::now()),
      left_(!upload_.empty()),
      renewing_([this](const std::stop_token& stop) { keep(stop); }) {}

std::unique_ptr<CopyClaim> CopyClaim::take(Store& store, const std::string& name,
                                           const std::string& upload) {
  std::string key = std::string(kFolder) + name;
  std::string text = text_of_mine(upload);
  try {
    store.create(key, as_bytes(text));
  } catch (const Error& error) {
    if (error.code() != Errc::conflict) throw;
    return nullptr;
  }
  return std::unique_ptr<CopyClaim>(new CopyClaim(store, std::move(key), std::move(text), upload));
}

CopyClaim::~CopyClaim() {
  renewing_.request_stop();
  renewing_.join();
  if (left_) return;
  try {
    // Who stood still for long may find that of another process there.
    if (std::chrono::system_clock::now() - put_ > kDead / 2) check();
    store_.remove_anyway(key_);
  } catch (const Error&) {  // The next copy to this folder sees that its process has ended.
  } catch (const Interrupted&) {
  }
}

void CopyClaim::keep(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  for (;;) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, stop, kRenewed, [] { return false; });
    if (stop.stop_requested()) return;
    try {
      std::lock_guard guard(mutex_);
      check();
      put();
    } catch (const Error&) {  // In a few minutes again; if it is lost, expect_mine() says so.
    } catch (const Interrupted&) {
      return;
    }
  }
}

void CopyClaim::expect_mine() {
  std::lock_guard guard(mutex_);
  check();
}

void CopyClaim::note_upload(const std::string& token) {
  std::lock_guard guard(mutex_);
  left_ = false;
  if (token == upload_) return;
  check();
  upload_ = token;
  text_ = text_of_mine(upload_);
  put();
}

void CopyClaim::put() {
  SystemTime before = std::chrono::system_clock::now();
  store_.put(key_, as_bytes(text_));
  put_ = before;
}

void CopyClaim::check() {
  try {
    if (read(store_, key_) == text_) return;
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
  }
  throw Error(Errc::conflict, "{}: another copy took this name meanwhile; make this one again",
              store_.name());
}

SystemTime now_of(Store& store) {
  std::string key = fmt::format("{}now-{}", kFolder, random_id());
  store.put(key, {});
  std::optional<SystemTime> now;
  store.list(key, [&](const ObjectInfo& object) { now = object.modified; });
  store.remove(key);
  if (!now) throw Error(Errc::io, "{}: {} was put and is not listed", store.name(), key);
  return *now;
}

std::set<std::string> list_claims(Store& store) {
  std::set<std::string> names;
  store.list(kFolder,
             [&](const ObjectInfo& object) { names.insert(object.key.substr(kFolder.size())); });
  return names;
}

std::string remove_dead_claims(Store& store, const std::string& resumed) {
  std::vector<ObjectInfo> claims;
  store.list(kFolder, [&](const ObjectInfo& object) { claims.push_back(object); });
  if (claims.empty()) return "";
  SystemTime now = now_of(store);
  std::string left;
  for (const ObjectInfo& claim : claims) {
    std::optional<DeadClaim> dead = read_dead(store, claim, now);
    if (!dead) continue;
    std::string name = claim.key.substr(kFolder.size());
    if (name == resumed && dead->ended) left = dead->upload;
    if (name != resumed || left.empty()) store.drop_uploads(name);
    store.drop_uploads(name + ".wal");
    store.remove(claim.key);
  }
  return left;
}

}  // namespace duckback
