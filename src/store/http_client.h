#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "store/http_header.h"

namespace duckback {

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD, PUT, POST, DELETE
  std::string url;
  HttpHeaders headers{};
  ByteView body{};
  std::uint64_t answer_most = std::uint64_t{1} << 20;  // a larger body is not read
  // Over a connection of its own: a request on one that turns out to be dead may be sent twice,
  // which nobody would hear of.
  bool once = false;
  bool despite_stop = false;  // to clean up behind what was stopped
  bool past_proxy = false;    // for addresses of this machine or its cloud
};

struct HttpAnswer {
  int status = 0;
  HttpHeaders headers;
  Bytes body;
  bool body_left_out = false;           // it is larger than answer_most
  std::optional<std::uint64_t> length;  // Content-Length
};

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stalled_timeout{60'000};  // nothing was sent or received for as long
  std::string ca_file{};  // empty: what the environment says, else the system's
  std::string ca_folder{};
};

// HTTP over libcurl. Safe to call from many threads; connections are kept and used again.
// Certificates are verified. Proxies are those of the environment (https_proxy, no_proxy, …);
// certificate authorities of AWS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR.
// Redirects are not followed.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options = {}, std::stop_token stop = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any complete answer, whatever its status. Throws Errc::unavailable if there is none or it is
  // cut off, Errc::refused if the server's certificate is not trusted, Errc::invalid for an
  // address that is none, Interrupted once a stop was asked for.
  HttpAnswer send(const HttpRequest& request);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

// The time of a Date header; empty if it is none.
std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text);

}  // namespace duckback
