#include "base/task_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace duckback {
namespace {

TEST(TaskGroups, RunEveryTask) {
  std::atomic<int> sum = 0;
  TaskGroup group(4, 3);
  for (int i = 1; i <= 1000; ++i) group.run([&sum, i] { sum += i; });
  group.wait();
  EXPECT_EQ(sum, 500500);
}

TEST(TaskGroups, TheFirstErrorStopsTheRestAndIsThrown) {
  TaskGroup group(2, 2);
  group.run([] { throw std::runtime_error("first"); });
  EXPECT_THROW(group.wait(), std::runtime_error);
  EXPECT_THROW(group.run([] {}), std::runtime_error);
}

TEST(TaskGroups, GoAwayWithTasksLeft) {
  std::atomic<int> begun = 0;
  {
    TaskGroup group(1, 100);
    for (int i = 0; i < 50; ++i) group.run([&begun] { ++begun; });
  }
  EXPECT_LE(begun, 50);
}

}  // namespace
}  // namespace duckback
