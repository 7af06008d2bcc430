#pragma once

#include <mutex>
#include <stop_token>

#include "store/store.h"

namespace duckback {

// Waits before a verb as long as those before it were too many or too large. The limits hold on
// average: one object goes as fast as it can, and the next waits for it.
class ThrottledStore : public Store {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    std::uint64_t bytes_per_second = 0;  // of each direction; 0: no limit
    int requests_per_second = 0;         // of verbs, retried ones if this is below who retries
    // Tests do not wait.
    std::function<Clock::time_point()> now = &Clock::now;
    std::function<void(Clock::duration)> wait{};
  };
  ThrottledStore(std::shared_ptr<Store> store, Limits limits, std::stop_token stop = {});

  std::string name() const override { return store_->name(); }
  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void list_folder(std::string_view prefix,
                   const std::function<void(const ObjectInfo&)>& visit) override;
  bool exists(std::string_view key) override;
  void remove(std::string_view key) override;
  void remove_anyway(std::string_view key) override { store_->remove_anyway(key); }
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;
  void drop_uploads(std::string_view key) override;
  std::size_t remove_leftovers(SystemTime before) override {
    return store_->remove_leftovers(before);
  }
  bool creates_atomically() override { return store_->creates_atomically(); }
  bool is_remote() const override { return store_->is_remote(); }
  Traffic traffic() const override { return store_->traffic(); }

 private:
  class ThrottledUpload;
  struct Lane {
    Clock::time_point free{};  // when what was let through before will be over
  };
  Clock::duration take(Lane& lane, double seconds);
  void begin_request(std::uint64_t bytes_to_send);
  void wait(Clock::duration time);

  std::shared_ptr<Store> store_;
  Limits limits_;
  std::stop_token stop_;
  std::mutex mutex_;
  Lane requests_;
  Lane sending_;
  Lane receiving_;
};

}  // namespace duckback
