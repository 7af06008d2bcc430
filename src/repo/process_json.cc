#include "repo/process_json.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "io/host.h"

namespace duckback {

void add_this_process(nlohmann::json& json) {
  json["host"] = host_name();
  json["pid"] = ::getpid();
  std::optional<ProcessId> process = this_process();
  if (!process) return;
  json["started"] = process->started;
  json["boot"] = process->boot;
  json["pid_namespace"] = process->space;
  json["time_namespace"] = process->clock;
}

std::optional<ProcessId> process_in(const nlohmann::json& json) {
  if (!json.contains("boot")) return std::nullopt;
  return ProcessId{.pid = json.at("pid").get<pid_t>(),
                   .started = json.at("started").get<std::uint64_t>(),
                   .boot = json.at("boot").get<std::string>(),
                   .space = json.at("pid_namespace").get<std::uint64_t>(),
                   .clock = json.at("time_namespace").get<std::uint64_t>()};
}

}  // namespace duckback
