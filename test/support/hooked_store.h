#pragma once

#include <functional>
#include <memory>

#include "store/store.h"

namespace duckback::test {

// Lets a test act before a store's n-th mutation (put, create, remove; from 0).
class HookedStore : public Store {
 public:
  HookedStore(std::shared_ptr<Store> store, std::function<void(std::size_t number)> before)
      : store_(std::move(store)), before_(std::move(before)) {}

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override {
    before_(mutations_++);
    store_->put(key, bytes);
  }
  void create(std::string_view key, ByteView bytes) override {
    before_(mutations_++);
    store_->create(key, bytes);
  }
  Bytes get(std::string_view key, Range range) override { return store_->get(key, range); }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    store_->list(prefix, visit);
  }
  void remove(std::string_view key) override {
    before_(mutations_++);
    store_->remove(key);
  }
  std::size_t mutations() const { return mutations_; }

 private:
  std::shared_ptr<Store> store_;
  std::function<void(std::size_t)> before_;
  std::size_t mutations_ = 0;
};

// Lets a test act before every call: `before` gets the verb and the key or prefix. What it does to
// the store below is not met again.
class WatchedStore : public Store {
 public:
  using Before = std::function<void(std::string_view verb, std::string_view key)>;
  WatchedStore(std::shared_ptr<Store> store, Before before)
      : store_(std::move(store)), before_(std::move(before)) {}

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override {
    before_("put", key);
    store_->put(key, bytes);
  }
  void create(std::string_view key, ByteView bytes) override {
    before_("create", key);
    store_->create(key, bytes);
  }
  Bytes get(std::string_view key, Range range) override {
    before_("get", key);
    return store_->get(key, range);
  }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    before_("list", prefix);
    store_->list(prefix, visit);
  }
  void remove(std::string_view key) override {
    before_("remove", key);
    store_->remove(key);
  }

 private:
  std::shared_ptr<Store> store_;
  Before before_;
};

}  // namespace duckback::test
