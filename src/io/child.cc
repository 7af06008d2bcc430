#include "io/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/error.h"
#include "base/text.h"

namespace duckback {
namespace {

constexpr std::size_t kErrorTextMost = 8 << 10;
constexpr std::size_t kLineMost = 64 << 20;

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() { close(); }
  int get() const { return value_; }
  bool open() const { return value_ >= 0; }
  void close() {
    if (value_ >= 0) ::close(std::exchange(value_, -1));
  }

 private:
  int value_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

// Above the standard streams, so that the child can put them there one after the other.
Descriptor above_standard(Descriptor given) {
  if (given.get() > STDERR_FILENO) return given;
  Descriptor moved(::fcntl(given.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.open()) throw_errno(errno, "create a pipe");
  return moved;
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(errno, "create a pipe");
  Descriptor read(ends[0]);
  Descriptor write(ends[1]);
  return {above_standard(std::move(read)), above_standard(std::move(write))};
}

void set_nonblocking(const Descriptor& descriptor) {
  ::fcntl(descriptor.get(), F_SETFL, ::fcntl(descriptor.get(), F_GETFL) | O_NONBLOCK);
}

// write(2) to a pipe whose reader may have died, without the signal.
ssize_t write_quietly(int descriptor, std::string_view bytes) {
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
  int error = errno;
  if (count < 0 && error == EPIPE && sigismember(&before, SIGPIPE) == 0) {
    timespec at_once{};
    ::sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return count;
}

// In the child between fork and exec: nothing but system calls.
[[noreturn]] void become(const char* program, char* const* arguments, pid_t parent, int input,
                         int output, int errors, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // It died before the line above.
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int one : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaction(one, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(program, arguments);
  int error = errno;
  while (::write(failure, &error, sizeof error) < 0 && errno == EINTR) {
  }
  ::_exit(127);
}

}  // namespace

struct Child::State {
  ChildOptions options;
  pid_t pid = -1;
  std::optional<ChildEnd> end;
  Descriptor input;
  Descriptor output;
  Descriptor errors;
  Descriptor wakeup;   // readable once a stop was asked for
  Descriptor process;  // readable once it has ended
  std::size_t fed = 0;
  std::string pending;  // of its output, not yet returned
  std::string error_text;
  std::chrono::steady_clock::time_point deadline;

  void feed();
  void read_output();
  void read_errors();
  void pump();
  void kill_group();
  bool has_ended() const;
  void reap();
};

Child::Child(ChildOptions options) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.options = std::move(options);
  state.deadline = std::chrono::steady_clock::now() + state.options.timeout;
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  Pipe failure = make_pipe();
  state.wakeup = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state.wakeup.open()) throw_errno(errno, "create an event descriptor");

  const char* program = state.options.program.c_str();
  std::vector<char*> arguments{const_cast<char*>(program)};
  for (std::string& argument : state.options.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) throw_errno(errno, fmt::format("start {}", program));
  if (pid == 0) {
    become(program, arguments.data(), parent, input.read.get(), output.write.get(),
           errors.write.get(), failure.write.get());
  }
  state.pid = pid;
  state.process = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  failure.write.close();
  int error = 0;
  ssize_t count;
  do {
    count = ::read(failure.read.get(), &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  if (count == sizeof error) {
    state.reap();
    throw_errno(error, fmt::format("start {}", program));
  }
  state.input = std::move(input.write);
  state.output = std::move(output.read);
  state.errors = std::move(errors.read);
  for (const Descriptor* one : {&state.input, &state.output, &state.errors}) set_nonblocking(*one);
}

Child::~Child() {
  state_->kill_group();
  state_->reap();
}

void Child::State::kill_group() {
  // While the child is not reaped its number, and so its group's, belongs to nobody else.
  if (pid > 0 && !end) ::kill(-pid, SIGKILL);
}

bool Child::State::has_ended() const {
  if (end) return true;
  siginfo_t ended{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT | WNOHANG) == 0 &&
         ended.si_pid == pid;
}

void Child::State::reap() {
  if (pid <= 0 || end) return;
  siginfo_t ended;
  while (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  kill_group();  // What it left running.
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  end.emplace();
  if (WIFEXITED(status)) end->exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end->signal = WTERMSIG(status);
}

void Child::State::feed() {
  std::string_view rest = std::string_view(options.input).substr(fed);
  ssize_t count = rest.empty() ? 0 : write_quietly(input.get(), rest);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  // A child that does not want its input says why by how it ends.
  if (count > 0) fed += static_cast<std::size_t>(count);
  if (count < 0 || fed == options.input.size()) input.close();
}

void Child::State::read_output() {
  std::array<char, 64 << 10> buffer;
  ssize_t count = ::read(output.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) return output.close();
  pending.append(buffer.data(), static_cast<std::size_t>(count));
}

void Child::State::read_errors() {
  std::array<char, 4 << 10> buffer;
  ssize_t count = ::read(errors.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) return errors.close();
  error_text.append(buffer.data(), static_cast<std::size_t>(count));
  if (error_text.size() > kErrorTextMost) error_text.erase(0, error_text.size() - kErrorTextMost);
}

// Waits until something can move, and moves it.
void Child::State::pump() {
  if (options.stop.stop_requested()) {
    kill_group();
    throw Interrupted();
  }
  auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) {
    kill_group();
    throw Error(Errc::unverified, "no answer within {}", format_duration(options.timeout));
  }
  std::array<pollfd, 5> polled = {pollfd{input.get(), POLLOUT, 0}, pollfd{output.get(), POLLIN, 0},
                                  pollfd{errors.get(), POLLIN, 0}, pollfd{wakeup.get(), POLLIN, 0},
                                  pollfd{process.get(), POLLIN, 0}};
  int most = static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX));
  if (::poll(polled.data(), polled.size(), most) < 0) {
    if (errno == EINTR) return;
    throw_errno(errno, "wait for a child process");
  }
  if (polled[0].revents != 0) feed();
  if (polled[1].revents != 0) read_output();
  if (polled[2].revents != 0) read_errors();
}

std::optional<std::string> Child::read_line() {
  State& state = *state_;
  std::stop_callback wake(state.options.stop, [&state] {
    std::uint64_t one = 1;
    // It cannot fail: the counter is far from its limit.
    [[maybe_unused]] ssize_t count = ::write(state.wakeup.get(), &one, sizeof one);
  });
  std::size_t searched = 0;
  for (;;) {
    std::size_t newline = state.pending.find('\n', searched);
    if (newline != std::string::npos) {
      std::string line = state.pending.substr(0, newline);
      state.pending.erase(0, newline + 1);
      return line;
    }
    searched = state.pending.size();
    if (searched > kLineMost) {
      state.kill_group();
      throw Error(Errc::io, "{} wrote a line of more than {}", state.options.program.string(),
                  format_bytes(kLineMost));
    }
    if (!state.output.open()) {
      if (state.pending.empty()) return std::nullopt;
      return std::exchange(state.pending, {});
    }
    state.pump();
  }
}

ChildEnd Child::wait() {
  State& state = *state_;
  while (read_line()) {
  }
  // It may live on without its streams.
  while (state.errors.open() || !state.has_ended()) state.pump();
  state.reap();
  return *state.end;
}

const std::string& Child::error_text() const { return state_->error_text; }
pid_t Child::pid() const { return state_->pid; }

}  // namespace duckback
