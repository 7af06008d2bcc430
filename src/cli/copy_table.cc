#include "cli/copy_table.h"

namespace duckback {

void CopyTable::add(const Sidecar& sidecar, std::vector<std::string> row) {
  std::string identity = sidecar.identity();
  if (groups_.empty() || groups_.back().identity != identity) {
    Group group{.identity = identity, .title = "", .table = {}};
    group.title =
        fmt::format("{}: {}", sidecar.host, sidecar.name ? *sidecar.name : sidecar.database);
    group.table.rows.emplace_back();
    for (const auto& [align, heading] : columns_) {
      group.table.columns.push_back(align);
      group.table.rows[0].push_back(heading);
    }
    groups_.push_back(std::move(group));
  }
  groups_.back().table.rows.push_back(std::move(row));
}

void CopyTable::print() const {
  for (const Group& group : groups_) {
    if (&group != &groups_.front()) print_result("");
    print_result(group.title);
    print_table(group.table);
  }
}

}  // namespace duckback
