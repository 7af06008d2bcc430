#include "io/child.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"

namespace duckback {
namespace {

ChildOptions shell(const std::string& script, const std::string& input = "") {
  ChildOptions options;
  options.program = "/bin/sh";
  options.arguments = {"-c", script};
  options.input = input;
  return options;
}

// Returns when it does not run any more.
void wait_for_end_of(pid_t pid) {
  int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return;
  pollfd polled{process, POLLIN, 0};
  while (::poll(&polled, 1, -1) < 0) {
  }
  ::close(process);
}

TEST(Child, ItsLinesComeBackAndItsEndIsTold) {
  Child child(shell("read a; echo got $a; echo oops >&2; printf last; exit 3", "word\n"));
  EXPECT_EQ(child.read_line(), "got word");
  EXPECT_EQ(child.read_line(), "last");
  EXPECT_EQ(child.read_line(), std::nullopt);
  ChildEnd end = child.wait();
  EXPECT_EQ(end.exit_status, 3);
  EXPECT_FALSE(end.ok());
  EXPECT_EQ(child.error_text(), "oops\n");
}

TEST(Child, InputAndOutputLargerThanAPipeDoNotBlockEachOther) {
  std::string input(3'000'000, 'x');
  Child child(shell("cat; echo; cat /dev/zero | head -c 300000 >&2", input));
  EXPECT_EQ(child.read_line(), input);
  EXPECT_TRUE(child.wait().ok());
  EXPECT_LE(child.error_text().size(), 8u << 10);
}

TEST(Child, OneThatDoesNotReadItsInputDoesNotHarmUs) {
  Child child(shell("exec <&-; echo done", std::string(1'000'000, 'x')));
  EXPECT_EQ(child.read_line(), "done");
  EXPECT_TRUE(child.wait().ok());
}

TEST(Child, ASignalThatEndsItIsTold) {
  Child child(shell("kill -SEGV $$"));
  EXPECT_EQ(child.wait().signal, SIGSEGV);
}

TEST(Child, AProgramThatIsNotThereIsAnError) {
  ChildOptions options;
  options.program = "/nonexistent/program";
  try {
    Child child(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_STREQ(error.what(), "cannot start /nonexistent/program: No such file or directory");
  }
}

TEST(Child, AfterTheTimeoutItsWholeGroupIsDead) {
  ChildOptions options = shell("sleep 600 & echo $!; wait");
  options.timeout = std::chrono::milliseconds(300);
  Child child(options);
  pid_t grandchild = std::stoi(*child.read_line());
  try {
    child.read_line();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unverified);
    EXPECT_STREQ(error.what(), "no answer within 300 ms");
  }
  wait_for_end_of(grandchild);
}

TEST(Child, TheTimeoutCountsForOneThatClosesItsStreams) {
  ChildOptions options = shell("exec >&- 2>&- <&-; sleep 600");
  options.timeout = std::chrono::milliseconds(100);
  Child child(options);
  EXPECT_THROW(child.wait(), Error);
}

TEST(Child, WhatItLeavesRunningEndsWithIt) {
  Child child(shell("sleep 600 >&- 2>&- & echo $!"));
  pid_t left = std::stoi(*child.read_line());
  EXPECT_TRUE(child.wait().ok());
  wait_for_end_of(left);
}

TEST(Child, AStopEndsTheWaitAndTheChild) {
  std::stop_source source;
  ChildOptions options = shell("echo $$; sleep 600");
  options.stop = source.get_token();
  Child child(options);
  pid_t pid = std::stoi(*child.read_line());
  std::jthread stopper([&] { source.request_stop(); });
  EXPECT_THROW(child.read_line(), Interrupted);
  wait_for_end_of(pid);
}

TEST(Child, ItGetsNoOtherDescriptorOfOurs) {
  int leaked = ::dup(STDOUT_FILENO);  // Without close-on-exec.
  Child child(shell("ls /proc/self/fd"));
  std::string seen;
  while (auto line = child.read_line()) seen += *line + " ";
  ::close(leaked);
  EXPECT_EQ(seen, "0 1 2 3 ");  // 3: of ls itself.
}

TEST(Child, ItDoesNotOutliveUsEvenIfWeAreKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t middle = ::fork();
  if (middle == 0) {
    Child child(shell("echo $$; sleep 600"));
    pid_t pid = std::stoi(*child.read_line());
    [[maybe_unused]] ssize_t count = ::write(ends[1], &pid, sizeof pid);
    ::kill(::getpid(), SIGKILL);
  }
  pid_t pid = 0;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ::close(ends[0]);
  ::close(ends[1]);
  ::waitpid(middle, nullptr, 0);
  wait_for_end_of(pid);
}

}  // namespace
}  // namespace duckback
