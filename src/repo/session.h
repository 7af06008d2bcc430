#pragma once

#include <string>

#include "io/process_id.h"
#include "repo/repository.h"

namespace duckback {

// Somebody writes to the repository: an object that is there for as long (docs/format.md). It
// locks nothing; prune waits for backups that began before a mark, and this tells it of them.
class Session {
 public:
  Session(const Repository& repository, std::string_view what);
  // Removes it; what a killed process leaves is removed by prune when it is old.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // It stays when this ends, for index_leftovers() to see what was not finished.
  void leave() { left_ = true; }
  // By the store's clock.
  SystemTime began() const { return began_; }
  const std::string& id() const { return id_; }
  Store& store() const { return repository_.store(); }
  // The time now, by the store's clock: an object is put, and removed again, to ask.
  SystemTime now();
  std::chrono::milliseconds age() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now() - began_);
  }
  // False if a prune took it for dead and removed it: it no longer waits for it.
  bool exists() const;

 private:
  const Repository& repository_;
  std::string id_;
  std::string json_;
  SystemTime began_;
  bool left_ = false;
};

struct SessionInfo {
  std::string id;
  SystemTime began;  // by the store's clock
  std::string what;  // "backup", "prune"
  std::string host;
  std::int64_t pid = 0;
  // Empty if it was not told (or by a duckback that knew no such thing).
  std::optional<ProcessId> process{};

  // Its process is certain to have ended, and with it what it relied on.
  bool dead() const;
};
// What cannot be read counts, without what it says.
std::vector<SessionInfo> list_sessions(const Repository& repository);
void remove_session(Store& store, const std::string& id);
// Removes what killed processes left, but never `own`: those whose process has ended, as far as
// that can be told from this machine, and all from `latest` or before, by the store's clock.
void remove_dead_sessions(const Repository& repository, SystemTime latest, const Session& own);

}  // namespace duckback
