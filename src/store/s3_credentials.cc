#include "store/s3_credentials.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/child.h"
#include "store/aws_time.h"
#include "store/s3_address.h"
#include "store/s3_xml.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

// Those that end sooner are fetched anew: a request may wait that long.
constexpr std::chrono::minutes kFresh{5};
constexpr std::size_t kTokenMost = 64 << 10;
constexpr int kRolesMost = 5;

std::string text_in(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// The form that processes, containers and machines share; the token's name differs.
Credentials parse_json(const std::string& from, std::string_view text, const char* token_name) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    throw Error(Errc::refused, "{} did not give credentials, but no JSON", from);
  }
  Credentials made{.access_key = text_in(json, "AccessKeyId"),
                   .secret_key = HiddenText(text_in(json, "SecretAccessKey")),
                   .token = HiddenText(text_in(json, token_name)),
                   .expires = {}};
  if (made.access_key.empty() || made.secret_key.empty()) {
    throw Error(Errc::refused, "{} gave no AccessKeyId and SecretAccessKey", from);
  }
  std::string expires = text_in(json, "Expiration");
  if (!expires.empty()) {
    made.expires = in_context(from, [&] { return parse_aws_time(expires); });
  }
  return made;
}

std::string_view text_of(const HttpAnswer& answer) {
  return {reinterpret_cast<const char*>(answer.body.data()), answer.body.size()};
}

// What a file or variable holds as one line, as far as it may go into a header or a form.
std::string one_line(std::string text, const std::string& where) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 127; })) {
    throw Error(Errc::invalid, "the token of {} is more than one line", where);
  }
  return text;
}

void check_answer(const std::string& from, const HttpAnswer& answer) {
  if (answer.status == 200 && !answer.body_left_out) return;
  Errc code = answer.status >= 500 || answer.status == 429 ? Errc::unavailable : Errc::refused;
  throw Error(code, "{} gave no credentials: HTTP status {}", from, answer.status);
}

std::string encode_form(const Query& form) {
  std::string text;
  for (const auto& [name, value] : form) {
    if (!text.empty()) text += '&';
    text += uri_encode(name, false) + '=' + uri_encode(value, false);
  }
  return text;
}

// Plain HTTP may ask only what is on this machine or belongs to its container.
void check_container_url(const std::string& url) {
  if (url.starts_with("https://")) return;
  std::string_view rest(url);
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    std::string_view host = rest.substr(0, rest.find('/'));
    if (host.starts_with('[')) {
      host = host.substr(0, host.find(']') + 1);
    } else {
      host = host.substr(0, host.find(':'));
    }
    for (std::string_view good :
         {"localhost", "127.0.0.1", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"}) {
      if (host == good) return;
    }
  }
  throw Error(Errc::refused,
              "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor an address of this "
              "machine or its container: credentials are not fetched over it");
}

}  // namespace

CredentialChain::CredentialChain(AwsConfig config, std::shared_ptr<HttpClient> http,
                                 std::stop_token stop, std::function<SystemTime()> now)
    : config_(std::move(config)),
      http_(std::move(http)),
      near_http_(std::make_unique<HttpClient>(
          HttpOptions{.connect_timeout = std::chrono::milliseconds(1000),
                      .stalled_timeout = std::chrono::milliseconds(5000)},
          stop)),
      stop_(stop),
      now_(std::move(now)) {}

Credentials CredentialChain::get() {
  std::lock_guard lock(mutex_);
  SystemTime now = now_();
  bool fresh = found_ && now + kFresh < found_->credentials.expires.value_or(SystemTime::max());
  if (!fresh) {
    try {
      found_ = find();
    } catch (const Error& error) {
      bool usable = found_ && now < *found_->credentials.expires;
      if (!usable || error.code() != Errc::unavailable) throw;
    }
  }
  return found_->credentials;
}

bool CredentialChain::renew(const Credentials& refused) {
  std::lock_guard lock(mutex_);
  if (found_ && found_->credentials != refused) return true;  // Somebody else did.
  found_ = find();
  return found_->credentials != refused;
}

std::string CredentialChain::origin() {
  std::lock_guard lock(mutex_);
  return found_ ? found_->origin : "nowhere";
}

CredentialChain::Found CredentialChain::find() const {
  std::optional<Found> found;
  if (!config_.profile_is_given()) found = find_in_environment();
  if (!found) found = find_in_profile(config_.profile(), 0);
  if (!found) found = find_in_container();
  if (!found) found = find_on_machine();
  if (found) return *found;
  throw Error(Errc::refused,
              "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
              "AWS_PROFILE to a profile of ~/.aws/config");
}

std::optional<CredentialChain::Found> CredentialChain::find_in_environment() const {
  std::optional<std::string> access = config_.variable("AWS_ACCESS_KEY_ID");
  std::optional<std::string> secret = config_.variable("AWS_SECRET_ACCESS_KEY");
  if (!access && !secret) return std::nullopt;
  if (!access || !secret) {
    throw Error(Errc::refused, "{} is set and {} is not: set both or neither",
                access ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  }
  return Found{{.access_key = *access,
                .secret_key = HiddenText(*secret),
                .token = HiddenText(config_.variable("AWS_SESSION_TOKEN").value_or("")),
                .expires = {}},
               "the environment"};
}

std::optional<CredentialChain::Found> CredentialChain::find_in_profile(const std::string& profile,
                                                                       int depth) const {
  std::optional<Found> found = find_role(profile, depth);
  if (!found) found = find_by_web_identity(profile);
  if (!found) found = find_keys(profile);
  if (!found) found = find_by_process(profile);
  if (!found &&
      (config_.setting(profile, "sso_session") || config_.setting(profile, "sso_start_url"))) {
    throw Error(Errc::unsupported,
                "the AWS profile '{0}' signs in by SSO, which only the AWS tools do: add a profile "
                "with credential_process = aws configure export-credentials --profile {0}",
                profile);
  }
  return found;
}

std::optional<CredentialChain::Found> CredentialChain::find_role(const std::string& profile,
                                                                 int depth) const {
  std::optional<std::string> role = config_.setting(profile, "role_arn");
  if (!role || config_.setting(profile, "web_identity_token_file")) return std::nullopt;
  if (depth >= kRolesMost) {
    throw Error(Errc::invalid, "the AWS profile '{}' takes a role from a role from a role …",
                profile);
  }
  if (config_.setting(profile, "mfa_serial")) {
    throw Error(Errc::unsupported,
                "the AWS profile '{}' asks for an MFA code, which a backup has not", profile);
  }
  std::optional<std::string> source = config_.setting(profile, "source_profile");
  std::optional<std::string> kind = config_.setting(profile, "credential_source");
  std::optional<Found> signer;
  if (source) {
    // A profile may lend its own keys to its role.
    signer = *source == profile ? find_keys(profile) : find_in_profile(*source, depth + 1);
  } else if (kind == "Environment") {
    signer = find_in_environment();
  } else if (kind == "EcsContainer") {
    signer = find_in_container();
  } else if (kind == "Ec2InstanceMetadata") {
    signer = find_on_machine();
  }
  if (!signer) {
    throw Error(Errc::refused,
                "the AWS profile '{}' has a role_arn, and nothing in its source_profile or "
                "credential_source can take it",
                profile);
  }
  Query form = {
      {"Action", "AssumeRole"},
      {"Version", "2011-06-15"},
      {"RoleArn", *role},
      {"RoleSessionName", config_.setting(profile, "role_session_name").value_or("duckback")}};
  if (auto id = config_.setting(profile, "external_id")) form.emplace_back("ExternalId", *id);
  if (auto time = config_.setting(profile, "duration_seconds")) {
    form.emplace_back("DurationSeconds", *time);
  }
  return Found{ask_sts(form, &signer->credentials),
               fmt::format("the role of the AWS profile '{}'", profile)};
}

std::optional<CredentialChain::Found> CredentialChain::find_by_web_identity(
    const std::string& profile) const {
  std::optional<std::string> file = config_.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  std::optional<std::string> role = config_.variable("AWS_ROLE_ARN");
  std::optional<std::string> session = config_.variable("AWS_ROLE_SESSION_NAME");
  if (!file || config_.profile_is_given()) {
    file = config_.setting(profile, "web_identity_token_file");
    role = config_.setting(profile, "role_arn");
    session = config_.setting(profile, "role_session_name");
  }
  if (!file) return std::nullopt;
  if (!role) throw Error(Errc::refused, "there is a web identity token and no role for it");
  std::string token = one_line(read_text(*file, kTokenMost), *file);
  return Found{ask_sts({{"Action", "AssumeRoleWithWebIdentity"},
                        {"Version", "2011-06-15"},
                        {"RoleArn", *role},
                        {"RoleSessionName", session.value_or("duckback")},
                        {"WebIdentityToken", token}},
                       nullptr),
               "the role of a web identity"};
}

Credentials CredentialChain::ask_sts(const Query& form, const Credentials* signer) const {
  std::string region = config_.region().empty() ? "us-east-1" : config_.region();
  if (!is_region(region)) throw Error(Errc::invalid, "'{}' is no name of a region", region);
  std::string origin = config_.endpoint("sts");
  if (origin.empty()) origin = fmt::format("https://sts.{}.{}", region, aws_domain(region));
  while (origin.ends_with('/')) origin.pop_back();
  std::string from = "AWS STS at " + origin;
  HiddenText body(encode_form(form));
  std::size_t mark = origin.find("://");
  if (mark == origin.npos) throw Error(Errc::invalid, "the endpoint '{}' is none", origin);
  AwsRequest request{.method = "POST",
                     .path = "/",
                     .query = {},
                     .headers = {{"content-type", "application/x-www-form-urlencoded"},
                                 {"host", origin.substr(mark + 3)}},
                     .payload_hash = sha256_hex(as_bytes(body.reveal()))};
  if (signer != nullptr) {
    sign(request, *signer, {.time = now_(), .region = region, .service = "sts"});
  }
  HttpAnswer answer = http_->send({.method = "POST",
                                   .url = origin + "/",
                                   .headers = request.headers,
                                   .body = as_bytes(body.reveal())});
  if (answer.status != 200 && answer.status < 500 && !answer.body.empty()) {
    XmlElement refusal = parse_xml(answer.body);
    const XmlElement* why = refusal.child("Error");
    throw Error(Errc::refused, "{} does not give the role: {}", from,
                why == nullptr ? "?" : printable(why->text_of("Code")));
  }
  check_answer(from, answer);
  XmlElement root = parse_xml(answer.body);
  const XmlElement* result = root.children.empty() ? nullptr : &root.children.front();
  for (const XmlElement& each : root.children) {
    if (each.child("Credentials") != nullptr) result = &each;
  }
  const XmlElement* given = result == nullptr ? nullptr : result->child("Credentials");
  if (given == nullptr) throw Error(Errc::refused, "{} answered without credentials", from);
  return {
      .access_key = std::string(given->text_of("AccessKeyId")),
      .secret_key = HiddenText(std::string(given->text_of("SecretAccessKey"))),
      .token = HiddenText(std::string(given->text_of("SessionToken"))),
      .expires = in_context(from, [&] { return parse_aws_time(given->text_of("Expiration")); })};
}

std::optional<CredentialChain::Found> CredentialChain::find_keys(const std::string& profile) const {
  std::optional<std::string> access = config_.setting(profile, "aws_access_key_id");
  std::optional<std::string> secret = config_.setting(profile, "aws_secret_access_key");
  if (!access || !secret) return std::nullopt;
  return Found{{.access_key = *access,
                .secret_key = HiddenText(*secret),
                .token = HiddenText(config_.setting(profile, "aws_session_token").value_or("")),
                .expires = {}},
               fmt::format("the AWS profile '{}'", profile)};
}

std::optional<CredentialChain::Found> CredentialChain::find_by_process(
    const std::string& profile) const {
  std::optional<std::string> command = config_.setting(profile, "credential_process");
  if (!command) return std::nullopt;
  std::string from = fmt::format("the credential_process of the AWS profile '{}'", profile);
  Child child({.program = "/bin/sh",
               .arguments = {"-c", *command},
               .input = {},
               .timeout = std::chrono::minutes(2),
               .stop = stop_});
  std::string text;
  while (std::optional<std::string> line = child.read_line()) text += *line + '\n';
  HiddenText output(std::move(text));
  ChildEnd end = child.wait();
  if (!end.ok()) {
    throw Error(Errc::refused, "{} ended with status {}: run it by hand to see why", from,
                end.signal != 0 ? 128 + end.signal : end.exit_status);
  }
  return Found{parse_json(from, output.reveal(), "SessionToken"), from};
}

std::optional<CredentialChain::Found> CredentialChain::find_in_container() const {
  std::optional<std::string> relative = config_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  std::optional<std::string> full = config_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) return std::nullopt;
  if (relative && !relative->starts_with('/')) {
    throw Error(Errc::invalid, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
  }
  HttpRequest request;
  request.url = relative ? "http://169.254.170.2" + *relative : *full;
  request.past_proxy = true;
  check_container_url(request.url);
  std::optional<std::string> token = config_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (auto file = config_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    token = read_text(*file, kTokenMost);  // It is replaced from time to time.
  }
  if (token) {
    request.headers.emplace_back("authorization", one_line(*token, "the container"));
  }
  std::string from = "the container's credentials endpoint";
  HttpAnswer answer = near_http_->send(request);
  check_answer(from, answer);
  return Found{parse_json(from, text_of(answer), "Token"), from};
}

std::optional<CredentialChain::Found> CredentialChain::find_on_machine() const {
  if (config_.variable("AWS_EC2_METADATA_DISABLED") == "true") return std::nullopt;
  std::string origin =
      config_.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  while (origin.ends_with('/')) origin.pop_back();
  HttpAnswer token;
  try {
    token = near_http_->send({.method = "PUT",
                              .url = origin + "/latest/api/token",
                              .headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}},
                              .past_proxy = true});
  } catch (const Error& error) {
    if (error.code() != Errc::unavailable) throw;
    return std::nullopt;  // No machine of AWS.
  }
  if (token.status == 403 || token.status == 404) return std::nullopt;
  std::string from = "the machine's metadata service";
  check_answer(from, token);
  auto ask = [&](const std::string& path) {
    return near_http_->send(
        {.url = origin + "/latest/meta-data/iam/security-credentials/" + path,
         .headers = {{"x-aws-ec2-metadata-token", one_line(std::string(text_of(token)), from)}},
         .past_proxy = true});
  };
  HttpAnswer role = ask("");
  if (role.status == 404) return std::nullopt;  // A machine without a role.
  check_answer(from, role);
  std::string name(text_of(role).substr(0, text_of(role).find('\n')));
  HttpAnswer answer = ask(uri_encode(name, false));
  check_answer(from, answer);
  return Found{parse_json(from, text_of(answer), "Token"),
               fmt::format("the machine's role '{}'", printable(name))};
}

}  // namespace duckback
