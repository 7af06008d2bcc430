#include "store/memory_store.h"

#include <vector>

#include "base/error.h"

namespace duckback {

void MemoryStore::put(std::string_view key, ByteView bytes) {
  check_key(key);
  std::lock_guard lock(mutex_);
  objects_.insert_or_assign(std::string(key), Object{{bytes.begin(), bytes.end()}, now_});
}

void MemoryStore::create(std::string_view key, ByteView bytes) {
  check_key(key);
  std::lock_guard lock(mutex_);
  if (objects_.contains(key)) throw Error(Errc::conflict, "{} exists in {}", key, name());
  objects_.emplace(key, Object{{bytes.begin(), bytes.end()}, now_});
}

Bytes MemoryStore::get(std::string_view key, Range range) {
  check_key(key);
  std::lock_guard lock(mutex_);
  auto found = objects_.find(key);
  if (found == objects_.end()) throw Error(Errc::not_found, "there is no {} in {}", key, name());
  ByteView bytes = found->second.bytes;
  std::size_t count = bytes_in_range(key, bytes.size(), range);
  ByteView part = bytes.subspan(range.offset, count);
  return {part.begin(), part.end()};
}

void MemoryStore::list(std::string_view prefix,
                       const std::function<void(const ObjectInfo&)>& visit) {
  check_prefix(prefix);
  std::vector<ObjectInfo> found;  // `visit` runs unlocked.
  {
    std::lock_guard lock(mutex_);
    for (auto at = objects_.lower_bound(prefix);
         at != objects_.end() && at->first.starts_with(prefix); ++at) {
      found.push_back({at->first, at->second.bytes.size(), at->second.modified});
    }
  }
  for (const ObjectInfo& object : found) visit(object);
}

void MemoryStore::remove(std::string_view key) {
  check_key(key);
  std::lock_guard lock(mutex_);
  auto found = objects_.find(key);
  if (found != objects_.end()) objects_.erase(found);
}

void MemoryStore::advance_clock(std::chrono::milliseconds by) {
  std::lock_guard lock(mutex_);
  now_ += by;
}

}  // namespace duckback
