#include "ops/sidecar.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/temp_file.h"

namespace duckback {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
// A database of a hundred thousand tables needs a tenth of it.
constexpr std::size_t kBytesMost = 128 << 20;

template <class Value>
json or_null(const std::optional<Value>& value) {
  return value ? json(*value) : json(nullptr);
}

json to_json(const Sidecar& sidecar) {
  json wal = nullptr;
  if (sidecar.wal) {
    wal = {{"file", sidecar.wal->file},
           {"bytes", sidecar.wal->bytes},
           {"blake3", sidecar.wal->blake3}};
    if (!sidecar.wal->etag.empty()) wal["etag"] = sidecar.wal->etag;
  }
  json tables = nullptr;
  if (sidecar.tables) {
    tables = json::array();
    for (const Sidecar::Table& table : *sidecar.tables) {
      tables.push_back({{"schema", table.schema}, {"table", table.table}, {"rows", table.rows}});
    }
  }
  json verified = nullptr;
  if (sidecar.verified) {
    verified = {{"time", format_utc(sidecar.verified->time)}, {"level", sidecar.verified->level}};
  }
  json failed = nullptr;
  if (sidecar.failed) {
    failed = {{"time", format_utc(sidecar.failed->time)}, {"finding", sidecar.failed->finding}};
  }
  json object = {{"format", kFormat},
                 {"duckback", sidecar.duckback},
                 {"host", sidecar.host},
                 {"database", sidecar.database},
                 {"name", or_null(sidecar.name)},
                 {"time", format_utc_ms(sidecar.time)},
                 {"file", sidecar.file},
                 {"bytes", sidecar.bytes},
                 {"blake3", sidecar.blake3},
                 {"wal", wal},
                 {"method", sidecar.method},
                 {"certification", sidecar.certification},
                 {"storage_version", sidecar.storage_version},
                 {"needs", sidecar.needs},
                 {"encrypted", sidecar.encrypted},
                 {"source_bytes", sidecar.source_bytes},
                 {"source_wal_bytes", sidecar.source_wal_bytes},
                 {"blocks", sidecar.blocks},
                 {"free_blocks", sidecar.free_blocks},
                 {"settled", sidecar.settled},
                 {"library_version", or_null(sidecar.library_version)},
                 {"tables", tables},
                 {"damaged_blocks", sidecar.damaged_blocks},
                 {"verified", verified},
                 {"failed", failed}};
  if (!sidecar.etag.empty()) object["etag"] = sidecar.etag;
  return object;
}

Sidecar from_json(const json& object) {
  Sidecar sidecar;
  if (object.at("format").get<int>() < kFormat) {
    throw Error(Errc::corrupt, "its format number is {}", object.at("format").get<int>());
  }
  object.at("duckback").get_to(sidecar.duckback);
  object.at("host").get_to(sidecar.host);
  object.at("database").get_to(sidecar.database);
  if (!object.at("name").is_null()) sidecar.name = object.at("name").get<std::string>();
  sidecar.time = parse_utc(object.at("time").get<std::string>());
  object.at("file").get_to(sidecar.file);
  object.at("bytes").get_to(sidecar.bytes);
  object.at("blake3").get_to(sidecar.blake3);
  if (const json& wal = object.at("wal"); !wal.is_null()) {
    sidecar.wal = Sidecar::Wal{.file = wal.at("file").get<std::string>(),
                               .bytes = wal.at("bytes").get<std::uint64_t>(),
                               .blake3 = wal.at("blake3").get<std::string>(),
                               .etag = wal.value("etag", "")};
  }
  sidecar.etag = object.value("etag", "");
  object.at("method").get_to(sidecar.method);
  object.at("certification").get_to(sidecar.certification);
  object.at("storage_version").get_to(sidecar.storage_version);
  object.at("needs").get_to(sidecar.needs);
  object.at("encrypted").get_to(sidecar.encrypted);
  object.at("source_bytes").get_to(sidecar.source_bytes);
  object.at("source_wal_bytes").get_to(sidecar.source_wal_bytes);
  object.at("blocks").get_to(sidecar.blocks);
  object.at("free_blocks").get_to(sidecar.free_blocks);
  object.at("settled").get_to(sidecar.settled);
  if (const json& version = object.at("library_version"); !version.is_null()) {
    sidecar.library_version = version.get<std::string>();
  }
  if (const json& tables = object.at("tables"); !tables.is_null()) {
    sidecar.tables.emplace();
    for (const json& table : tables) {
      sidecar.tables->push_back({.schema = table.at("schema").get<std::string>(),
                                 .table = table.at("table").get<std::string>(),
                                 .rows = table.at("rows").get<std::uint64_t>()});
    }
  }
  object.at("damaged_blocks").get_to(sidecar.damaged_blocks);
  if (const json& verified = object.at("verified"); !verified.is_null()) {
    sidecar.verified = Sidecar::Verified{.time = parse_utc(verified.at("time").get<std::string>()),
                                         .level = verified.at("level").get<std::string>()};
  }
  // Younger than format 1's first copies.
  if (auto failed = object.find("failed"); failed != object.end() && !failed->is_null()) {
    sidecar.failed = Sidecar::Failed{.time = parse_utc(failed->at("time").get<std::string>()),
                                     .finding = failed->at("finding").get<std::string>()};
  }
  return sidecar;
}

}  // namespace

const std::string_view kSidecarSuffix = ".duckback.json";

fs::path sidecar_path(const fs::path& copy) {
  fs::path path = copy;
  path += kSidecarSuffix;
  return path;
}

std::string sidecar_text(const Sidecar& sidecar) {
  // Paths are bytes, JSON is UTF-8: what is not gets a replacement character.
  return to_json(sidecar).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Sidecar parse_sidecar(std::string_view text, const std::string& where) {
  try {
    return from_json(json::parse(text));
  } catch (const json::exception& error) {
    throw Error(Errc::corrupt, "{} is no sidecar of a copy: {}", where, error.what());
  } catch (const Error& error) {
    throw Error(Errc::corrupt, "{} is no sidecar of a copy: {}", where, error.what());
  }
}

Sidecar load_sidecar(const fs::path& copy) {
  fs::path path = sidecar_path(copy);
  return parse_sidecar(read_text(path, kBytesMost), path.string());
}

void save_sidecar(const fs::path& copy, const Sidecar& sidecar) {
  fs::path path = sidecar_path(copy);
  std::string text = sidecar_text(sidecar);
  TempFile file = TempFile::beside(path);
  file.file().write_at(0, as_bytes(text));
  file.file().sync();
  file.rename_to(path);
  sync_folder(folder_of(path));
}

}  // namespace duckback
