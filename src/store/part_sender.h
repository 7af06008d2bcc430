#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/task_group.h"
#include "store/store.h"

namespace duckback {

// How the upload of an object begins.
struct UploadStart {
  // The token of one that was left, to go on with if it has no more parts than the object.
  std::string left{};
  // Is told of the one that is begun or gone on with.
  std::function<void(const Upload&)> begun{};
};

// Sends the parts of one object, several at once; not those that are there already. Memory: a few
// parts. For one thread.
class PartSender {
 public:
  PartSender(Store& store, const std::string& key, std::uint64_t part_bytes, std::size_t parts,
             const UploadStart& start = {});
  std::size_t parts_before() const { return upload_->parts_before(); }
  // Waits while too many are on their way, or one of that number is: the last one sent counts.
  // Throws what went wrong with those before.
  void send(std::size_t number, Bytes part);
  // All have arrived when it returns.
  std::unique_ptr<Upload> finish();

 private:
  std::unique_ptr<Upload> upload_;
  std::set<std::size_t> on_their_way_;  // numbers; or arrived since the last wait
  TaskGroup group_;                     // ends before what its tasks use
};

// How large the parts of an object are that has, or will have, about as many bytes: as small as
// the number of parts allows, with room for half as much again.
std::uint64_t part_bytes_for(std::uint64_t object_bytes);

}  // namespace duckback
