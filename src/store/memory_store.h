#pragma once

#include <map>
#include <mutex>

#include "store/store.h"

namespace duckback {

// Objects in memory, with a clock that tests can set.
class MemoryStore : public Store {
 public:
  MemoryStore() = default;
  // One with the same objects and the same time; nobody uses `other` meanwhile.
  MemoryStore(const MemoryStore& other) : objects_(other.objects_), now_(other.now_) {}

  std::string name() const override { return "memory"; }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;

  // What objects put from now on are dated; it stands still between the calls, and may go back.
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
