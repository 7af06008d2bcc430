#pragma once

#include <functional>
#include <memory>

#include "store/store.h"

namespace duckback {

// An upload whose every request is made by `around`: again after a failure, or, in tests, not.
class WrappedUpload : public Upload {
 public:
  using Around = std::function<void(const std::function<void()>& request)>;
  WrappedUpload(std::unique_ptr<Upload> upload, Around around)
      : upload_(std::move(upload)), around_(std::move(around)) {}

  void put_part(std::size_t number, ByteView bytes) override {
    around_([&] { upload_->put_part(number, bytes); });
  }
  bool has_part(std::size_t number, ByteView bytes) override {
    return upload_->has_part(number, bytes);
  }
  std::size_t parts_before() const override { return upload_->parts_before(); }
  std::string token() const override { return upload_->token(); }
  ObjectInfo complete() override {
    ObjectInfo made;
    around_([&] { made = upload_->complete(); });
    return made;
  }

 private:
  std::unique_ptr<Upload> upload_;
  Around around_;
};

}  // namespace duckback
