#include "store/faulty_store.h"

#include "base/error.h"

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

class DyingStore::DyingUpload : public Upload {
 public:
  DyingUpload(DyingStore& store, std::unique_ptr<Upload> upload)
      : store_(store), upload_(std::move(upload)) {}
  void put_part(std::size_t number, ByteView bytes) override {
    store_.mutate([&] { upload_->put_part(number, bytes); });
  }
  ObjectInfo complete() override {
    ObjectInfo made;
    store_.mutate([&] { made = upload_->complete(); });
    return made;
  }

 private:
  DyingStore& store_;
  std::unique_ptr<Upload> upload_;
};

std::unique_ptr<Upload> DyingStore::begin_upload(std::string_view key) {
  return std::make_unique<DyingUpload>(*this, store_.begin_upload(key));
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

class FlakyStore::FlakyUpload : public Upload {
 public:
  FlakyUpload(FlakyStore& store, std::unique_ptr<Upload> upload)
      : store_(store), upload_(std::move(upload)) {}
  void put_part(std::size_t number, ByteView bytes) override {
    store_.call([&] { upload_->put_part(number, bytes); });
  }
  ObjectInfo complete() override {
    ObjectInfo made;
    store_.call([&] { made = upload_->complete(); });
    return made;
  }

 private:
  FlakyStore& store_;
  std::unique_ptr<Upload> upload_;
};

std::unique_ptr<Upload> FlakyStore::begin_upload(std::string_view key) {
  std::unique_ptr<Upload> upload;
  call([&] { upload = store_->begin_upload(key); });
  return std::make_unique<FlakyUpload>(*this, std::move(upload));
}

}  // namespace duckback
