#include "repo/session.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/host.h"
#include "repo/process_json.h"

namespace duckback {
namespace {

using Json = nlohmann::json;
constexpr std::string_view kPrefix = "sessions/";
constexpr std::string_view kClock = ".now";

std::string key_of(std::string_view id) { return std::string(kPrefix) + std::string(id); }

SystemTime time_of(Store& store, const std::string& key) {
  std::optional<SystemTime> time;
  store.list(key, [&](const ObjectInfo& object) {
    if (object.key == key) time = object.modified;
  });
  if (!time) throw Error(Errc::io, "{}: {} was put and is not listed", store.name(), key);
  return *time;
}

}  // namespace

Session::Session(const Repository& repository, std::string_view what)
    : repository_(repository), id_(random_id()) {
  Json json = {{"what", what}, {"began", format_utc(std::chrono::system_clock::now())}};
  add_this_process(json);
  json_ = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  put_document(repository_.store(), repository_.sealer(), key_of(id_), json_);
  began_ = time_of(repository_.store(), key_of(id_));
}

SystemTime Session::now() {
  std::string key = key_of(id_) + std::string(kClock);
  put_document(repository_.store(), repository_.sealer(), key, "{}");
  SystemTime now = time_of(repository_.store(), key);
  remove_if_allowed(repository_.store(), key);
  return now;
}

Session::~Session() {
  if (left_) return;
  try {
    repository_.store().remove_anyway(key_of(id_));
  } catch (const Error&) {
    // It stays until prune finds it dead or old: nothing else depends on it.
  } catch (const Interrupted&) {
  }
}

bool Session::exists() const { return repository_.store().exists(key_of(id_)); }

std::vector<SessionInfo> list_sessions(const Repository& repository) {
  std::vector<SessionInfo> sessions;
  repository.store().list(kPrefix, [&](const ObjectInfo& object) {
    if (object.key.ends_with(kClock)) return;
    sessions.push_back({.id = object.key.substr(kPrefix.size()),
                        .began = object.modified,
                        .what = "",
                        .host = ""});
  });
  for (SessionInfo& session : sessions) {
    try {
      Json json =
          Json::parse(read_document(repository.store(), repository.sealer(), key_of(session.id)));
      json.at("what").get_to(session.what);
      json.at("host").get_to(session.host);
      json.at("pid").get_to(session.pid);
      session.process = process_in(json);
    } catch (const Json::exception&) {
    } catch (const Error& error) {
      if (error.code() != Errc::damaged && error.code() != Errc::not_found) throw;
    }
  }
  return sessions;
}

void remove_session(Store& store, const std::string& id) {
  remove_if_allowed(store, key_of(id));
  remove_if_allowed(store, key_of(id) + std::string(kClock));
}

bool SessionInfo::dead() const { return process && host == host_name() && has_ended(*process); }

void remove_dead_sessions(const Repository& repository, SystemTime latest, const Session& own) {
  Store& store = repository.store();
  std::vector<std::string> dead;
  store.list(kPrefix, [&](const ObjectInfo& object) {
    if (object.modified <= latest && !object.key.starts_with(key_of(own.id()))) {
      dead.push_back(object.key);
    }
  });
  for (const SessionInfo& session : list_sessions(repository)) {
    if (session.id != own.id() && session.dead()) remove_session(store, session.id);
  }
  for (const std::string& key : dead) store.remove(key);
}

}  // namespace duckback
