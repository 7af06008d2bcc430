#include "store/aws_config.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "base/error.h"

namespace duckback {
namespace {

constexpr std::size_t kFileMost = 4 << 20;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

// Without a comment behind it, which begins with a blank and '#' or ';'.
std::string value_of(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if ((text[i] == '#' || text[i] == ';') && is_space(text[i - 1])) text = text.substr(0, i);
  }
  return trimmed(text);
}

// "[profile x]", "[x]", "[services x]" as "profile x" or "services x". Names may be in quotes.
std::string section_of(std::string_view line, bool profiles_have_a_word) {
  std::string text = trimmed(line.substr(1, line.find(']') - 1));
  std::string kind = "profile";
  std::size_t blank = text.find_first_of(" \t");
  if (profiles_have_a_word && blank != text.npos) {
    kind = text.substr(0, blank);
    text = trimmed(text.substr(blank));
  }
  bool quoted = text.size() > 1 && (text.front() == '"' || text.front() == '\'') &&
                text.back() == text.front();
  return kind + ' ' + (quoted ? text.substr(1, text.size() - 2) : text);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

AwsConfig::AwsConfig(Environment environment, std::string profile)
    : environment_(std::move(environment)),
      profile_(std::move(profile)),
      profile_is_given_(!profile_.empty()) {
  std::string home = variable("HOME").value_or("");
  auto path = [&](const char* name, const char* usual) {
    std::string named = variable(name).value_or("");
    if (named.starts_with("~/")) named = home + named.substr(1);
    return fs::path(named.empty() ? home + usual : named);
  };
  read_file(path("AWS_CONFIG_FILE", "/.aws/config"), true);
  read_file(path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"), false);
  bool named = profile_is_given_;
  if (!named) {
    if (std::optional<std::string> variable_says = variable("AWS_PROFILE")) {
      profile_ = *variable_says;
      named = true;
    } else {
      profile_ = "default";
    }
  }
  if (named && profile_ != "default" && !has_profile(profile_)) {
    throw Error(Errc::invalid,
                "there is no AWS profile '{}': neither ~/.aws/config nor ~/.aws/credentials (or "
                "the files of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE) has it",
                profile_);
  }
}

std::optional<std::string> AwsConfig::variable(const std::string& name) const {
  std::optional<std::string> value = environment_(name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

bool AwsConfig::has_profile(const std::string& profile) const {
  return sections_.contains("profile " + profile);
}

std::optional<std::string> AwsConfig::setting(const std::string& profile,
                                              const std::string& name) const {
  auto section = sections_.find("profile " + profile);
  if (section == sections_.end()) return std::nullopt;
  auto found = section->second.find(name);
  if (found == section->second.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::optional<std::string> AwsConfig::setting(const std::string& name) const {
  return setting(profile_, name);
}

std::string AwsConfig::region() const {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::optional<std::string> region = variable(name)) return *region;
  }
  return setting("region").value_or("");
}

std::string AwsConfig::endpoint(const std::string& service) const {
  if (setting("ignore_configured_endpoint_urls") == "true") return "";
  std::string upper = service;
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const std::string& name : {"AWS_ENDPOINT_URL_" + upper, std::string("AWS_ENDPOINT_URL")}) {
    if (std::optional<std::string> url = variable(name)) return *url;
  }
  if (std::optional<std::string> services = setting("services")) {
    auto section = sections_.find("services " + *services);
    if (section != sections_.end()) {
      auto found = section->second.find(service + ".endpoint_url");
      if (found != section->second.end()) return found->second;
    }
  }
  return setting("endpoint_url").value_or("");
}

void AwsConfig::read_file(const fs::path& path, bool profiles_have_a_word) {
  std::optional<FileStat> found = stat_path(path);
  if (!found) return;
  std::istringstream text(read_text(path, kFileMost));
  std::string section;
  std::string nest;
  for (std::string line; std::getline(text, line);) {
    in_context(path.string(), [&] { read_line(line, profiles_have_a_word, section, nest); });
  }
}

void AwsConfig::read_line(const std::string& line, bool profiles_have_a_word, std::string& section,
                          std::string& nest) {
  std::string plain = trimmed(line);
  if (plain.empty() || plain.front() == '#' || plain.front() == ';') return;
  if (plain.front() == '[') {
    if (plain.find(']') == plain.npos) {
      throw Error(Errc::invalid, "the line '{}' has no ']'", plain.substr(0, 40));
    }
    section = section_of(plain, profiles_have_a_word);
    nest.clear();
    if (!section.empty()) sections_[section];
    return;
  }
  std::size_t equals = plain.find('=');
  // What the line says may be a secret that lacks its name: it is not shown.
  if (equals == plain.npos) throw Error(Errc::invalid, "a line has no '=' in [{}]", section);
  if (section.empty()) return;
  std::string name = trimmed(plain.substr(0, equals));
  std::string value = value_of(plain.substr(equals + 1));
  if (!is_space(line.front())) {
    nest = value.empty() ? name + '.' : "";
  } else {
    name = nest + name;
  }
  sections_[section][name] = value;
}

}  // namespace duckback
