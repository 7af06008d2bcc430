#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "store/aws_config.h"
#include "store/http_client.h"
#include "store/sigv4.h"

namespace duckback {

// Credentials where the AWS tools find them, the first that there are: the environment; the
// profile's role, by web identity or by another profile; its keys; its credential_process; the
// container's endpoint; the machine's (IMDSv2). Fetched when first needed, and again a few minutes
// before they expire. Safe to call from many threads.
class CredentialChain {
 public:
  CredentialChain(AwsConfig config, std::shared_ptr<HttpClient> http, std::stop_token stop = {},
                  std::function<SystemTime()> now = &std::chrono::system_clock::now);

  // Throws Errc::refused if there are none or they are not given, Errc::unavailable if who gives
  // them does not answer.
  Credentials get();
  // Looks for others than those a server refused. False if there are none.
  [[nodiscard]] bool renew(const Credentials& refused);
  // Where they came from, for messages: "the environment".
  std::string origin();

 private:
  struct Found {
    Credentials credentials;
    std::string origin;
  };
  Found find() const;
  std::optional<Found> find_in_environment() const;
  std::optional<Found> find_in_profile(const std::string& profile, int depth) const;
  std::optional<Found> find_role(const std::string& profile, int depth) const;
  std::optional<Found> find_by_web_identity(const std::string& profile) const;
  std::optional<Found> find_keys(const std::string& profile) const;
  std::optional<Found> find_by_process(const std::string& profile) const;
  std::optional<Found> find_in_container() const;
  std::optional<Found> find_on_machine() const;
  Credentials ask_sts(const Query& form, const Credentials* signer) const;

  const AwsConfig config_;
  const std::shared_ptr<HttpClient> http_;
  const std::unique_ptr<HttpClient> near_http_;  // for what answers at once or is not there
  const std::stop_token stop_;
  const std::function<SystemTime()> now_;
  std::mutex mutex_;
  std::optional<Found> found_;
};

}  // namespace duckback
