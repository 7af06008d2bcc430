#include "store/store.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/task_group.h"

namespace duckback {
namespace {

// For stores that take objects only whole: its parts are kept in memory.
class GatheredUpload : public Upload {
 public:
  GatheredUpload(Store& store, std::string_view key) : store_(store), key_(key) {}

  void put_part(std::size_t number, ByteView bytes) override {
    std::lock_guard lock(mutex_);
    parts_[number].assign(bytes.begin(), bytes.end());
  }
  ObjectInfo complete() override {
    Bytes whole;
    for (const auto& [number, part] : parts_) whole.insert(whole.end(), part.begin(), part.end());
    store_.put(key_, whole);
    return {.key = key_, .bytes = whole.size()};
  }

 private:
  Store& store_;
  const std::string key_;
  std::mutex mutex_;
  std::map<std::size_t, Bytes> parts_;
};

}  // namespace

void Store::list_folder(std::string_view prefix,
                        const std::function<void(const ObjectInfo&)>& visit) {
  list(prefix, [&](const ObjectInfo& object) {
    if (object.key.find('/', prefix.size()) == object.key.npos) visit(object);
  });
}

std::unique_ptr<Upload> Store::begin_upload(std::string_view key) {
  check_key(key);
  return std::make_unique<GatheredUpload>(*this, key);
}

bool Store::exists(std::string_view key) {
  check_key(key);
  bool found = false;
  list(key, [&](const ObjectInfo& object) { found = found || object.key == key; });
  return found;
}

std::vector<std::string> Store::remove_at_once(std::span<const std::string> keys) {
  return {keys.begin(), keys.end()};
}

std::unique_ptr<Upload> Store::resume_upload(std::string_view key, const std::string&) {
  check_key(key);
  return nullptr;
}

void Store::drop_uploads(std::string_view key) { check_key(key); }

std::size_t Store::remove_leftovers(SystemTime) { return 0; }

bool is_key(std::string_view key) {
  auto good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  std::size_t part = 0;
  for (std::size_t i = 0; i <= key.size(); ++i) {
    if (i < key.size() && key[i] != '/') {
      if (!good(key[i])) return false;
    } else {
      if (i == part || key[part] == '.') return false;  // Empty, hidden, "..".
      part = i + 1;
    }
  }
  return true;
}

void check_key(std::string_view key) {
  if (!is_key(key)) throw Error(Errc::invalid, "'{}' is no name of an object", key);
}

void check_prefix(std::string_view prefix) {
  if (!is_key(std::string(prefix) + "x")) {
    throw Error(Errc::invalid, "no name of an object begins with '{}'", prefix);
  }
}

void for_each_at_once(const Store& store, std::size_t count,
                      const std::function<void(std::size_t)>& body) {
  constexpr std::size_t kAtOnce = 8;
  if (!store.is_remote()) {
    for (std::size_t i = 0; i < count; ++i) body(i);
    return;
  }
  TaskGroup group(kAtOnce, count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    group.run([&body, i] { body(i); });
  }
  group.wait();
}

void remove_all(Store& store, std::span<const std::string> keys) {
  while (!keys.empty()) {
    auto some = keys.first(std::min(keys.size(), Store::kRemovedAtOnceMost));
    keys = keys.subspan(some.size());
    std::vector<std::string> left = store.remove_at_once(some);
    for_each_at_once(store, left.size(), [&](std::size_t i) { store.remove(left[i]); });
  }
}

void remove_if_allowed(Store& store, std::string_view key) {
  try {
    store.remove(key);
  } catch (const Error& error) {
    if (error.code() != Errc::refused) throw;
  }
}

std::uint64_t bytes_in_range(std::string_view key, std::uint64_t object_bytes, Range range) {
  if (range.offset > object_bytes ||
      (range.bytes != Range::kAll && range.bytes > object_bytes - range.offset)) {
    throw Error(Errc::damaged, "{} ends at {} bytes, before what was to be read at {}", key,
                object_bytes, range.offset);
  }
  std::uint64_t bytes = range.bytes == Range::kAll ? object_bytes - range.offset : range.bytes;
  if (bytes > Range::kMost) {
    throw Error(Errc::damaged, "{} has {} bytes, more than any object of a repository", key,
                object_bytes);
  }
  return bytes;
}

}  // namespace duckback
