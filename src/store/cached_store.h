#pragma once

#include <mutex>
#include <set>

#include "io/file.h"
#include "store/wrapped_store.h"

namespace duckback {

// Fetches objects that are read with Range::lasting once and as a whole, and keeps them in a folder
// of this machine. Each is proven against its name before it is kept, and again before a process
// uses it first: one that is not what its name says is not there. The folder may be removed at any
// time, also while it is used, and may be shared by processes; where it cannot be written, nothing
// is kept. What was not used for kKept is removed when a store is made, and what was not used for
// longest when there is more than `bytes_most`.
class CachedStore : public WrappedStore {
 public:
  static constexpr std::chrono::days kKept{30};
  CachedStore(std::shared_ptr<Store> store, fs::path folder,
              std::uint64_t bytes_most = std::uint64_t{1} << 30);

  Bytes get(std::string_view key, Range range = {}) override;

 private:
  std::optional<Bytes> kept(std::string_view key, Range range);
  bool may_keep(std::string_view key);
  bool is_proven(const std::string& key, const File& file);
  void keep(std::string_view key, const Bytes& object);
  void write(std::string_view key, const Bytes& object);

  const fs::path folder_;
  const std::uint64_t bytes_most_;
  std::mutex fetching_;  // each object is fetched by one of those who need it
  std::mutex mutex_;     // for what follows
  std::set<std::string> proven_;
  std::set<std::string> not_kept_;  // what was fetched and cannot be kept
  std::uint64_t bytes_ = 0;         // in the folder, about
  bool writable_ = true;
};

}  // namespace duckback
