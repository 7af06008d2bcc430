#include "duckdb/messages.h"

#include <nlohmann/json.hpp>

namespace duckback {
namespace {

using Json = nlohmann::json;

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json parse_object(std::string_view line, const char* what) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) throw Error(Errc::invalid, "{}", what);
  return json;
}

Json to_json(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

std::optional<std::string> text_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<std::string>();
}

Json to_json(const WorkerResult& result) {
  Json all = Json::array();
  for (const OpenedDatabase& opened : result.opened) {
    Json tables = Json::array();
    for (const TableCount& table : opened.tables) {
      tables.push_back({{"schema", table.schema},
                        {"table", table.table},
                        {"rows", table.rows},
                        {"checksum", to_json(table.checksum)}});
    }
    all.push_back({{"library_version", opened.library_version}, {"tables", std::move(tables)}});
  }
  Json users = Json::array();
  for (const BlockUser& user : result.block_users) {
    users.push_back({{"block", user.block}, {"schema", user.schema}, {"table", user.table}});
  }
  return {{"version", result.library.version},
          {"path", result.library.path.string()},
          {"opened", std::move(all)},
          {"block_users", std::move(users)}};
}

WorkerResult result_from(const Json& json) {
  WorkerResult result;
  result.library = {json.at("version"), json.at("path").get<std::string>()};
  for (const Json& one : json.at("opened")) {
    OpenedDatabase& opened = result.opened.emplace_back();
    opened.library_version = one.at("library_version");
    for (const Json& table : one.at("tables")) {
      opened.tables.push_back({table.at("schema"), table.at("table"), table.at("rows"),
                               text_from(table.at("checksum"))});
    }
  }
  for (const Json& user : json.at("block_users")) {
    result.block_users.push_back({user.at("block"), user.at("schema"), user.at("table")});
  }
  return result;
}

Error error_from(const Json& json) {
  const std::string code = json.at("code");
  const std::string message = json.at("message");
  for (int one = 0; one <= static_cast<int>(Errc::io); ++one) {
    if (name_of(static_cast<Errc>(one)) == code) return Error(static_cast<Errc>(one), message);
  }
  return Error(Errc::unverified, message);
}

}  // namespace

std::string to_line(const WorkerRequest& request) {
  return to_line(Json{{"task", request.task},
                      {"library", request.library},
                      {"memory_limit", request.memory_limit},
                      {"threads", request.threads},
                      {"temp_directory", request.temp_directory},
                      {"database", request.database},
                      {"catalog", request.catalog},
                      {"key", to_json(request.key)},
                      {"read_only", request.read_only},
                      {"full_scan", request.full_scan},
                      {"target", request.target},
                      {"storage_version", request.storage_version},
                      {"block_bytes", request.block_bytes},
                      {"blocks", request.blocks}});
}

WorkerRequest parse_request(std::string_view line) {
  Json json = parse_object(line, "_worker is no command: duckback starts it for itself");
  WorkerRequest request;
  request.task = json.at("task");
  request.library = json.at("library");
  request.memory_limit = json.at("memory_limit");
  request.threads = json.at("threads");
  request.temp_directory = json.at("temp_directory");
  request.database = json.at("database");
  request.catalog = json.at("catalog");
  request.key = text_from(json.at("key"));
  request.read_only = json.at("read_only");
  request.full_scan = json.at("full_scan");
  request.target = json.at("target");
  request.storage_version = json.at("storage_version");
  request.block_bytes = json.at("block_bytes");
  request.blocks = json.at("blocks").get<std::vector<std::uint64_t>>();
  return request;
}

std::string to_line(const WorkerAnswer& answer) {
  if (answer.error) {
    return to_line(Json{
        {"error", {{"code", name_of(answer.error->code())}, {"message", answer.error->what()}}}});
  }
  if (answer.result) return to_line(Json{{"result", to_json(*answer.result)}});
  return to_line(Json{{"stage", answer.stage}});
}

WorkerAnswer parse_answer(std::string_view line) {
  Json json = parse_object(line, "the DuckDB worker wrote a line that is none of its own");
  WorkerAnswer answer;
  if (json.contains("stage")) answer.stage = json["stage"];
  if (json.contains("result")) answer.result = result_from(json["result"]);
  if (json.contains("error")) answer.error = error_from(json["error"]);
  return answer;
}

}  // namespace duckback
