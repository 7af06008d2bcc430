#include "ops/lost_tables.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "ops/snapshot_details.h"

namespace duckback {
namespace {

// Equal for snapshots that have the same chunk at the same place of the same database.
using Place = std::tuple<std::string, std::uint64_t, ChunkId>;

class LostTables {
 public:
  LostTables(const Repository& repository, const LostTablesOptions& options)
      : repository_(repository), options_(options) {}

  // Asks its catalog, unless that can tell nothing new.
  void ask(const LossySnapshot& one) {
    if (one.unreadable || !has_unknown(one)) return;
    int& opened = opened_[identity_of(*one.snapshot)];
    if (opened == kLossyOpenedMost) return;
    std::string title = "snapshot " + one.snapshot->id.substr(0, 8);
    if (parse_details(one.snapshot->details).encrypted) {
      options_.note(fmt::format("which tables {} has lost is not known: it is encrypted", title));
      return;
    }
    ++opened;
    options_.step(fmt::format("asking {} for its tables", title));
    try {
      for (const BlockUser& user : users_of(one)) {
        known_[place(one, user.block)].push_back(
            {user.block, user.schema, user.table, one.snapshot->id});
      }
    } catch (const Error& error) {
      options_.note(fmt::format("which tables {} has lost is not known: {}", title, error.what()));
    }
  }

  std::vector<LostTable> of(const LossySnapshot& one) const {
    std::vector<LostTable> tables;
    for (const auto& [block, chunk] : one.blocks) {
      auto known = known_.find(place(one, block));
      if (known == known_.end()) continue;
      // What its own catalog says is better than what another's does.
      auto is_own = [&](const LostTable& table) { return table.snapshot == one.snapshot->id; };
      bool own = std::any_of(known->second.begin(), known->second.end(), is_own);
      for (const LostTable& table : known->second) {
        std::string from = own ? one.snapshot->id : known->second.front().snapshot;
        if (table.snapshot == from) tables.push_back(table);
      }
    }
    return tables;
  }

 private:
  static Place place(const LossySnapshot& one, std::uint64_t block) {
    return {identity_of(*one.snapshot), block, one.blocks.at(block)};
  }

  bool has_unknown(const LossySnapshot& one) const {
    return std::any_of(one.blocks.begin(), one.blocks.end(), [&](const auto& block) {
      return !known_.contains(place(one, block.first));
    });
  }

  std::vector<BlockUser> users_of(const LossySnapshot& one) const {
    ScratchOptions scratch = options_.scratch;
    scratch.leave_out = options_.is_lost;
    ScratchDatabase database(repository_, *one.snapshot, scratch);
    std::vector<std::uint64_t> blocks;
    for (const auto& [block, chunk] : one.blocks) blocks.push_back(block);
    return database.block_users(blocks);
  }

  const Repository& repository_;
  const LostTablesOptions& options_;
  std::map<Place, std::vector<LostTable>> known_;
  std::map<std::string, int> opened_;  // by database
};

}  // namespace

std::vector<std::vector<LostTable>> find_lost_tables(const Repository& repository,
                                                     const std::vector<LossySnapshot>& snapshots,
                                                     const LostTablesOptions& options) {
  std::vector<const LossySnapshot*> newest_first;
  for (const LossySnapshot& one : snapshots) newest_first.push_back(&one);
  std::stable_sort(newest_first.begin(), newest_first.end(),
                   [](const LossySnapshot* a, const LossySnapshot* b) {
                     return a->snapshot->time > b->snapshot->time;
                   });
  LostTables lost(repository, options);
  for (const LossySnapshot* one : newest_first) lost.ask(*one);
  std::vector<std::vector<LostTable>> tables;
  for (const LossySnapshot& one : snapshots) tables.push_back(lost.of(one));
  return tables;
}

}  // namespace duckback
