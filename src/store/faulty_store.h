#pragma once

#include <atomic>

#include "base/error.h"
#include "store/store.h"

namespace duckback {

// A store whose process dies: mutations (put, create, remove, the parts and the completion of
// uploads) from number `dies_at` on, counted from 0, throw Dead. The fatal one itself is lost, or
// (`unacknowledged`) done first. For tests that kill an operation at every step.
class DyingStore : public Store {
 public:
  struct Dead : Interrupted {};
  DyingStore(Store& store, std::size_t dies_at, bool unacknowledged)
      : store_(store), dies_at_(dies_at), unacknowledged_(unacknowledged) {}

  std::string name() const override { return store_.name(); }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;
  std::size_t mutations() const { return mutations_; }

 private:
  void mutate(const std::function<void()>& mutation);
  Store& store_;
  std::size_t dies_at_;
  bool unacknowledged_;
  std::atomic<std::size_t> mutations_ = 0;
};

// A store that fails with Errc::unavailable in a fixed pattern: every `period`-th call, before or
// (every other time) after it was carried out.
class FlakyStore : public Store {
 public:
  FlakyStore(std::shared_ptr<Store> store, std::size_t period)
      : store_(std::move(store)), period_(period) {}

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;

 private:
  void call(const std::function<void()>& body);
  std::shared_ptr<Store> store_;
  std::size_t period_;
  std::atomic<std::size_t> calls_ = 0;
};

}  // namespace duckback
