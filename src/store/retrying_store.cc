#include "store/retrying_store.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <random>

#include "base/error.h"
#include "store/wrapped_upload.h"

namespace duckback {

RetryingStore::RetryingStore(std::shared_ptr<Store> store, Policy policy, std::stop_token stop)
    : WrappedStore(std::move(store)), policy_(std::move(policy)), stop_(std::move(stop)) {}

void RetryingStore::retry(const std::function<void()>& body) {
  std::chrono::milliseconds wait = policy_.first_wait;
  for (int attempt = 1;; ++attempt) {
    try {
      return body();
    } catch (const Error& error) {
      if (error.code() != Errc::unavailable) throw;
      if (attempt >= policy_.attempts) {
        throw error.within(fmt::format("tried {} times, gave up", attempt));
      }
    }
    pause(wait);
    wait = std::min(wait * 2, policy_.longest_wait);
  }
}

// Between half of `longest` and all of it, so that many clients do not come back at once.
void RetryingStore::pause(std::chrono::milliseconds longest) {
  if (stop_.stop_requested()) throw Interrupted();
  std::random_device random;
  std::chrono::milliseconds wait(
      std::uniform_int_distribution(longest.count() / 2, longest.count())(random));
  if (policy_.wait) {
    policy_.wait(wait);
  } else {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop_, wait, [] { return false; });
  }
  if (stop_.stop_requested()) throw Interrupted();
}

bool RetryingStore::holds(std::string_view key, ByteView bytes) {
  try {
    return std::ranges::equal(store_->get(key), bytes);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found && error.code() != Errc::damaged) throw;
    return false;
  }
}

void RetryingStore::put(std::string_view key, ByteView bytes) {
  retry([&] { store_->put(key, bytes); });
}

void RetryingStore::create(std::string_view key, ByteView bytes) {
  bool unanswered = false;
  retry([&] {
    try {
      store_->create(key, bytes);
    } catch (const Error& error) {
      if (error.code() == Errc::unavailable) unanswered = true;
      if (error.code() == Errc::conflict && unanswered && holds(key, bytes)) return;
      throw;
    }
  });
}

Bytes RetryingStore::get(std::string_view key, Range range) {
  Bytes bytes;
  retry([&] { bytes = store_->get(key, range); });
  return bytes;
}

void RetryingStore::list(std::string_view prefix, const Visit& visit) {
  list_again([&](const Visit& see) { store_->list(prefix, see); }, visit);
}

void RetryingStore::list_folder(std::string_view prefix, const Visit& visit) {
  list_again([&](const Visit& see) { store_->list_folder(prefix, see); }, visit);
}

void RetryingStore::list_again(const std::function<void(const Visit&)>& list, const Visit& visit) {
  // Keys come in order, so a listing that begins anew goes on behind the last one shown.
  std::optional<std::string> last;
  bool visiting = false;
  std::exception_ptr failed_visit;
  retry([&] {
    try {
      list([&](const ObjectInfo& object) {
        if (last && object.key <= *last) return;
        last = object.key;
        visiting = true;
        visit(object);
        visiting = false;
      });
    } catch (const Error&) {
      if (!visiting) throw;
      failed_visit = std::current_exception();  // Not the listing's: not tried again.
    }
  });
  if (failed_visit) std::rethrow_exception(failed_visit);
}

bool RetryingStore::exists(std::string_view key) {
  bool found = false;
  retry([&] { found = store_->exists(key); });
  return found;
}

void RetryingStore::remove(std::string_view key) {
  retry([&] { store_->remove(key); });
}

void RetryingStore::remove_anyway(std::string_view key) {
  try {
    remove(key);
  } catch (const Interrupted&) {
    store_->remove_anyway(key);
  }
}

std::vector<std::string> RetryingStore::remove_at_once(std::span<const std::string> keys) {
  std::vector<std::string> left;
  retry([&] { left = store_->remove_at_once(keys); });
  return left;
}

std::unique_ptr<Upload> RetryingStore::begin_upload(std::string_view key) {
  std::unique_ptr<Upload> upload;
  bool unanswered = false;
  retry([&] {
    if (unanswered) store_->drop_uploads(key);  // Nobody else knows of it.
    unanswered = true;
    upload = store_->begin_upload(key);
  });
  return retrying(std::move(upload));
}

std::unique_ptr<Upload> RetryingStore::resume_upload(std::string_view key,
                                                     const std::string& token) {
  std::unique_ptr<Upload> upload;
  retry([&] { upload = store_->resume_upload(key, token); });
  return upload ? retrying(std::move(upload)) : nullptr;
}

std::unique_ptr<Upload> RetryingStore::retrying(std::unique_ptr<Upload> upload) {
  return std::make_unique<WrappedUpload>(
      std::move(upload), [this](const std::function<void()>& request) { retry(request); });
}

void RetryingStore::drop_uploads(std::string_view key) {
  retry([&] { store_->drop_uploads(key); });
}

std::size_t RetryingStore::remove_leftovers(SystemTime before) {
  std::size_t removed = 0;
  retry([&] { removed = store_->remove_leftovers(before); });
  return removed;
}

}  // namespace duckback
