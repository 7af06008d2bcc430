#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "store/store.h"

namespace duckback {

// That one process, and no other, uploads a copy of some name to a folder of a bucket: an object
// `duckback-claims/NAME` there, which says whose it is. It is put anew every few minutes, and
// removed when this goes. That of a process that was killed shows what it had begun.
class CopyClaim {
 public:
  // Nothing if somebody has it. `upload` is the token of one that a dead process left: until
  // note_upload(), the claim stays when this goes, for whoever comes next. Throws as the store
  // does.
  static std::unique_ptr<CopyClaim> take(Store& store, const std::string& name,
                                         const std::string& upload = "");
  ~CopyClaim();
  CopyClaim(const CopyClaim&) = delete;
  CopyClaim& operator=(const CopyClaim&) = delete;

  // Throws Errc::conflict if somebody took it for that of a dead process.
  void expect_mine();
  // Says in it with which token another process can go on with the upload of the database, if this
  // one is killed. Throws as expect_mine().
  void note_upload(const std::string& token);

 private:
  CopyClaim(Store& store, std::string key, std::string text, std::string upload);
  void check();
  void put();
  void keep(const std::stop_token& stop);
  Store& store_;
  const std::string key_;
  std::mutex mutex_;  // for what is there, and should be
  std::string text_;
  std::string upload_;
  SystemTime put_;  // before which it was put last
  bool left_;
  std::jthread renewing_;
};

// The time now, by the store's clock: an object is put, and removed again, to ask.
SystemTime now_of(Store& store);
// The names that somebody has a claim on.
std::set<std::string> list_claims(Store& store);
// Removes claims of processes that have ended on this machine, or did not renew theirs for an hour,
// together with the uploads that those had begun: but for that of a database to be called
// `resumed`, if its process has certainly ended and left the token of it, which is returned.
std::string remove_dead_claims(Store& store, const std::string& resumed = "");

}  // namespace duckback
