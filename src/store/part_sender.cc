#include "store/part_sender.h"

#include <algorithm>

namespace duckback {
namespace {

constexpr std::uint64_t kPartBytes = 16 << 20;
// Parts of more than the usual size are for databases of more than 100 GiB: two of them at once
// keep a line busy, and memory low.
constexpr std::size_t kThreads = 3;
constexpr std::size_t kThreadsForLarge = 1;

std::unique_ptr<Upload> begin(Store& store, const std::string& key, std::size_t parts,
                              const UploadStart& start) {
  std::unique_ptr<Upload> upload;
  if (!start.left.empty()) {
    upload = store.resume_upload(key, start.left);
    if (upload && upload->parts_before() > parts) upload.reset();
    if (!upload) store.drop_uploads(key);
  }
  if (!upload) upload = store.begin_upload(key);
  if (start.begun) start.begun(*upload);
  return upload;
}

}  // namespace

PartSender::PartSender(Store& store, const std::string& key, std::uint64_t part_bytes,
                       std::size_t parts, const UploadStart& start)
    : upload_(begin(store, key, parts, start)),
      group_(part_bytes > kPartBytes ? kThreadsForLarge : kThreads, 1) {}

void PartSender::send(std::size_t number, Bytes part) {
  if (!on_their_way_.insert(number).second) {
    group_.wait();
    on_their_way_ = {number};
  }
  auto shared = std::make_shared<Bytes>(std::move(part));
  group_.run([this, number, shared] {
    if (!upload_->has_part(number, *shared)) upload_->put_part(number, *shared);
  });
}

std::unique_ptr<Upload> PartSender::finish() {
  group_.wait();
  return std::move(upload_);
}

std::uint64_t part_bytes_for(std::uint64_t object_bytes) {
  constexpr std::uint64_t kStep = 1 << 20;
  std::uint64_t least = object_bytes / 2 * 3 / Upload::kPartsMost;
  return std::max(kPartBytes, (least / kStep + 1) * kStep);
}

}  // namespace duckback
