#include "store/traffic.h"

namespace duckback {
namespace {

std::mutex process_mutex;
Traffic process_counted;

}  // namespace

Traffic& Traffic::operator+=(const Traffic& more) {
  write_requests += more.write_requests;
  read_requests += more.read_requests;
  delete_requests += more.delete_requests;
  bytes_sent += more.bytes_sent;
  bytes_received += more.bytes_received;
  return *this;
}

void TrafficMeter::add(const Traffic& more) {
  {
    std::lock_guard lock(mutex_);
    counted_ += more;
  }
  std::lock_guard lock(process_mutex);
  process_counted += more;
}

Traffic TrafficMeter::read() const {
  std::lock_guard lock(mutex_);
  return counted_;
}

Traffic process_traffic() {
  std::lock_guard lock(process_mutex);
  return process_counted;
}

}  // namespace duckback
