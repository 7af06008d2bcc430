#include "store/throttled_store.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/memory_store.h"

namespace duckback {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ThrottledStores : public testing::Test {
 protected:
  ThrottledStore make(std::uint64_t bytes_per_second, int requests_per_second) {
    return ThrottledStore(std::make_shared<MemoryStore>(),
                          {.bytes_per_second = bytes_per_second,
                           .requests_per_second = requests_per_second,
                           .now = [this] { return now_; },
                           .wait = [this](auto time) { now_ += time; }});
  }
  milliseconds passed() const { return std::chrono::round<milliseconds>(now_ - start_); }

  ThrottledStore::Clock::time_point start_ = ThrottledStore::Clock::time_point(seconds(1000));
  ThrottledStore::Clock::time_point now_ = start_;
};

TEST_F(ThrottledStores, SendAndReceiveSoManyBytesASecondOnAverage) {
  ThrottledStore store = make(1000, 0);
  for (int i = 0; i < 5; ++i) store.put("a", Bytes(500));
  EXPECT_EQ(passed(), milliseconds(2000));  // The last of five is not waited for.
  for (int i = 0; i < 5; ++i) store.get("a");
  EXPECT_EQ(passed(), milliseconds(4000));
  store.remove("a");
  store.list("", [](const ObjectInfo&) {});
  EXPECT_EQ(passed(), milliseconds(4000));
}

TEST_F(ThrottledStores, SendSoManyRequestsASecond) {
  ThrottledStore store = make(0, 10);
  store.put("a", Bytes(500));
  store.create("b", {});
  store.get("a");
  store.list("", [](const ObjectInfo&) {});
  store.remove("a");
  EXPECT_EQ(passed(), milliseconds(400));
}

TEST_F(ThrottledStores, WhatWasNotUsedIsNotSaved) {
  ThrottledStore store = make(1000, 0);
  store.put("a", Bytes(1000));
  now_ += seconds(60);
  store.put("a", Bytes(1000));
  store.put("a", Bytes(1000));
  EXPECT_EQ(passed(), seconds(61));
}

TEST_F(ThrottledStores, WithoutLimitsNothingWaits) {
  ThrottledStore store = make(0, 0);
  for (int i = 0; i < 100; ++i) store.put("a", Bytes(1000));
  EXPECT_EQ(passed(), seconds(0));
}

TEST_F(ThrottledStores, AStopEndsTheWaiting) {
  std::stop_source stop;
  ThrottledStore store(std::make_shared<MemoryStore>(),
                       {.requests_per_second = 1, .wait = [&](auto) { stop.request_stop(); }},
                       stop.get_token());
  store.put("a", {});
  EXPECT_THROW(store.put("a", {}), Interrupted);
}

}  // namespace
}  // namespace duckback
