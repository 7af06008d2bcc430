#include "store/faulty_store.h"

#include "base/error.h"
#include "store/wrapped_upload.h"

namespace duckback {

void DyingStore::mutate(const std::function<void()>& mutation) {
  std::size_t number = mutations_++;
  if (number < dies_at_) return mutation();
  if (number == dies_at_ && unacknowledged_) {
    try {
      mutation();
    } catch (const Error&) {
      // The dead do not hear of it.
    }
  }
  throw Dead();
}

void DyingStore::put(std::string_view key, ByteView bytes) {
  mutate([&] { store_.put(key, bytes); });
}

void DyingStore::create(std::string_view key, ByteView bytes) {
  mutate([&] { store_.create(key, bytes); });
}

Bytes DyingStore::get(std::string_view key, Range range) { return store_.get(key, range); }

void DyingStore::list(std::string_view prefix,
                      const std::function<void(const ObjectInfo&)>& visit) {
  store_.list(prefix, visit);
}

void DyingStore::remove(std::string_view key) {
  mutate([&] { store_.remove(key); });
}

std::unique_ptr<Upload> DyingStore::begin_upload(std::string_view key) {
  return std::make_unique<WrappedUpload>(
      store_.begin_upload(key), [this](const std::function<void()>& request) { mutate(request); });
}

void FlakyStore::call(const std::function<void()>& body) {
  std::size_t number = ++calls_;
  bool fails = number % period_ == 0;
  bool carried_out = !fails || number / period_ % 2 == 0;
  if (carried_out) body();
  if (fails) {
    throw Error(Errc::unavailable, "{} did not answer call {}", name(), number);
  }
}

void FlakyStore::put(std::string_view key, ByteView bytes) {
  call([&] { store_->put(key, bytes); });
}

void FlakyStore::create(std::string_view key, ByteView bytes) {
  call([&] { store_->create(key, bytes); });
}

Bytes FlakyStore::get(std::string_view key, Range range) {
  Bytes bytes;
  call([&] { bytes = store_->get(key, range); });
  return bytes;
}

void FlakyStore::list(std::string_view prefix,
                      const std::function<void(const ObjectInfo&)>& visit) {
  call([&] { store_->list(prefix, visit); });
}

void FlakyStore::remove(std::string_view key) {
  call([&] { store_->remove(key); });
}

std::unique_ptr<Upload> FlakyStore::begin_upload(std::string_view key) {
  std::unique_ptr<Upload> upload;
  call([&] { upload = store_->begin_upload(key); });
  return std::make_unique<WrappedUpload>(
      std::move(upload), [this](const std::function<void()>& request) { call(request); });
}

}  // namespace duckback
