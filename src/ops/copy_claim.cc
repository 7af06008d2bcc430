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

// What it says, if its process is no more.
std::optional<std::string> read_dead(Store& store, const ObjectInfo& claim, SystemTime now) {
  try {
    std::string text = read(store, claim.key);
    if (now - claim.modified > kDead || process_has_ended(text)) return text;
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;  // Else it was given up meanwhile.
  }
  return std::nullopt;
}

}  // namespace

CopyClaim::CopyClaim(Store& store, std::string key, std::string text, std::string upload)
    : store_(store),
      key_(std::move(key)),
      text_(std::move(text)),
      upload_(std::move(upload)),
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
  try {
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
      store_.put(key_, as_bytes(text_));
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
  if (token == upload_) return;
  check();
  upload_ = token;
  text_ = text_of_mine(upload_);
  store_.put(key_, as_bytes(text_));
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
    std::optional<std::string> text = read_dead(store, claim, now);
    if (!text) continue;
    std::string name = claim.key.substr(kFolder.size());
    if (name == resumed) left = upload_in(*text);
    if (name != resumed || left.empty()) store.drop_uploads(name);
    store.drop_uploads(name + ".wal");
    store.remove(claim.key);
  }
  return left;
}

}  // namespace duckback
