#include "cli/copy_json.h"

#include <nlohmann/json.hpp>

namespace duckback {
namespace {

using nlohmann::json;

std::string_view name_of(CatalogCopy::State state) {
  switch (state) {
    case CatalogCopy::State::present:
      return "present";
    case CatalogCopy::State::changed:
      return "changed";
    case CatalogCopy::State::missing:
      return "missing";
    case CatalogCopy::State::half_removed:
      return "half_removed";
  }
  return "changed";
}

json row_of(const CatalogCopy& copy) {
  const Sidecar& sidecar = copy.sidecar;
  json row = {{"path", copy.path.string()},
              {"state", name_of(copy.state)},
              {"problem", nullptr},
              {"bytes", copy.bytes},
              {"host", sidecar.host},
              {"database", sidecar.database},
              {"name", nullptr},
              {"time", format_utc(sidecar.time)},
              {"wal", sidecar.wal.has_value()},
              {"source_bytes", sidecar.source_bytes},
              {"source_wal_bytes", sidecar.source_wal_bytes},
              {"method", sidecar.method},
              {"certification", sidecar.certification},
              {"storage_version", sidecar.storage_version},
              {"needs", sidecar.needs},
              {"encrypted", sidecar.encrypted},
              {"settled", sidecar.settled},
              {"damaged_blocks", sidecar.damaged_blocks},
              {"verified", nullptr},
              {"verified_level", nullptr},
              {"failed", nullptr},
              {"failed_finding", nullptr}};
  if (!copy.problem.empty()) row["problem"] = copy.problem;
  if (sidecar.name) row["name"] = *sidecar.name;
  if (sidecar.verified) {
    row["verified"] = format_utc(sidecar.verified->time);
    row["verified_level"] = sidecar.verified->level;
  }
  if (sidecar.failed) {
    row["failed"] = format_utc(sidecar.failed->time);
    row["failed_finding"] = sidecar.failed->finding;
  }
  return row;
}

void append(json& rows, const std::vector<CatalogProblem>& problems) {
  for (const CatalogProblem& problem : problems) {
    rows.push_back(
        {{"path", problem.path.string()}, {"state", "unreadable"}, {"problem", problem.message}});
  }
}

}  // namespace

json to_json(const Catalog& catalog) {
  json rows = json::array();
  for (const CatalogCopy& copy : catalog.copies) rows.push_back(row_of(copy));
  for (const ForeignDatabase& database : catalog.foreign) {
    rows.push_back(
        {{"path", database.path.string()}, {"state", "foreign"}, {"bytes", database.bytes}});
  }
  append(rows, catalog.problems);
  return rows;
}

json to_json(const ForgetReport& report) {
  json rows = json::array();
  for (const ForgetDecision& decision : report.decisions) {
    json row = row_of(decision.copy);
    row["keep"] = decision.keep;
    row["reasons"] = decision.reasons;
    row["removed"] = decision.removed;
    row["error"] = decision.error.empty() ? json(nullptr) : json(decision.error);
    rows.push_back(std::move(row));
  }
  append(rows, report.problems);
  return rows;
}

}  // namespace duckback
