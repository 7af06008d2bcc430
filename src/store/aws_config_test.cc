#include "store/aws_config.h"

#include <gmock/gmock.h>

#include <map>

#include "test/support/error_of.h"
#include "test/support/test_folder.h"

namespace duckback {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::Not;

class AwsConfigs : public testing::Test {
 protected:
  AwsConfigs() { fs::create_directory(folder_ / ".aws"); }
  void config(std::string_view text) { folder_.put(".aws/config", as_bytes(text)); }
  void credentials(std::string_view text) { folder_.put(".aws/credentials", as_bytes(text)); }
  AwsConfig load(const std::string& profile = "") {
    variables_["HOME"] = folder_.path();
    return AwsConfig(
        [this](const std::string& name) -> std::optional<std::string> {
          auto found = variables_.find(name);
          if (found == variables_.end()) return std::nullopt;
          return found->second;
        },
        profile);
  }
  std::map<std::string, std::string> variables_;
  test::TestFolder folder_;
};

TEST_F(AwsConfigs, WithoutFilesThereIsAnEmptyDefault) {
  EXPECT_EQ(load().profile(), "default");
  EXPECT_EQ(load().region(), "");
  EXPECT_EQ(load().endpoint("s3"), "");
  EXPECT_FALSE(load().setting("aws_access_key_id"));
}

TEST_F(AwsConfigs, ProfilesAreSectionsOfBothFiles) {
  config(
      "# of the tools\n[default]\nregion = eu-central-1 # here\n"
      "[profile work]\n  region=eu-west-1\noutput =json\n");
  credentials("[work]\naws_access_key_id = AK\naws_secret_access_key = a=b#c ; no secret\n");
  EXPECT_EQ(load().region(), "eu-central-1");
  AwsConfig work = load("work");
  EXPECT_EQ(work.region(), "eu-west-1");
  EXPECT_EQ(work.setting("aws_secret_access_key"), "a=b#c");
  EXPECT_TRUE(work.profile_is_given());
  variables_["AWS_PROFILE"] = "work";
  EXPECT_EQ(load().setting("aws_access_key_id"), "AK");
  EXPECT_FALSE(load().profile_is_given());
}

TEST_F(AwsConfigs, ANameMayHaveBlanks) {
  config("[profile \"my own\"]\nregion = here\n[profile  'b' ]\nregion = there\n");
  credentials("[my own]\naws_access_key_id = AK\n");
  EXPECT_EQ(load("my own").region(), "here");
  EXPECT_EQ(load("my own").setting("aws_access_key_id"), "AK");
  EXPECT_EQ(load("b").region(), "there");
}

TEST_F(AwsConfigs, KeysOfTheCredentialsFileComeFirst) {
  config("[default]\naws_access_key_id = CONFIG\n");
  credentials("[default]\naws_access_key_id = CREDENTIALS\n");
  EXPECT_EQ(load().setting("aws_access_key_id"), "CREDENTIALS");
}

TEST_F(AwsConfigs, VariablesComeBeforeProfiles) {
  config("[default]\nregion = a\nendpoint_url = https://config\n");
  variables_["AWS_DEFAULT_REGION"] = "b";
  EXPECT_EQ(load().region(), "b");
  variables_["AWS_REGION"] = "c";
  EXPECT_EQ(load().region(), "c");
  EXPECT_EQ(load().endpoint("s3"), "https://config");
  variables_["AWS_ENDPOINT_URL"] = "https://all";
  EXPECT_EQ(load().endpoint("s3"), "https://all");
  variables_["AWS_ENDPOINT_URL_S3"] = "https://s3";
  EXPECT_EQ(load().endpoint("s3"), "https://s3");
  EXPECT_EQ(load().endpoint("sts"), "https://all");
  variables_["AWS_REGION"] = "";
  EXPECT_EQ(load().region(), "b");
}

TEST_F(AwsConfigs, NestedSettingsBelongToTheirName) {
  config(
      "[default]\ns3 =\n  addressing_style = path\n  max_queue_size = 1\nservices = mine\n"
      "[services mine]\ns3 =\n  endpoint_url = https://mine\nsts =\n  endpoint_url = "
      "https://sts\n");
  EXPECT_EQ(load().setting("s3.addressing_style"), "path");
  EXPECT_EQ(load().endpoint("s3"), "https://mine");
  EXPECT_EQ(load().endpoint("sts"), "https://sts");
}

TEST_F(AwsConfigs, FilesMayBeElsewhere) {
  folder_.put("other", as_bytes("[default]\nregion = here\n"));
  variables_["AWS_CONFIG_FILE"] = "~/other";
  EXPECT_EQ(load().region(), "here");
}

TEST_F(AwsConfigs, AProfileThatIsNamedHasToBeThere) {
  credentials("[work]\naws_access_key_id = AK\n");
  EXPECT_THAT(error_of(Errc::invalid, [&] { load("wrok"); }), HasSubstr("wrok"));
  variables_["AWS_PROFILE"] = "none";
  error_of(Errc::invalid, [&] { load(); });
}

TEST_F(AwsConfigs, ALineThatIsNoneIsNotShown) {
  credentials("[default]\naws_secret_access_key wJalrXUtnFEMI\n");
  EXPECT_THAT(error_of(Errc::invalid, [&] { load(); }),
              testing::AllOf(HasSubstr("credentials"), Not(HasSubstr("wJalr"))));
}

}  // namespace
}  // namespace duckback
