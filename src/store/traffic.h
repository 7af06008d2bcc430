#pragma once

#include <cstdint>
#include <mutex>

namespace duckback {

// What was exchanged with a store's server, attempts that failed included; requests by kind, as S3
// bills them.
struct Traffic {
  std::uint64_t write_requests = 0;   // PUT, POST, and listings
  std::uint64_t read_requests = 0;    // GET, HEAD
  std::uint64_t delete_requests = 0;  // cost nothing
  std::uint64_t bytes_sent = 0;       // of bodies
  std::uint64_t bytes_received = 0;

  std::uint64_t requests() const { return write_requests + read_requests + delete_requests; }
  Traffic& operator+=(const Traffic& more);
};

// Counts for one client. Safe to call from many threads.
class TrafficMeter {
 public:
  void add(const Traffic& more);
  Traffic read() const;

 private:
  mutable std::mutex mutex_;
  Traffic counted_;
};

// What all meters of this process counted.
Traffic process_traffic();

}  // namespace duckback
