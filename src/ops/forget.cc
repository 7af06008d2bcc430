#include "ops/forget.h"

#include <map>

#include "base/error.h"
#include "io/lock_holder.h"
#include "io/temp_file.h"
#include "ops/copy_claim.h"

namespace duckback {
namespace {

using State = CatalogCopy::State;

// Removes database and WAL, then the sidecar, which until then says what the rest is. A database
// without its WAL would open as an older state, a WAL without its database would be replayed into
// whatever comes to the name next. So both are cut off from DuckDB in one step first: a stub takes
// the database's name. The file itself is not written to, it may have other names.
void remove_copy(const CatalogCopy& copy) {
  fs::path folder = folder_of(copy.path);
  fs::path wal = copy.path.string() + ".wal";
  if (stat_path(wal) && copy.state == State::present) {
    TempFile stub = TempFile::beside(copy.path);
    stub.file().write_at(0, as_bytes(kRemovalStub));
    stub.file().sync();
    stub.rename_to(copy.path);
    sync_folder(folder);
  }
  if (copy.sidecar.wal) remove_file(wal);
  if (fs::is_directory(copy.path)) {
    TempFolder grave = TempFolder::beside(copy.path);
    rename_file(copy.path, grave.path() / copy.path.filename());
  } else {
    remove_file(copy.path);
  }
  sync_folder(folder);
  remove_file(sidecar_path(copy.path));
  sync_folder(folder);
}

// The copy is still the one that was judged.
void expect_unchanged(const CatalogCopy& judged) {
  CatalogCopy now = look_at_copy(judged.path);
  if (now.state != judged.state || now.file != judged.file ||
      now.sidecar.time != judged.sidecar.time) {
    throw Error(Errc::conflict, "{} has changed meanwhile; it stays", judged.path.string());
  }
}

// What is asked of the place that copies are in.
class Place {
 public:
  virtual ~Place() = default;
  virtual Catalog read() = 0;
  virtual std::optional<Process> find_user(const CatalogCopy& copy) = 0;
  // As of catalog.h, of a copy that is present.
  virtual std::string find_change(const CatalogCopy& copy) = 0;
  virtual void remove_leftovers() = 0;
  virtual void remove(const CatalogCopy& judged) = 0;
};

class FolderPlace : public Place {
 public:
  explicit FolderPlace(const fs::path& folder) : folder_(folder) {}
  Catalog read() override { return read_catalog(folder_); }
  std::optional<Process> find_user(const CatalogCopy& copy) override {
    return find_lock_holder(File::open_read(copy.path), LockKind::any);
  }
  std::string find_change(const CatalogCopy& copy) override { return duckback::find_change(copy); }
  void remove_leftovers() override { duckback::remove_leftovers(folder_ / "copy"); }
  void remove(const CatalogCopy& judged) override {
    expect_unchanged(judged);
    remove_copy(judged);
  }

 private:
  const fs::path& folder_;
};

class BucketPlace : public Place {
 public:
  explicit BucketPlace(BucketFolder& folder) : folder_(folder) {}
  Catalog read() override { return folder_.read(); }
  std::optional<Process> find_user(const CatalogCopy&) override { return std::nullopt; }
  std::string find_change(const CatalogCopy&) override { return ""; }  // Its ETag would be another.
  void remove_leftovers() override {
    Store& store = folder_.store();
    remove_dead_claims(store);
    store.remove_leftovers(now_of(store) - std::chrono::days(7));
  }
  void remove(const CatalogCopy& judged) override { folder_.remove(judged); }

 private:
  BucketFolder& folder_;
};

// Judges what the rules do not: what is not a whole copy of ours. True if that decided.
bool judge_state(ForgetDecision& decision) {
  const CatalogCopy& copy = decision.copy;
  switch (copy.state) {
    case State::changed:
      decision.reasons = {"not as written: " + copy.problem};
      return true;
    case State::missing:
      decision.keep = false;
      decision.reasons = {"its file is gone"};
      return true;
    case State::half_removed:
      decision.keep = false;
      decision.reasons = {"its removal was interrupted"};
      return true;
    case State::present:
      return false;
  }
  return false;
}

void judge_present(Place& place, const ForgetOptions& options,
                   std::vector<ForgetDecision>& decisions,
                   const std::vector<std::size_t>& present) {
  std::vector<RetentionItem> items;
  std::map<std::string, std::size_t> newest_good;
  for (std::size_t i : present) {
    const CatalogCopy& copy = decisions[i].copy;
    std::string identity = copy.sidecar.identity();
    items.push_back({copy.path.string(), identity, copy.sidecar.time});
    // The catalog goes from old to new. A date in the future is a clock that was wrong. Only the
    // sizes of an export's files can be checked, so it never stands in for a database.
    bool trusted = copy.good() && copy.sidecar.method != "export";
    if (trusted && copy.sidecar.time <= options.now) newest_good[identity] = i;
  }
  std::vector<Verdict> verdicts = apply_policy(options.policy, items, options.now);
  for (std::size_t at = 0; at < present.size(); ++at) {
    ForgetDecision& decision = decisions[present[at]];
    decision.keep = verdicts[at].keep;
    decision.reasons = verdicts[at].reasons;
    auto newest = newest_good.find(items[at].group);
    if (newest != newest_good.end() && newest->second == present[at]) {
      if (!decision.keep) decision.reasons.push_back("newest good copy");
      decision.keep = true;
    }
    if (decision.keep) continue;
    if (auto process = place.find_user(decision.copy)) {
      decision.keep = true;
      decision.reasons = {fmt::format("in use by {}", to_text(*process))};
    } else if (std::string change = place.find_change(decision.copy); !change.empty()) {
      decision.keep = true;
      decision.reasons = {"not as written: " + change};
    }
  }
}

ForgetReport forget_in(Place& place, const ForgetOptions& options) {
  apply_policy(options.policy, {}, options.now);  // refuses an empty one before anything is read
  Catalog catalog = place.read();
  ForgetReport report{
      .decisions = {}, .problems = std::move(catalog.problems), .foreign = catalog.foreign.size()};
  std::vector<std::size_t> present;
  for (CatalogCopy& copy : catalog.copies) {
    report.decisions.emplace_back().copy = std::move(copy);
    if (!judge_state(report.decisions.back())) present.push_back(report.decisions.size() - 1);
  }
  judge_present(place, options, report.decisions, present);
  if (options.dry_run) return report;
  place.remove_leftovers();
  for (ForgetDecision& decision : report.decisions) {
    if (decision.keep) continue;
    try {
      place.remove(decision.copy);
      decision.removed = true;
    } catch (const Error& error) {
      decision.error = error.what();
    }
  }
  return report;
}

}  // namespace

ForgetReport forget(const fs::path& folder, const ForgetOptions& options) {
  FolderPlace place(folder);
  return forget_in(place, options);
}

ForgetReport forget(BucketFolder& folder, const ForgetOptions& options) {
  BucketPlace place(folder);
  return forget_in(place, options);
}

}  // namespace duckback
