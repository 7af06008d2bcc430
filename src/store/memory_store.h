#pragma once

#include <map>
#include <mutex>

#include "store/store.h"

namespace duckback {

// Objects in memory, with a clock that tests can set.
class MemoryStore : public Store {
 public:
  std::string name() const override { return "memory"; }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;

  // What objects put from now on are dated; it stands still until the first call moves it on.
  void advance_clock(std::chrono::milliseconds by);

 private:
  struct Object {
    Bytes bytes;
    SystemTime modified;
  };
  std::mutex mutex_;
  std::map<std::string, Object, std::less<>> objects_;
  SystemTime now_{std::chrono::seconds(1'700'000'000)};
};

}  // namespace duckback
