#include "cli/stop.h"

#include <semaphore.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace duckback {
namespace {

// What a signal handler may touch.
sem_t wake_up;
std::atomic<int> received_signal{0};

void on_signal(int signal) {
  int saved = errno;
  received_signal = signal;
  ::sem_post(&wake_up);
  errno = saved;
}

void catch_once(int signal) {
  struct sigaction before {};
  ::sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;  // nohup, or a shell's background job
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

StopOnSignal::StopOnSignal() {
  ::sem_init(&wake_up, 0, 0);
  waiter_ = std::thread([this] {
    while (::sem_wait(&wake_up) != 0) {
    }
    if (received_signal != 0) source_.request_stop();
  });
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) catch_once(signal);
  for (int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
}

StopOnSignal::~StopOnSignal() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  ::sem_post(&wake_up);
  waiter_.join();
}

bool StopOnSignal::received() { return received_signal != 0; }

int StopOnSignal::exit_status() {
  return 128 + (received_signal == 0 ? SIGINT : received_signal.load());
}

}  // namespace duckback
