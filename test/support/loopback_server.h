#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "store/http_header.h"

namespace duckback::test {

// A request as it arrived.
struct Heard {
  std::string method;
  std::string target;
  HttpHeaders headers;
  std::string body;
  std::string_view header(std::string_view name) const { return header_of(headers, name); }
};

inline std::string http_answer(int status, std::string_view body = "",
                               const HttpHeaders& more = {}) {
  std::string text = fmt::format("HTTP/1.1 {} Said\r\ncontent-length: {}\r\n", status, body.size());
  for (const auto& [name, value] : more) text += fmt::format("{}: {}\r\n", name, value);
  return fmt::format("{}\r\n{}", text, body);
}

// A server of HTTP on this machine, that answers what a test wants. An answer that is empty, or not
// as long as it says, is the last of its connection.
class LoopbackServer {
 public:
  using Handler = std::function<std::string(const Heard&)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, any, length) != 0 || ::listen(listener_, 32) != 0 ||
        ::getsockname(listener_, any, &length) != 0) {
      throw Error(Errc::io, "no socket on loopback");
    }
    port_ = ::ntohs(address.sin_port);
    accepter_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    ::shutdown(listener_, SHUT_RDWR);
    accepter_.join();
    {
      std::lock_guard lock(mutex_);
      for (int each : open_) ::shutdown(each, SHUT_RDWR);
    }
    for (std::thread& each : threads_) each.join();
    ::close(listener_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string origin() const { return fmt::format("http://127.0.0.1:{}", port_); }
  std::vector<Heard> heard() {
    std::lock_guard lock(mutex_);
    return heard_;
  }
  std::size_t connections() {
    std::lock_guard lock(mutex_);
    return threads_.size();
  }

 private:
  void accept_all() {
    for (int got = 0; (got = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      std::lock_guard lock(mutex_);
      open_.push_back(got);
      threads_.emplace_back([this, got] { serve(got); });
    }
  }

  void serve(int connection) {
    std::string pending;
    while (std::optional<Heard> request = read(connection, pending)) {
      {
        std::lock_guard lock(mutex_);
        heard_.push_back(*request);
      }
      std::string answer = handler_(*request);
      if (::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
      if (!is_whole(*request, answer)) break;
    }
    std::lock_guard lock(mutex_);
    std::erase(open_, connection);
    ::close(connection);
  }

  static bool is_whole(const Heard& request, const std::string& answer) {
    std::size_t end = answer.find("\r\n\r\n");
    std::size_t at = answer.find("content-length: ");
    if (end == answer.npos || at == answer.npos) return false;
    return request.method == "HEAD" ||
           std::stoul(answer.substr(at + 16)) == answer.size() - end - 4;
  }

  static bool more(int connection, std::string& pending) {
    char bytes[4096];
    ssize_t count = ::recv(connection, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    pending.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  static std::optional<Heard> read(int connection, std::string& pending) {
    std::size_t end = 0;
    while ((end = pending.find("\r\n\r\n")) == pending.npos) {
      if (!more(connection, pending)) return std::nullopt;
    }
    Heard request;
    std::size_t at = pending.find("\r\n");
    request.method = pending.substr(0, pending.find(' '));
    std::size_t target = request.method.size() + 1;
    request.target = pending.substr(target, pending.find(' ', target) - target);
    while (at < end) {
      std::size_t next = pending.find("\r\n", at + 2);
      std::string line = pending.substr(at + 2, next - at - 2);
      std::string name = line.substr(0, line.find(':'));
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      std::size_t value = std::min(line.size(), name.size() + 2);
      request.headers.emplace_back(name, line.substr(value));
      at = next;
    }
    pending.erase(0, end + 4);
    std::string length(request.header("content-length"));
    std::size_t count = length.empty() ? 0 : std::stoul(length);
    if (!request.header("expect").empty()) {
      constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      (void)::send(connection, go_on.data(), go_on.size(), MSG_NOSIGNAL);
    }
    while (pending.size() < count) {
      if (!more(connection, pending)) return std::nullopt;
    }
    request.body = pending.substr(0, count);
    pending.erase(0, count);
    return request;
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<Heard> heard_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread accepter_;
};

}  // namespace duckback::test
