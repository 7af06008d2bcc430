#pragma once

#include <mutex>
#include <set>

#include "io/file.h"
#include "store/store.h"

namespace duckback {

// Fetches objects that are read with Range::lasting once and as a whole, and keeps them in a folder
// of this machine. Each is proven against its name before it is kept, and again before a process
// uses it first: one that is not what its name says is not there. The folder may be removed at any
// time, also while it is used, and may be shared by processes; where it cannot be written, nothing
// is kept. What was not used for kKept is removed when a store is made, and what was not used for
// longest when there is more than `bytes_most`.
class CachedStore : public Store {
 public:
  static constexpr std::chrono::days kKept{30};
  CachedStore(std::shared_ptr<Store> store, fs::path folder,
              std::uint64_t bytes_most = std::uint64_t{1} << 30);

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override { store_->put(key, bytes); }
  void create(std::string_view key, ByteView bytes) override { store_->create(key, bytes); }
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    store_->list(prefix, visit);
  }
  void list_folder(std::string_view prefix,
                   const std::function<void(const ObjectInfo&)>& visit) override {
    store_->list_folder(prefix, visit);
  }
  bool exists(std::string_view key) override { return store_->exists(key); }
  void remove(std::string_view key) override { store_->remove(key); }
  void remove_anyway(std::string_view key) override { store_->remove_anyway(key); }
  std::unique_ptr<Upload> begin_upload(std::string_view key) override {
    return store_->begin_upload(key);
  }
  void drop_uploads(std::string_view key) override { store_->drop_uploads(key); }
  std::size_t remove_leftovers(SystemTime before) override {
    return store_->remove_leftovers(before);
  }
  bool creates_atomically() override { return store_->creates_atomically(); }
  bool is_remote() const override { return store_->is_remote(); }
  Traffic traffic() const override { return store_->traffic(); }

 private:
  std::optional<Bytes> kept(std::string_view key, Range range);
  bool is_proven(const std::string& key, const File& file);
  void keep(std::string_view key, const Bytes& object);
  void write(std::string_view key, const Bytes& object);

  std::shared_ptr<Store> store_;
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
