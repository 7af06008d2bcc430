#include "store/http_client.h"

#include <gmock/gmock.h>

#include <condition_variable>

#include "base/error.h"
#include "base/text.h"
#include "test/support/error_of.h"
#include "test/support/loopback_server.h"

namespace duckback {
namespace {

using test::error_of;
using test::Heard;
using test::http_answer;
using test::LoopbackServer;
using testing::HasSubstr;
using testing::Not;

const HttpOptions kImpatient{.stalled_timeout = std::chrono::milliseconds(1000)};

std::string text_of(const HttpAnswer& answer) { return {answer.body.begin(), answer.body.end()}; }

class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(HttpClients, GiveTheAnswerWhateverItsStatus) {
  LoopbackServer server([](const Heard&) {
    return http_answer(418, "short and stout", {{"X-Kind", "teapot "}});
  });
  HttpAnswer answer = HttpClient().send({.url = server.origin() + "/a//b/../c?x="});
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(text_of(answer), "short and stout");
  EXPECT_EQ(header_of(answer.headers, "x-kind"), "teapot");
  EXPECT_EQ(answer.length, 15u);
  EXPECT_EQ(server.heard().at(0).target, "/a//b/../c?x=");
}

TEST(HttpClients, SendWhatTheyAreGivenAndNothingToNameThemselves) {
  LoopbackServer server([](const Heard&) { return http_answer(200); });
  HttpClient client;
  std::string body(3 << 20, 'x');
  client.send({.method = "PUT",
               .url = server.origin(),
               .headers = {{"x-a", "1"}, {"x-empty", ""}},
               .body = as_bytes(body)});
  client.send({.method = "PUT", .url = server.origin()});
  client.send({.method = "DELETE", .url = server.origin()});
  client.send({.method = "HEAD", .url = server.origin()});
  std::vector<Heard> heard = server.heard();
  EXPECT_EQ(heard.at(0).body, body);
  EXPECT_EQ(heard[0].header("x-a"), "1");
  EXPECT_EQ(heard[0].header("content-type"), "");
  EXPECT_EQ(heard.at(1).header("content-length"), "0");
  EXPECT_EQ(heard.at(2).method, "DELETE");
  EXPECT_EQ(heard.at(3).method, "HEAD");
}

TEST(HttpClients, UseAConnectionAgain) {
  LoopbackServer server([](const Heard&) { return http_answer(200, "x"); });
  HttpClient client;
  for (int i = 0; i < 5; ++i) client.send({.url = server.origin()});
  EXPECT_EQ(server.connections(), 1u);
}

// libcurl sends a request again by itself if a connection that was kept gives no answer. Of a
// request that may be carried out only once nobody would learn that it was.
TEST(HttpClients, SendOnceWhatMayBeSentOnce) {
  LoopbackServer server(
      [](const Heard& request) { return request.method == "PUT" ? "" : http_answer(200, "x"); });
  HttpClient client;
  client.send({.url = server.origin()});
  error_of(Errc::unavailable, [&] {
    client.send({.method = "PUT", .url = server.origin(), .body = as_bytes("x"), .once = true});
  });
  EXPECT_EQ(server.heard().size(), 2u);
}

TEST(HttpClients, SayWhoDoesNotAnswerAndNotWhatWasAsked) {
  std::string gone = LoopbackServer([](const Heard&) { return ""; }).origin();
  EXPECT_THAT(
      error_of(Errc::unavailable, [&] { HttpClient().send({.url = gone + "/path?signature=x"}); }),
      testing::AllOf(HasSubstr("127.0.0.1"), Not(HasSubstr("path")), Not(HasSubstr("signature"))));
  HttpClient client;
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(error_of(Errc::unavailable, [&] { client.send({.url = "http://host.invalid/x"}); }),
                HasSubstr("host.invalid"));
  }
  error_of(Errc::invalid, [&] { HttpClient().send({.url = "file:///etc/passwd"}); });
}

TEST(HttpClients, DoNotTakeAPartForTheWhole) {
  const std::string whole = http_answer(200, "0123456789");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    LoopbackServer server([&](const Heard&) { return whole.substr(0, bytes); });
    error_of(Errc::unavailable, [&] { HttpClient().send({.url = server.origin()}); });
  }
  LoopbackServer server([&](const Heard&) { return "HTTP/1.1 200 OK\r\n\r\n01234"; });
  EXPECT_THAT(error_of(Errc::unavailable, [&] { HttpClient().send({.url = server.origin()}); }),
              HasSubstr("how long"));
}

TEST(HttpClients, LeaveOutABodyThatIsLargerThanWanted) {
  LoopbackServer known([](const Heard&) { return http_answer(200, std::string(2000, 'x')); });
  HttpAnswer answer = HttpClient().send({.url = known.origin(), .answer_most = 1999});
  EXPECT_TRUE(answer.body_left_out);
  EXPECT_EQ(answer.length, 2000u);
  EXPECT_TRUE(answer.body.empty());
  LoopbackServer unknown([](const Heard&) {
    return "HTTP/1.1 200 OK\r\ntransfer-encoding: "
           "chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
  });
  EXPECT_TRUE(HttpClient().send({.url = unknown.origin(), .answer_most = 9}).body_left_out);
  EXPECT_EQ(text_of(HttpClient().send({.url = unknown.origin(), .answer_most = 10})), "0123456789");
}

TEST(HttpClients, DoNotFollow) {
  LoopbackServer other([](const Heard&) { return http_answer(200); });
  LoopbackServer server([&](const Heard&) {
    return http_answer(302, "", {{"Location", other.origin()}});
  });
  EXPECT_EQ(HttpClient().send({.url = server.origin()}).status, 302);
  EXPECT_TRUE(other.heard().empty());
}

TEST(HttpClients, DoNotTakeHeadersWithoutEnd) {
  LoopbackServer server([](const Heard&) {
    return http_answer(200, "", {{"x", std::string(70 << 10, 'y')}});
  });
  error_of(Errc::unavailable, [&] { HttpClient().send({.url = server.origin()}); });
}

// Answers nothing until it is let go.
class Silence {
 public:
  LoopbackServer::Handler handler() {
    return [this](const Heard&) {
      std::unique_lock lock(mutex_);
      heard_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return over_; });
      return std::string();
    };
  }
  void wait_until_heard() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return heard_; });
  }
  void end() {
    std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool heard_ = false;
  bool over_ = false;
};

TEST(HttpClients, GiveUpAServerThatFallsSilent) {
  Silence silence;
  LoopbackServer server(silence.handler());
  error_of(Errc::unavailable, [&] { HttpClient(kImpatient).send({.url = server.origin()}); });
  silence.end();
}

TEST(HttpClients, AStopEndsARequest) {
  Silence silence;
  LoopbackServer server(silence.handler());
  std::stop_source stop;
  HttpClient client({}, stop.get_token());
  std::jthread stopper([&] {
    silence.wait_until_heard();
    stop.request_stop();
  });
  EXPECT_THROW(client.send({.url = server.origin()}), Interrupted);
  silence.end();
  EXPECT_THROW(client.send({.url = server.origin()}), Interrupted);
  LoopbackServer willing([](const Heard&) { return http_answer(200); });
  EXPECT_EQ(client.send({.url = willing.origin(), .despite_stop = true}).status, 200);
}

TEST(HttpClients, GoByTheProxyOfTheEnvironment) {
  LoopbackServer proxy([](const Heard&) { return http_answer(200, "proxied"); });
  LoopbackServer near([](const Heard&) { return http_answer(200, "near"); });
  ScopedVariable variable("http_proxy", proxy.origin());
  HttpClient client;
  EXPECT_EQ(text_of(client.send({.url = "http://bucket.example/x"})), "proxied");
  EXPECT_EQ(proxy.heard().at(0).target, "http://bucket.example/x");
  EXPECT_EQ(text_of(client.send({.url = near.origin(), .past_proxy = true})), "near");
}

TEST(HttpDates, AreSecondsOfUtc) {
  EXPECT_EQ(format_utc(*parse_http_date("Fri, 24 May 2013 00:00:01 GMT")), "2013-05-24T00:00:01Z");
  EXPECT_FALSE(parse_http_date(""));
  EXPECT_FALSE(parse_http_date("yesterday"));
}

}  // namespace
}  // namespace duckback
