#pragma once

#include <mutex>
#include <stop_token>

#include "store/wrapped_store.h"

namespace duckback {

// Waits before a verb as long as those before it were too many or too large. The limits hold on
// average: one object goes as fast as it can, and the next waits for it.
class ThrottledStore : public WrappedStore {
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

  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void list_folder(std::string_view prefix,
                   const std::function<void(const ObjectInfo&)>& visit) override;
  bool exists(std::string_view key) override;
  void remove(std::string_view key) override;
  // One by one: whoever limits the rate of requests means what the server has to do for them.
  std::vector<std::string> remove_at_once(std::span<const std::string> keys) override {
    return Store::remove_at_once(keys);
  }
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;
  std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token) override;
  void drop_uploads(std::string_view key) override;

 private:
  class ThrottledUpload;
  struct Lane {
    Clock::time_point free{};  // when what was let through before will be over
  };
  Clock::duration take(Lane& lane, double seconds);
  void begin_request(std::uint64_t bytes_to_send);
  void wait(Clock::duration time);

  Limits limits_;
  std::stop_token stop_;
  std::mutex mutex_;
  Lane requests_;
  Lane sending_;
  Lane receiving_;
};

}  // namespace duckback
