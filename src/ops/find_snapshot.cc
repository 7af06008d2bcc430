#include "ops/find_snapshot.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace duckback {
namespace {

std::optional<std::size_t> count_behind_latest(std::string_view reference) {
  if (!reference.starts_with("latest")) return std::nullopt;
  reference.remove_prefix(6);
  if (reference.empty()) return 0;
  if (reference.front() != '~') return std::nullopt;
  reference.remove_prefix(1);
  if (reference.empty()) return 1;
  std::size_t count = 0;
  auto [end, error] = std::from_chars(reference.data(), reference.data() + reference.size(), count);
  if (error != std::errc() || end != reference.data() + reference.size()) return std::nullopt;
  return count;
}

// "2026-11-22", with "T10", "T10:00", "T10:00:05", ".250" and "Z".
SystemTime parse_moment(std::string text) {
  static const std::string kRest = "0000-00-00T00:00:00.000Z";
  if (!text.empty() && text.back() == 'Z') text.pop_back();
  if (text.size() < 10 || text.size() >= kRest.size()) {
    throw Error(Errc::invalid, "'@{}' is no time; write it as @2026-11-22T10:00 (UTC)", text);
  }
  // Lists show seconds: one that is named is meant as a whole.
  constexpr std::size_t kToTheSecond = 19;
  if (text.size() == kToTheSecond) text += ".999";
  return parse_utc(text + kRest.substr(text.size()));
}

bool is_id_prefix(std::string_view text) {
  return text.size() >= 4 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string in_words(const FoundSnapshot& found) {
  return fmt::format("{} of {}, {}", found.name.id.substr(0, 8), found.snapshot.database,
                     format_utc(found.name.time));
}

// Nothing if it is of another database.
std::optional<FoundSnapshot> read_one(const Repository& repository, const SnapshotName& name,
                                      const std::string& database) {
  Snapshot snapshot = read_snapshot(repository.store(), repository.sealer(), name);
  if (!is_of_database(snapshot, database)) return std::nullopt;
  SnapshotDetails details = parse_details(snapshot.details);
  return FoundSnapshot{name, std::move(snapshot), std::move(details)};
}

}  // namespace

bool is_of_database(const Snapshot& snapshot, const std::string& database) {
  if (database.empty() || snapshot.database == database) return true;
  std::error_code failed;
  fs::path resolved = fs::weakly_canonical(database, failed);
  return !snapshot.named && !failed && snapshot.database == resolved.string();
}

void throw_no_snapshot_of(const std::string& database) {
  throw Error(Errc::no_snapshot,
              "there is no snapshot of a database '{}'; `duckback snapshots` shows of which "
              "databases there are",
              database);
}

std::vector<FoundSnapshot> read_snapshots(
    const Repository& repository, const std::string& database,
    const std::function<void(const SnapshotName&, const Error&)>& damaged) {
  std::vector<SnapshotName> names = list_snapshots(repository.store());
  std::vector<std::optional<FoundSnapshot>> read(names.size());
  std::vector<std::optional<Error>> unreadable(names.size());
  for_each_at_once(repository.store(), names.size(), [&](std::size_t i) {
    try {
      read[i] = read_one(repository, names[i], database);
    } catch (const Error& error) {
      if (error.code() == Errc::not_found) return;  // Forgotten meanwhile.
      if (error.code() != Errc::damaged || !damaged) throw;
      unreadable[i] = error;
    }
  });
  std::vector<FoundSnapshot> found;
  bool all_readable = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (read[i]) found.push_back(std::move(*read[i]));
    if (!unreadable[i]) continue;
    damaged(names[i], *unreadable[i]);
    all_readable = false;
  }
  if (!database.empty() && found.empty() && all_readable) throw_no_snapshot_of(database);
  return found;
}

const SnapshotName& find_name(const std::vector<SnapshotName>& names, const std::string& id) {
  const SnapshotName* found = nullptr;
  for (const SnapshotName& name : names) {
    if (!is_id_prefix(id) || !name.id.starts_with(id)) continue;
    if (found != nullptr) {
      throw Error(Errc::no_snapshot, "more than one snapshot begins with {}: {} and {}; …", id,
                  found->id, name.id);
    }
    found = &name;
  }
  if (found == nullptr) {
    throw Error(Errc::no_snapshot,
                "no snapshot begins with '{}'; give at least 4 digits of an id (here no tag and no "
                "`latest`)",
                id);
  }
  return *found;
}

FoundSnapshot find_snapshot(const Repository& repository, const std::string& reference,
                            const std::string& database) {
  // Damaged ones cannot be meant but by their id.
  std::optional<Error> unreadable;
  std::vector<std::pair<SnapshotName, Error>> damaged;
  std::vector<FoundSnapshot> all =
      read_snapshots(repository, database, [&](const SnapshotName& name, const Error& error) {
        if (!reference.empty() && name.id.starts_with(reference)) unreadable = error;
        damaged.emplace_back(name, error);
      });
  if (unreadable) throw Error(*unreadable);

  std::vector<FoundSnapshot> fits;
  bool by_id = is_id_prefix(reference);
  if (by_id) {
    for (std::string Snapshot::*id : {&Snapshot::id, &Snapshot::original}) {
      if (!fits.empty()) break;
      for (const FoundSnapshot& one : all) {
        if ((one.snapshot.*id).starts_with(reference)) fits.push_back(one);
      }
    }
    if (fits.size() == 1) return fits.front();
    if (fits.size() > 1) {
      throw Error(Errc::no_snapshot, "{} snapshots begin with {}: {}; {}; …", fits.size(),
                  reference, in_words(fits[0]), in_words(fits[1]));
    }
  }
  std::optional<std::size_t> behind = count_behind_latest(reference);
  std::optional<SystemTime> moment;
  if (reference.starts_with("@")) moment = parse_moment(reference.substr(1));
  std::set<std::string> databases;
  for (FoundSnapshot& one : all) {
    const std::vector<std::string>& tags = one.snapshot.tags;
    bool fit = behind || (moment && one.name.time <= *moment) ||
               std::find(tags.begin(), tags.end(), reference) != tags.end();
    if (!fit) continue;
    databases.insert(identity_of(one.snapshot));
    fits.push_back(std::move(one));
  }
  if (databases.size() > 1) {
    std::string list;
    for (const std::string& each : databases) {
      list += (list.empty() ? "" : ", ") + each.substr(each.find('\0') + 1);
    }
    throw Error(Errc::no_snapshot,
                "'{}' fits snapshots of {} databases ({}): name one with --database, or give an id",
                reference, databases.size(), list);
  }
  // A damaged one keeps its place: an older one is never taken for it in silence.
  std::size_t back = behind.value_or(0);
  std::erase_if(damaged, [&](const auto& one) {
    bool of_another = !fits.empty() && one.first.database_id != fits[0].name.database_id;
    return of_another || !(behind || (moment && one.first.time <= *moment));
  });
  for (auto one = damaged.rbegin(); one != damaged.rend(); ++one) {
    auto newer = static_cast<std::size_t>(
        std::count_if(fits.begin(), fits.end(),
                      [&](const FoundSnapshot& fit) { return fit.name.time > one->first.time; }));
    if (newer > back) break;
    if (newer == back) {
      throw Error(Errc::damaged, "'{}' is a snapshot that cannot be read: {}. Name another one",
                  reference, one->second.what());
    }
    --back;
  }
  if (fits.size() <= back) {
    throw Error(Errc::no_snapshot,
                "no snapshot fits '{}'; `duckback snapshots` shows what there is", reference);
  }
  return fits[fits.size() - 1 - back];
}

void check_new_tag(const std::string& tag) {
  auto refuse = [&](std::string_view why) {
    throw Error(Errc::invalid, "'{}' is no tag: {}", tag, why);
  };
  constexpr std::size_t kBytesMost = 100;
  if (tag.empty()) refuse("it is empty");
  if (tag.size() > kBytesMost) refuse(fmt::format("it has more than {} bytes", kBytesMost));
  if (tag == "latest" || tag.starts_with("latest~")) refuse("it names the newest snapshot");
  if (tag.starts_with("@")) refuse("with an @ begins a time");
  if (is_id_prefix(tag)) {
    refuse("it could be the beginning of a snapshot's id; put another letter or a - into it");
  }
  if (tag.find(',') != tag.npos) refuse("a comma stands between tags");
  if (printable(tag) != tag) refuse("it holds a control character, or what is no UTF-8");
}

}  // namespace duckback
