#pragma once

#include <memory>
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
  // Nothing if somebody has it. Throws as the store does.
  static std::unique_ptr<CopyClaim> take(Store& store, const std::string& name);
  ~CopyClaim();
  CopyClaim(const CopyClaim&) = delete;
  CopyClaim& operator=(const CopyClaim&) = delete;

  // Throws Errc::conflict if somebody took it for that of a dead process.
  void expect_mine();

 private:
  CopyClaim(Store& store, std::string key, std::string text);
  void keep(const std::stop_token& stop);
  Store& store_;
  const std::string key_;
  const std::string text_;
  std::jthread renewing_;
};

// The time now, by the store's clock: an object is put, and removed again, to ask.
SystemTime now_of(Store& store);
// The names that somebody has a claim on.
std::set<std::string> list_claims(Store& store);
// Removes claims of processes that have ended on this machine, or did not renew theirs for an hour,
// together with the uploads that those had begun. Returns how many.
std::size_t remove_dead_claims(Store& store);

}  // namespace duckback
