#pragma once

#include <stop_token>

#include "store/wrapped_store.h"

namespace duckback {

// Tries again what failed with Errc::unavailable, after waits that double, with jitter. All five
// verbs can be repeated; a create() that meets Errc::conflict after an attempt without answer
// reads the object back: if it holds the bytes given, that attempt was ours and it is success.
// Once a stop is asked for nothing is tried again: Interrupted.
class RetryingStore : public WrappedStore {
 public:
  struct Policy {
    int attempts = 6;
    std::chrono::milliseconds first_wait{200};
    std::chrono::milliseconds longest_wait{10'000};
    // How a wait is done; tests do not wait.
    std::function<void(std::chrono::milliseconds)> wait{};
  };
  RetryingStore(std::shared_ptr<Store> store, Policy policy, std::stop_token stop = {});

  void put(std::string_view key, ByteView bytes) override;
  void create(std::string_view key, ByteView bytes) override;
  Bytes get(std::string_view key, Range range = {}) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void list_folder(std::string_view prefix,
                   const std::function<void(const ObjectInfo&)>& visit) override;
  bool exists(std::string_view key) override;
  void remove(std::string_view key) override;
  std::vector<std::string> remove_at_once(std::span<const std::string> keys) override;
  void remove_anyway(std::string_view key) override;
  std::unique_ptr<Upload> begin_upload(std::string_view key) override;
  std::unique_ptr<Upload> resume_upload(std::string_view key, const std::string& token) override;
  void drop_uploads(std::string_view key) override;
  std::size_t remove_leftovers(SystemTime before) override;

 private:
  std::unique_ptr<Upload> retrying(std::unique_ptr<Upload> upload);
  using Visit = std::function<void(const ObjectInfo&)>;
  void list_again(const std::function<void(const Visit&)>& list, const Visit& visit);
  void retry(const std::function<void()>& body);
  void pause(std::chrono::milliseconds longest);
  bool holds(std::string_view key, ByteView bytes);
  Policy policy_;
  std::stop_token stop_;
};

}  // namespace duckback
