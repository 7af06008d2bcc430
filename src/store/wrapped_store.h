#pragma once

#include <memory>

#include "store/store.h"

namespace duckback {

// Does all that another store does: a decorator overrides what it changes.
class WrappedStore : public Store {
 public:
  explicit WrappedStore(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override { store_->put(key, bytes); }
  void create(std::string_view key, ByteView bytes) override { store_->create(key, bytes); }
  Bytes get(std::string_view key, Range range = {}) override { return store_->get(key, range); }
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
  std::vector<std::string> remove_at_once(std::span<const std::string> keys) override {
    return store_->remove_at_once(keys);
  }
  std::unique_ptr<Upload> begin_upload(std::string_view key) override {
    return store_->begin_upload(key);
  }
  std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token) override {
    return store_->resume_upload(key, token);
  }
  void drop_uploads(std::string_view key) override { store_->drop_uploads(key); }
  std::size_t remove_leftovers(SystemTime before) override {
    return store_->remove_leftovers(before);
  }
  bool is_remote() const override { return store_->is_remote(); }

 protected:
  const std::shared_ptr<Store> store_;
};

}  // namespace duckback
