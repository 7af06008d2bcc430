#include "store/throttled_store.h"

#include <algorithm>
#include <condition_variable>

#include "base/error.h"

namespace duckback {

ThrottledStore::ThrottledStore(std::shared_ptr<Store> store, Limits limits, std::stop_token stop)
    : WrappedStore(std::move(store)), limits_(std::move(limits)), stop_(std::move(stop)) {}

// How long to wait until the lane is free; it is taken for `seconds` from then on.
ThrottledStore::Clock::duration ThrottledStore::take(Lane& lane, double seconds) {
  std::lock_guard lock(mutex_);
  Clock::time_point now = limits_.now();
  Clock::time_point start = std::max(now, lane.free);
  lane.free =
      start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  return start - now;
}

void ThrottledStore::begin_request(std::uint64_t bytes_to_send) {
  Clock::duration time{};
  if (limits_.requests_per_second > 0) {
    time = take(requests_, 1.0 / limits_.requests_per_second);
  }
  if (limits_.bytes_per_second > 0 && bytes_to_send > 0) {
    double seconds =
        static_cast<double>(bytes_to_send) / static_cast<double>(limits_.bytes_per_second);
    time = std::max(time, take(sending_, seconds));
  }
  wait(time);
}

void ThrottledStore::wait(Clock::duration time) {
  if (time <= Clock::duration::zero()) return;
  if (limits_.wait) {
    limits_.wait(time);
  } else {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop_, time, [] { return false; });
  }
  if (stop_.stop_requested()) throw Interrupted();
}

void ThrottledStore::put(std::string_view key, ByteView bytes) {
  begin_request(bytes.size());
  store_->put(key, bytes);
}

void ThrottledStore::create(std::string_view key, ByteView bytes) {
  begin_request(bytes.size());
  store_->create(key, bytes);
}

Bytes ThrottledStore::get(std::string_view key, Range range) {
  begin_request(0);
  if (limits_.bytes_per_second == 0) return store_->get(key, range);
  wait(take(receiving_, 0));
  Bytes bytes = store_->get(key, range);
  // How much it is shows only now; the next one waits for it.
  take(receiving_,
       static_cast<double>(bytes.size()) / static_cast<double>(limits_.bytes_per_second));
  return bytes;
}

void ThrottledStore::list(std::string_view prefix,
                          const std::function<void(const ObjectInfo&)>& visit) {
  begin_request(0);
  store_->list(prefix, visit);
}

bool ThrottledStore::exists(std::string_view key) {
  begin_request(0);
  return store_->exists(key);
}

void ThrottledStore::remove(std::string_view key) {
  begin_request(0);
  store_->remove(key);
}

void ThrottledStore::list_folder(std::string_view prefix,
                                 const std::function<void(const ObjectInfo&)>& visit) {
  begin_request(0);
  store_->list_folder(prefix, visit);
}

class ThrottledStore::ThrottledUpload : public Upload {
 public:
  ThrottledUpload(ThrottledStore& store, std::unique_ptr<Upload> upload)
      : store_(store), upload_(std::move(upload)) {}
  void put_part(std::size_t number, ByteView bytes) override {
    store_.begin_request(bytes.size());
    upload_->put_part(number, bytes);
  }
  bool has_part(std::size_t number, ByteView bytes) override {
    return upload_->has_part(number, bytes);
  }
  std::size_t parts_before() const override { return upload_->parts_before(); }
  std::string token() const override { return upload_->token(); }
  ObjectInfo complete() override {
    store_.begin_request(0);
    return upload_->complete();
  }

 private:
  ThrottledStore& store_;
  std::unique_ptr<Upload> upload_;
};

std::unique_ptr<Upload> ThrottledStore::begin_upload(std::string_view key) {
  begin_request(0);
  return std::make_unique<ThrottledUpload>(*this, store_->begin_upload(key));
}

std::unique_ptr<Upload> ThrottledStore::resume_upload(std::string_view key,
                                                      const std::string& token) {
  begin_request(0);
  std::unique_ptr<Upload> upload = store_->resume_upload(key, token);
  return upload ? std::make_unique<ThrottledUpload>(*this, std::move(upload)) : nullptr;
}

void ThrottledStore::drop_uploads(std::string_view key) {
  begin_request(0);
  store_->drop_uploads(key);
}

}  // namespace duckback
