#pragma once

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "base/error.h"
#include "store/s3_store.h"

namespace duckback::test {

// The S3 server that test/support/with_rgw.py started: Ceph's, with signatures checked; or MinIO,
// by with_minio.py.
class S3Server {
 public:
  static bool is_there() { return std::getenv("DUCKBACK_TEST_S3") != nullptr; }
  static bool is_ceph() { return variable("DUCKBACK_TEST_S3_SERVER") == "ceph"; }
  static std::string endpoint() { return variable("DUCKBACK_TEST_S3"); }
  static std::string faulty_endpoint() { return variable("DUCKBACK_TEST_S3_FAULTS"); }
  static std::string tls_endpoint() { return variable("DUCKBACK_TEST_S3_TLS"); }

  // A bucket of that name, made if it is not there. On a versioned one Ceph ignores
  // `If-None-Match`.
  static std::string bucket(const std::string& name, bool versioned = false) {
    S3Client client({name, "", {.endpoint = endpoint()}}, AwsConfig(), {}, {});
    S3Request make{.method = "PUT"};
    S3Answer made = client.send(make);
    if (!made.ok() && made.code != "BucketAlreadyOwnedByYou") client.fail(make, made);
    if (versioned) {
      std::string_view wanted =
          "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
      client.send_ok({.method = "PUT", .query = {{"versioning", ""}}, .body = as_bytes(wanted)});
    }
    return name;
  }

  // A place that is empty, in a bucket of its kind.
  static S3Location place(S3Options options = {}, bool versioned = false) {
    if (options.endpoint.empty()) options.endpoint = endpoint();
    std::random_device random;
    return {bucket(versioned ? "versioned" : "plain", versioned),
            fmt::format("test/{:08x}{:08x}", random(), random()), options};
  }
  static std::shared_ptr<S3Store> store(const S3Location& location, HttpOptions http = {}) {
    return std::make_shared<S3Store>(location, std::stop_token(), process_environment(),
                                     std::move(http));
  }

  // Tells the proxy behind faulty_endpoint() what to do (see fault_proxy.py), and returns how
  // often it did what it was told before.
  static std::string tell_proxy(const std::string& json) {
    HttpClient http;
    std::string control = variable("DUCKBACK_TEST_S3_CONTROL");
    HttpAnswer before = http.send({.url = control, .past_proxy = true});
    HttpAnswer answer =
        http.send({.method = "PUT", .url = control, .body = as_bytes(json), .past_proxy = true});
    if (answer.status != 200) throw Error(Errc::invalid, "the proxy does not know {}", json);
    return {before.body.begin(), before.body.end()};
  }

 private:
  static std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }
};

// While it lives, the proxy fails so.
class Faults {
 public:
  explicit Faults(const std::string& json) { S3Server::tell_proxy(json); }
  ~Faults() { S3Server::tell_proxy("{}"); }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
};

}  // namespace duckback::test
