#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "io/file.h"

namespace duckback {

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
// That of this process.
Environment process_environment();

// What the AWS tools read: environment variables, and the profiles in AWS_CONFIG_FILE
// (~/.aws/config) and AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), which comes first.
class AwsConfig {
 public:
  // `profile`: empty for AWS_PROFILE's, or "default". Throws Errc::invalid if a profile that was
  // named is in neither file, or for a file that is none of theirs.
  explicit AwsConfig(Environment environment = process_environment(), std::string profile = {});

  const std::string& profile() const { return profile_; }
  // Named by the caller, not by the environment: then keys of the environment do not count.
  bool profile_is_given() const { return profile_is_given_; }
  // Empty variables are as good as none.
  std::optional<std::string> variable(const std::string& name) const;
  bool has_profile(const std::string& profile) const;
  // A setting of a profile; one of a nested section is "s3.addressing_style".
  std::optional<std::string> setting(const std::string& profile, const std::string& name) const;
  std::optional<std::string> setting(const std::string& name) const;

  // Of AWS_REGION, AWS_DEFAULT_REGION or the profile; empty if none says.
  std::string region() const;
  // Of a service ("s3", "sts"): AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's; empty for
  // AWS's own.
  std::string endpoint(const std::string& service) const;

 private:
  using Section = std::map<std::string, std::string>;
  void read_file(const fs::path& path, bool profiles_have_a_word);
  void read_line(const std::string& line, bool profiles_have_a_word, std::string& section,
                 std::string& nest);

  Environment environment_;
  std::string profile_;
  bool profile_is_given_;
  std::map<std::string, Section> sections_;  // "profile NAME", "services NAME"
};

}  // namespace duckback
