#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/render.h"
#include "ops/catalog.h"

namespace duckback {

// Copies of several databases: one table for each, under its name.
class CopyTable {
 public:
  explicit CopyTable(std::vector<std::pair<Table::Align, std::string>> columns)
      : columns_(std::move(columns)) {}
  // Rows of one identity must follow each other.
  void add(const Sidecar& sidecar, std::vector<std::string> row);
  void print() const;

 private:
  struct Group {
    std::string identity;
    std::string title;
    Table table;
  };
  std::vector<std::pair<Table::Align, std::string>> columns_;
  std::vector<Group> groups_;
};

}  // namespace duckback
