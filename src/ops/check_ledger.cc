#include "ops/check_ledger.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/host.h"
#include "repo/hex.h"
#include "repo/secret.h"

namespace duckback {
namespace {

using Json = nlohmann::json;
constexpr std::string_view kPrefix = "checks/";
// 67 bytes each: far below what a document may have.
constexpr std::size_t kPacksInOne = 100'000;

struct Entry {
  std::string key;
  SystemTime time;
  std::vector<std::string> packs;
};

std::vector<Entry> read_entries(const Repository& repository) {
  std::vector<std::string> keys;
  repository.store().list(kPrefix, [&](const ObjectInfo& object) { keys.push_back(object.key); });
  std::vector<Entry> entries;
  for (const std::string& key : keys) {
    try {
      Json json = Json::parse(read_document(repository.store(), repository.sealer(), key));
      Entry entry{key, parse_utc(json.at("time").get<std::string>()), {}};
      for (const Json& pack : json.at("packs")) {
        if (is_hex(pack.get<std::string>(), 64)) entry.packs.push_back(pack.get<std::string>());
      }
      entries.push_back(std::move(entry));
    } catch (const Json::exception&) {
      // What it says is not known; the packs are read again.
    } catch (const Error& error) {
      if (error.code() == Errc::unavailable || error.code() == Errc::io) throw;
    }
  }
  return entries;
}

}  // namespace

std::map<std::string, SystemTime> read_check_ledger(const Repository& repository,
                                                    const std::set<std::string>& present) {
  std::map<std::string, SystemTime> when;
  for (const Entry& entry : read_entries(repository)) {
    for (const std::string& pack : entry.packs) {
      if (!present.contains(pack)) continue;
      SystemTime& time = when[pack];
      time = std::max(time, entry.time);
    }
  }
  return when;
}

void add_to_check_ledger(const Repository& repository, SystemTime time,
                         const std::vector<std::string>& good_packs,
                         const std::set<std::string>& present) {
  std::vector<Entry> before = read_entries(repository);
  std::string stamp;
  for (char c : format_utc_ms(time)) {
    if (c != '-' && c != ':' && c != '.') stamp += c;
  }
  for (std::size_t from = 0; from < good_packs.size(); from += kPacksInOne) {
    std::size_t to = std::min(good_packs.size(), from + kPacksInOne);
    Json json = {{"time", format_utc_ms(time)}, {"host", host_name()}};
    Json& packs = json["packs"] = Json::array();
    for (std::size_t i = from; i < to; ++i) packs.push_back(good_packs[i]);
    put_document(repository.store(), repository.sealer(),
                 fmt::format("{}{}-{}", kPrefix, stamp, random_id()),
                 json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  std::map<std::string, SystemTime> newest;
  for (const std::string& pack : good_packs) newest[pack] = time;
  for (const Entry& entry : before) {
    for (const std::string& pack : entry.packs) {
      newest[pack] = std::max(newest[pack], entry.time);
    }
  }
  for (const Entry& entry : before) {
    bool tells = std::any_of(entry.packs.begin(), entry.packs.end(), [&](const std::string& pack) {
      return present.contains(pack) && newest[pack] == entry.time;
    });
    if (!tells) repository.store().remove(entry.key);
  }
}

}  // namespace duckback
