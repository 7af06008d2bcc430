#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "store/s3_address.h"
#include "store/s3_credentials.h"
#include "store/store.h"
#include "store/traffic.h"

namespace duckback {

struct S3Request {
  std::string method = "GET";
  std::string object{};  // its whole name; empty: the bucket
  Query query{};
  HttpHeaders headers{};
  ByteView body{};
  std::uint64_t answer_most = std::uint64_t{1} << 20;
  bool once = false;              // see HttpRequest
  bool despite_stop = false;      // the same
  std::string_view permission{};  // what the request needs, for messages: "s3:GetObject"
};

struct S3Answer {
  HttpAnswer http;
  std::string code;     // of an error with a body: "NoSuchKey"
  std::string message;  // the server's words about it

  bool ok() const { return http.status >= 200 && http.status < 300; }
};

// Signed requests to one bucket. Safe to call from many threads.
class S3Client {
 public:
  S3Client(S3Location location, AwsConfig config, HttpOptions http, std::stop_token stop);

  const S3Location& location() const { return location_; }
  bool is_aws();
  // "s3://bucket/object", for messages.
  std::string url_of(const std::string& object) const;

  // Sends it, and once more where that mends what was refused: with renewed credentials, by the
  // server's clock, to the bucket's region. Any other answer is returned. Throws as
  // HttpClient::send() and CredentialChain::get().
  S3Answer send(const S3Request& request);
  // The same, but throws what the answer means unless it is a success.
  HttpAnswer send_ok(const S3Request& request);
  [[noreturn]] void fail(const S3Request& request, const S3Answer& answer);

  Traffic traffic() const { return traffic_.read(); }

 private:
  S3Answer send_once(const S3Request& request, const S3Address& address, const Credentials& signer);
  S3Address address();
  bool adopt_region(const S3Answer& answer, const S3Address& asked);
  bool adopt_clock(const S3Answer& answer);
  std::string why_forbidden(const S3Request& request, const S3Answer& answer);

  const S3Location location_;
  const std::shared_ptr<HttpClient> http_;
  CredentialChain credentials_;
  std::mutex mutex_;
  S3Address address_;
  std::atomic<std::int64_t> clock_ahead_s_ = 0;  // the server's, of ours
  TrafficMeter traffic_;
};

}  // namespace duckback
