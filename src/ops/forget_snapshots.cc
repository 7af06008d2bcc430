#include "ops/forget_snapshots.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "ops/damaged_snapshots.h"
#include "repo/session.h"

namespace duckback {
namespace {

// Why snapshots stay whatever the rules say: by id.
class Protection {
 public:
  // `readable` and `unreadable` oldest first, and all of the repository's; `damaged`: the ids of
  // those that it cannot give back whole.
  Protection(const std::vector<FoundSnapshot>& readable,
             const std::vector<SnapshotName>& unreadable, std::set<std::string> damaged,
             SystemTime now)
      : damaged_(std::move(damaged)) {
    // By database: when, and what is wrong with it.
    std::map<std::string, std::pair<SystemTime, std::string>> newest;
    for (const FoundSnapshot& one : readable) {
      std::string wrong = what_is_wrong(one);
      newest[one.name.database_id] = {one.name.time, wrong};
      // A date in the future is a clock that was wrong.
      if (wrong.empty() && one.name.time <= now) newest_good_[one.name.database_id] = one.name.id;
      if (one.snapshot.pinned) pinned_.insert(one.name.id);
    }
    for (const SnapshotName& name : unreadable) {
      auto& [time, wrong] = newest[name.database_id];
      if (name.time >= time) wrong = "is damaged";
    }
    for (const auto& [database, state] : newest) {
      if (!state.second.empty()) wrong_.emplace(database, "the newest snapshot " + state.second);
    }
    look_for_losses(readable);
  }

  // What speaks for one only as long as nobody names it. "" if nothing does.
  std::string rule(const SnapshotName& name) const {
    std::string always = reason(name);
    if (!always.empty()) return always;
    auto wrong = wrong_.find(name.database_id);
    if (wrong != wrong_.end()) return wrong->second;
    auto loss = before_loss_.find(name.id);
    return loss == before_loss_.end() ? "" : loss->second;
  }

  // "" if there is none: one that cannot be given back whole may be given up.
  std::string reason(const SnapshotName& name) const {
    if (pinned_.contains(name.id)) return "pinned";
    if (damaged_.contains(name.id)) return "";
    auto good = newest_good_.find(name.database_id);
    if (good != newest_good_.end() && good->second == name.id) return "newest good snapshot";
    auto wrong = wrong_.find(name.database_id);
    return wrong == wrong_.end() ? "" : wrong->second;
  }

 private:
  std::string what_is_wrong(const FoundSnapshot& one) const {
    if (one.details.damaged()) return "is damaged";
    if (damaged_.contains(one.name.id)) return "needs what the repository has lost";
    return one.details.good() ? "" : "failed its verification";
  }

  // A database that was replaced, or lost most of what it held, may have been so by mistake, which
  // is noticed when the rules have long dropped what it was.
  void look_for_losses(const std::vector<FoundSnapshot>& readable) {
    std::map<std::string, const FoundSnapshot*> latest;
    for (const FoundSnapshot& one : readable) {
      if (!one.details.damaged()) latest[one.name.database_id] = &one;
    }
    std::set<std::string> replaced_databases;
    std::set<std::string> shrunk;
    for (auto one = readable.rbegin(); one != readable.rend(); ++one) {
      const std::string& database = one->name.database_id;
      if (one->details.damaged()) continue;
      const SnapshotDetails& now = latest[database]->details;
      const SnapshotDetails& then = one->details;
      if (replaced(then, now) && replaced_databases.insert(database).second) {
        before_loss_[one->name.id] = "the newest before the database was replaced";
      }
      if (lost_most(then, now) && shrunk.insert(database).second) {
        before_loss_.try_emplace(
            one->name.id,
            fmt::format("the newest before the database shrank ({} in use, now {})",
                        format_bytes(then.used_bytes()), format_bytes(now.used_bytes())));
      }
    }
  }

  std::map<std::string, std::string> before_loss_;  // why, by id
  std::map<std::string, std::string> newest_good_;  // ids, by database
  std::set<std::string> pinned_;
  std::set<std::string> damaged_;
  std::map<std::string, std::string> wrong_;  // reasons, by database
};

struct All {
  std::vector<FoundSnapshot> readable;
  std::vector<SnapshotName> unreadable;
  std::vector<Error> errors;
  std::set<std::string> damaged;  // ids of readable ones that cannot be given back whole
};

All read_all(const Repository& repository) {
  All all;
  all.readable = read_snapshots(repository, {}, [&](const SnapshotName& name, const Error& error) {
    all.unreadable.push_back(name);
    all.errors.push_back(error);
  });
  all.damaged = damaged_snapshots(repository, all.readable);
  return all;
}

std::string group_of(const Snapshot& snapshot, ForgetSnapshotsOptions::GroupBy group_by) {
  using GroupBy = ForgetSnapshotsOptions::GroupBy;
  if (group_by == GroupBy::host) return snapshot.host;
  if (group_by == GroupBy::database) return identity_of(snapshot);
  std::set<std::string> tags(snapshot.tags.begin(), snapshot.tags.end());
  std::string group;
  for (const std::string& tag : tags) group += tag + '\0';
  return group;
}

// Success for one that somebody else forgot meanwhile.
void trash(Store& store, const SnapshotName& name) {
  try {
    trash_snapshot(store, name);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
  }
}

}  // namespace

ForgetSnapshotsReport forget_snapshots(const Repository& repository,
                                       const ForgetSnapshotsOptions& options) {
  apply_policy(options.policy, {}, options.now);  // refuses an empty one before anything is read
  All all = read_all(repository);
  Protection protection(all.readable, all.unreadable, std::move(all.damaged), options.now);
  ForgetSnapshotsReport report{.decisions = {}, .unreadable = std::move(all.errors)};
  std::vector<RetentionItem> items;
  for (FoundSnapshot& one : all.readable) {
    if (!is_of_database(one.snapshot, options.database)) continue;
    items.push_back({.id = one.name.id,
                     .group = group_of(one.snapshot, options.group_by),
                     .time = one.name.time,
                     .tags = one.snapshot.tags});
    report.decisions.emplace_back().found = std::move(one);
  }
  if (!options.database.empty() && items.empty() && report.unreadable.empty()) {
    throw_no_snapshot_of(options.database);
  }
  std::vector<Verdict> verdicts = apply_policy(options.policy, items, options.now);
  std::optional<Session> session;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    SnapshotDecision& decision = report.decisions[i];
    decision.keep = verdicts[i].keep;
    decision.reasons = verdicts[i].reasons;
    std::string reason = protection.rule(decision.found.name);
    if (reason == "pinned" || (!decision.keep && !reason.empty())) {
      decision.reasons.push_back(reason);
      decision.keep = true;
    }
    if (decision.keep || options.dry_run) continue;
    if (!session) session.emplace(repository, "forget");
    try {
      trash(repository.store(), decision.found.name);
      decision.removed = true;
    } catch (const Error& error) {
      decision.error = error.what();
    }
  }
  return report;
}

std::vector<SnapshotName> forget_snapshots(const Repository& repository,
                                           const std::vector<std::string>& ids, bool dry_run) {
  All all = read_all(repository);
  Protection protection(all.readable, all.unreadable, std::move(all.damaged),
                        std::chrono::system_clock::now());
  std::vector<SnapshotName> names = all.unreadable;
  for (const FoundSnapshot& one : all.readable) names.push_back(one.name);
  std::vector<SnapshotName> chosen;
  for (const std::string& id : ids) {
    const SnapshotName& name = find_name(names, id);
    bool unreadable = std::any_of(all.unreadable.begin(), all.unreadable.end(),
                                  [&](const SnapshotName& other) { return other.id == name.id; });
    std::string reason = unreadable ? "" : protection.reason(name);
    if (reason == "pinned") {
      throw Error(Errc::refused, "snapshot {} is pinned; `duckback unpin {}` lets it go",
                  name.id.substr(0, 8), name.id.substr(0, 8));
    }
    if (!reason.empty()) {
      throw Error(Errc::refused, "snapshot {} stays: {} of its database", name.id.substr(0, 8),
                  reason == "newest good snapshot" ? "it is the newest good one" : reason);
    }
    chosen.push_back(name);
  }
  if (!dry_run) {
    Session session(repository, "forget");
    for (const SnapshotName& name : chosen) trash(repository.store(), name);
  }
  return chosen;
}

}  // namespace duckback
