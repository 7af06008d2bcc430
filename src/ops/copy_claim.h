#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "store/store.h"

namespace duckback {

// That one process, and no other, uploads a copy of some name to a folder of a bucket: an object
// `duckback-claims/NAME` there, which says whose it is. It is removed when this goes. That of a
// process that was killed shows what it had begun.
class CopyClaim {
 public:
  // Nothing if somebody has it. Throws as the store does.
  static std::unique_ptr<CopyClaim> take(Store& store, const std::string& name);
  ~CopyClaim();
  CopyClaim(const CopyClaim&) = delete;
  CopyClaim& operator=(const CopyClaim&) = delete;

  // To be called now and then, from any thread: shows the others that this process is at work.
  void renew();
  // Throws Errc::conflict if somebody took it for that of a dead process.
  void expect_mine();

 private:
  CopyClaim(Store& store, std::string key, std::string text);
  Store& store_;
  const std::string key_;
  const std::string text_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point renewed_;
};

// Removes claims of processes that have ended on this machine, or did not renew theirs for a day,
// together with the uploads that those had begun. Returns how many.
std::size_t remove_dead_claims(Store& store);

}  // namespace duckback
