#include "io/process_id.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace duckback {
namespace {

TEST(ProcessId, AProcessThatRunsHasNotEnded) {
  std::optional<ProcessId> self = this_process();
  ASSERT_TRUE(self);
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_EQ(self, this_process());
  EXPECT_FALSE(has_ended(*self));
}

TEST(ProcessId, AnotherStartIsAnotherProcessUnderTheSameNumber) {
  ProcessId before = *this_process();
  ++before.started;
  EXPECT_TRUE(has_ended(before));
}

TEST(ProcessId, OneThatEndedHasEnded) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ProcessId process = *this_process();
  process.pid = child;
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(has_ended(process));
}

// As one is whose parent does not ask for its status, for ever in some containers.
TEST(ProcessId, AZombieHasEnded) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    std::uint64_t started = this_process()->started;
    ::_exit(::write(ends[1], &started, sizeof started) == sizeof started ? 0 : 1);
  }
  ProcessId process = *this_process();
  process.pid = child;
  ASSERT_EQ(::read(ends[0], &process.started, sizeof process.started),
            static_cast<ssize_t>(sizeof process.started));
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(has_ended(process));
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(ProcessId, OfAnotherBootOrAnotherNamespaceNothingIsSaid) {
  ProcessId elsewhere = *this_process();
  ++elsewhere.started;
  elsewhere.boot = "another";
  EXPECT_FALSE(has_ended(elsewhere)) << "a machine of the same name";
  elsewhere.boot = this_process()->boot;
  ++elsewhere.space;
  EXPECT_FALSE(has_ended(elsewhere)) << "a container on this machine";
}

}  // namespace
}  // namespace duckback
