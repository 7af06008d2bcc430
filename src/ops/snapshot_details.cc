#include "ops/snapshot_details.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace duckback {
namespace {

using Json = nlohmann::json;

// Older than this the times of a file tell that nothing was written since: the coarsest clock that
// a local filesystem uses ticks every two seconds (FAT), most every few milliseconds.
constexpr std::int64_t kRacyNs = 3'000'000'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<SourceLook::Part> part_of(const std::optional<FileStat>& stat) {
  if (!stat) return std::nullopt;
  return SourceLook::Part{.device = stat->device,
                          .inode = stat->inode,
                          .bytes = stat->bytes,
                          .modified_ns = stat->modified_ns,
                          .changed_ns = stat->changed_ns};
}

std::string hash_of(const File& file, std::uint64_t bytes) {
  Blake3 hash;
  Bytes piece(1 << 20);
  for (std::uint64_t done = 0; done < bytes;) {
    std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), bytes - done));
    std::size_t count = file.read_at(done, MutableBytes(piece).first(want));
    if (count == 0) break;
    hash.update(ByteView(piece).first(count));
    done += count;
  }
  return to_hex(hash.digest());
}

// All that stat tells, links followed.
SourceLook stats_of(const fs::path& source, const Siblings& siblings) {
  SourceLook look;
  look.database = part_of(stat_path(source));
  look.wal = part_of(stat_path(siblings.wal));
  look.wal_checkpoint = part_of(stat_path(siblings.wal_checkpoint));
  look.wal_recovery = part_of(stat_path(siblings.wal_recovery));
  return look;
}

bool same_stats(const SourceLook& a, const SourceLook& b) {
  return a.database == b.database && a.wal == b.wal && a.wal_checkpoint == b.wal_checkpoint &&
         a.wal_recovery == b.wal_recovery;
}

Json to_json(const std::optional<SourceLook::Part>& part) {
  if (!part) return nullptr;
  return {{"device", part->device},
          {"inode", part->inode},
          {"bytes", part->bytes},
          {"modified_ns", part->modified_ns},
          {"changed_ns", part->changed_ns}};
}

std::optional<SourceLook::Part> part_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  SourceLook::Part part;
  json.at("device").get_to(part.device);
  json.at("inode").get_to(part.inode);
  json.at("bytes").get_to(part.bytes);
  json.at("modified_ns").get_to(part.modified_ns);
  json.at("changed_ns").get_to(part.changed_ns);
  return part;
}

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

SnapshotDetails from_json(const Json& json) {
  SnapshotDetails details;
  json.at("duckback").get_to(details.duckback);
  json.at("certification").get_to(details.certification);
  json.at("storage_version").get_to(details.storage_version);
  json.at("needs").get_to(details.needs);
  json.at("encrypted").get_to(details.encrypted);
  json.at("identifier").get_to(details.identifier);
  json.at("iteration").get_to(details.iteration);
  json.at("block_bytes").get_to(details.block_bytes);
  json.at("blocks").get_to(details.blocks);
  json.at("free_blocks").get_to(details.free_blocks);
  json.at("wal_commits").get_to(details.wal_commits);
  json.at("source_bytes").get_to(details.source_bytes);
  json.at("damaged_blocks").get_to(details.damaged_blocks);
  json.at("wal_damaged").get_to(details.wal_damaged);
  details.wal_unreadable = json.value("wal_unreadable", "");
  details.unreadable = json.value("unreadable", "");
  details.born_ns = json.value("born_ns", std::int64_t{0});
  if (const Json& version = json.at("library_version"); !version.is_null()) {
    details.library_version = version.get<std::string>();
  }
  if (const Json& verified = json.at("verified"); !verified.is_null()) {
    details.verified = verified.get<std::string>();
  }
  if (auto failed = json.find("failed"); failed != json.end() && !failed->is_null()) {
    details.failed = failed->get<std::string>();
  }
  if (const Json& tables = json.at("tables"); !tables.is_null()) {
    details.tables.emplace();
    for (const Json& table : tables) {
      details.tables->push_back({.schema = table.at("schema").get<std::string>(),
                                 .table = table.at("table").get<std::string>(),
                                 .rows = table.at("rows").get<std::uint64_t>()});
    }
  }
  if (const Json& source = json.at("source"); !source.is_null()) {
    SourceLook look;
    look.database = part_from(source.at("database"));
    look.wal = part_from(source.at("wal"));
    look.wal_checkpoint = part_from(source.at("wal_checkpoint"));
    look.wal_recovery = part_from(source.at("wal_recovery"));
    source.at("headers").get_to(look.headers);
    source.at("wal_content").get_to(look.wal_content);
    source.at("taken_ns").get_to(look.taken_ns);
    details.source = look;
  }
  return details;
}

}  // namespace

bool SourceLook::shows_no_change_since(const SourceLook& before) const {
  if (!same_stats(*this, before) || headers != before.headers ||
      wal_content != before.wal_content) {
    return false;
  }
  // Written within a tick of the former look, the times could be the same for two states.
  for (const std::optional<Part>* part :
       {&before.database, &before.wal, &before.wal_checkpoint, &before.wal_recovery}) {
    if (!*part) continue;
    if (before.taken_ns - std::max((*part)->modified_ns, (*part)->changed_ns) < kRacyNs) {
      return false;
    }
  }
  return database.has_value();
}

std::optional<SourceLook> look_at_source(const fs::path& source) {
  if (is_network_filesystem(source)) return std::nullopt;
  Siblings siblings = find_siblings(source, resolve_path(source));
  std::int64_t taken = now_ns();
  SourceLook look = stats_of(source, siblings);
  if (!look.database) return std::nullopt;
  look.taken_ns = taken;
  look.headers = hash_of(File::open_read(source), kBlockStart);
  if (look.wal) {
    try {
      look.wal_content = hash_of(File::open_read(siblings.wal), look.wal->bytes);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found) throw;
      return std::nullopt;
    }
  }
  if (!same_stats(stats_of(source, siblings), look)) return std::nullopt;
  return look;
}

std::uint64_t SnapshotDetails::used_blocks() const {
  if (block_bytes == 0) return blocks;
  std::uint64_t in_file =
      source_bytes > kBlockStart ? (source_bytes - kBlockStart) / block_bytes : 0;
  return std::min(blocks, in_file - std::min(in_file, free_blocks));
}

std::string SnapshotDetails::damage() const {
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (!unreadable.empty()) {
    add(unreadable + "; which blocks are in use is not known, so all are kept");
  }
  if (damaged_blocks > 0) {
    bool one = damaged_blocks == 1;
    add(fmt::format("{} {} not match {}, or {} cut off{}", count_of(damaged_blocks, "block"),
                    one ? "does" : "do", one ? "its checksum" : "their checksums",
                    one ? "is" : "are",
                    unreadable.empty() ? "" : ", some of them maybe free ones"));
  }
  if (!wal_unreadable.empty()) {
    add(wal_unreadable + "; all of that WAL is kept as it is");
  } else if (wal_damaged) {
    add("its WAL is damaged, and kept up to the last whole commit");
  }
  return text;
}

bool replaced(const SnapshotDetails& before, const SnapshotDetails& now) {
  bool reborn = before.born_ns != 0 && now.born_ns != 0 && before.born_ns != now.born_ns;
  return before.identifier != now.identifier || reborn;
}

bool lost_most(const SnapshotDetails& before, const SnapshotDetails& now) {
  // Where a header cannot be read, nobody knows.
  if (now.block_bytes == 0) return false;
  // A database of a few blocks is more than halved by nothing.
  constexpr std::uint64_t kBytesLeast = 1 << 20;
  return before.used_bytes() >= kBytesLeast && before.used_bytes() / 2 > now.used_bytes();
}

SnapshotDetails describe_image(const Image& image) {
  SnapshotDetails details;
  details.certification = name_of(image.grade);
  if (image.header) {
    StorageVersion version = storage_version(image.main, *image.header);
    details.storage_version = version.number;
    details.needs = version.needs;
    details.iteration = image.header->iteration;
    details.block_bytes = image.header->block_bytes;
  } else {
    details.storage_version = image.main.version;
  }
  details.encrypted = image.main.encryption.has_value();
  details.identifier = to_hex(image.main.identifier);
  details.blocks = image.blocks;
  details.free_blocks = image.free_blocks;
  details.wal_commits = image.wal_commits;
  details.source_bytes = image.source.bytes;
  details.damaged_blocks = image.damaged_blocks;
  details.wal_damaged = image.wal_damaged;
  details.wal_unreadable = image.wal_unreadable;
  details.unreadable = image.unreadable;
  return details;
}

std::string to_json(const SnapshotDetails& details) {
  Json tables = nullptr;
  if (details.tables) {
    tables = Json::array();
    for (const Sidecar::Table& table : *details.tables) {
      tables.push_back({{"schema", table.schema}, {"table", table.table}, {"rows", table.rows}});
    }
  }
  Json source = nullptr;
  if (details.source) {
    const SourceLook& look = *details.source;
    source = {{"database", to_json(look.database)},
              {"wal", to_json(look.wal)},
              {"wal_checkpoint", to_json(look.wal_checkpoint)},
              {"wal_recovery", to_json(look.wal_recovery)},
              {"headers", look.headers},
              {"wal_content", look.wal_content},
              {"taken_ns", look.taken_ns}};
  }
  Json json = {{"duckback", details.duckback},
               {"certification", details.certification},
               {"storage_version", details.storage_version},
               {"needs", details.needs},
               {"encrypted", details.encrypted},
               {"identifier", details.identifier},
               {"iteration", details.iteration},
               {"block_bytes", details.block_bytes},
               {"blocks", details.blocks},
               {"free_blocks", details.free_blocks},
               {"wal_commits", details.wal_commits},
               {"source_bytes", details.source_bytes},
               {"damaged_blocks", details.damaged_blocks},
               {"wal_damaged", details.wal_damaged},
               {"wal_unreadable", details.wal_unreadable},
               {"unreadable", details.unreadable},
               {"born_ns", details.born_ns},
               {"library_version", or_null(details.library_version)},
               {"tables", tables},
               {"verified", or_null(details.verified)},
               {"failed", or_null(details.failed)},
               {"source", source}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

SnapshotDetails parse_details(const std::string& json) {
  try {
    return from_json(Json::parse(json));
  } catch (const Json::exception& error) {
    throw Error(Errc::damaged, "a snapshot's details: {}", error.what());
  }
}

}  // namespace duckback
