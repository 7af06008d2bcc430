#pragma once

#include <memory>
#include <string>

#include "base/task_group.h"
#include "store/store.h"

namespace duckback {

// Sends the parts of one object, several at once. Memory: a few parts. For one thread.
class PartSender {
 public:
  PartSender(Store& store, const std::string& key, std::uint64_t part_bytes);
  // Waits while too many are on their way. Throws what went wrong with those before.
  void send(std::size_t number, Bytes part);
  // All have arrived when it returns.
  std::unique_ptr<Upload> finish();

 private:
  std::unique_ptr<Upload> upload_;
  TaskGroup group_;  // ends before what its tasks use
};

// How large the parts of an object are that has, or will have, about as many bytes: as small as
// the number of parts allows, with room for half as much again.
std::uint64_t part_bytes_for(std::uint64_t object_bytes);

}  // namespace duckback
