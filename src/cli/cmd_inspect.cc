#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/key_option.h"
#include "cli/render.h"
#include "ops/inspect.h"

namespace duckback {
namespace {

using nlohmann::json;

json to_json(const std::optional<Process>& process) {
  if (!process) return nullptr;
  return {{"pid", process->pid}, {"program", process->program}};
}

json pointer(std::uint64_t value) { return value == kNoPointer ? json(nullptr) : json(value); }

json to_json(const std::optional<DatabaseHeader>& header) {
  if (!header) return nullptr;
  return {{"iteration", header->iteration},          {"meta_block", pointer(header->meta_block)},
          {"free_list", pointer(header->free_list)}, {"block_count", header->block_count},
          {"block_bytes", header->block_bytes},      {"serialization", header->serialization}};
}

std::string tail_of(const WalReport& wal) {
  if (!wal.error.empty()) return "unreadable";
  if (wal.content.bad_entry) return "damaged";
  if (wal.content.header && wal.content.scanned_end < wal.bytes) return "incomplete";
  return "whole";
}

json to_json(const std::optional<WalReport>& wal) {
  if (!wal) return nullptr;
  const WalContent& content = wal->content;
  json object = {{"path", wal->path.string()},
                 {"bytes", wal->bytes},
                 {"encrypted", content.header && content.header->encrypted},
                 {"identifier", nullptr},
                 {"iteration", nullptr},
                 {"commits", content.commits},
                 {"committed_end", content.committed_end},
                 {"row_groups", content.has_row_groups},
                 {"marker", nullptr},
                 {"stale_markers", content.stale_markers.size()},
                 {"tail", tail_of(*wal)},
                 {"tail_offset", content.scanned_end},
                 {"error", nullptr}};
  if (content.header && content.header->identifier) {
    object["identifier"] = to_hex(*content.header->identifier);
  }
  if (content.header && content.header->iteration) {
    object["iteration"] = *content.header->iteration;
  }
  if (content.marker) object["marker"] = content.marker->range.begin;
  if (!wal->error.empty()) object["error"] = wal->error;
  return object;
}

json to_json(const Inspection& report) {
  json object = {{"path", report.path.string()},
                 {"bytes", report.file.bytes},
                 {"storage_version", nullptr},
                 {"needs", nullptr},
                 {"created_by", nullptr},
                 {"identifier", nullptr},
                 {"encrypted", nullptr},
                 {"cipher", nullptr},
                 {"iteration", nullptr},
                 {"block_bytes", nullptr},
                 {"blocks", nullptr},
                 {"slots", {to_json(report.slots[0]), to_json(report.slots[1])}},
                 {"active_slot", report.active < 0 ? json(nullptr) : json(report.active)},
                 {"wal", to_json(report.wal)},
                 {"wal_checkpoint", to_json(report.wal_checkpoint)},
                 {"wal_recovery", to_json(report.wal_recovery)},
                 {"pairing", nullptr},
                 {"writer", to_json(report.writer)},
                 {"reader", to_json(report.reader)},
                 {"locks_known", report.locks_known},
                 {"open_for_writing", json::array()},
                 {"all_processes_seen", report.openers.all_seen},
                 {"network_filesystem", report.network_filesystem},
                 {"moved", report.moved},
                 {"problems", report.problems}};
  if (report.main) {
    object["created_by"] = report.main->library_version;
    object["identifier"] = to_hex(report.main->identifier);
    object["encrypted"] = report.main->encryption.has_value();
    if (report.main->encryption) {
      bool gcm = report.main->encryption->cipher == Encryption::Cipher::gcm;
      object["cipher"] = gcm ? "GCM" : "CTR";
    }
  }
  if (report.storage) {
    object["storage_version"] = report.storage->number;
    object["needs"] = report.storage->needs;
  }
  if (const DatabaseHeader* header = report.header()) {
    object["iteration"] = header->iteration;
    object["block_bytes"] = header->block_bytes;
  }
  if (report.blocks) {
    object["blocks"] = {{"total", report.blocks->total},
                        {"used", report.blocks->used},
                        {"free", report.blocks->free},
                        {"metadata", report.blocks->metadata},
                        {"multi_use", report.blocks->multi_use}};
  }
  if (report.pairing) {
    object["pairing"] = {{"verdict", name_of(report.pairing->verdict)},
                         {"explanation", report.pairing->explanation}};
  }
  for (const Process& process : report.openers.writers) {
    object["open_for_writing"].push_back(to_json(std::optional(process)));
  }
  return object;
}

using Rows = std::vector<std::pair<std::string, std::string>>;

void describe_header(const Inspection& report, Rows& rows) {
  if (report.storage) {
    rows.emplace_back(
        "storage version",
        fmt::format("{}, needs {} or later", report.storage->number, report.storage->needs));
  }
  if (report.main) {
    rows.emplace_back("created by", "DuckDB " + report.main->library_version);
    if (report.main->encryption) {
      bool gcm = report.main->encryption->cipher == Encryption::Cipher::gcm;
      rows.emplace_back("encrypted",
                        fmt::format("AES-256 {}{}", gcm ? "GCM" : "CTR",
                                    report.key_needed ? "; without the key nothing more can be "
                                                        "read: --key-file, --key-env"
                                                      : ""));
    }
  }
  for (std::size_t i = 0; i < 2; ++i) {
    if (report.key_needed) break;
    const auto& slot = report.slots[i];
    std::string text = slot ? fmt::format("iteration {}, {}", slot->iteration,
                                          count_of(slot->block_count, "block"))
                            : "unreadable";
    if (report.active == static_cast<int>(i)) text += ", active";
    rows.emplace_back(fmt::format("header {}", i + 1), text);
  }
}

void describe_blocks(const Inspection& report, Rows& rows) {
  const DatabaseHeader* header = report.header();
  if (header == nullptr || !report.blocks) return;
  const BlockUsage& blocks = *report.blocks;
  rows.emplace_back("block size", format_bytes(header->block_bytes));
  rows.emplace_back("blocks",
                    fmt::format("{} used ({}), {} free ({})", blocks.used,
                                format_bytes(blocks.used * header->block_bytes), blocks.free,
                                format_bytes(blocks.free * header->block_bytes)));
  rows.emplace_back("", fmt::format("of the used, {} hold metadata and {} are shared by several "
                                    "column segments",
                                    blocks.metadata, blocks.multi_use));
}

void describe_wal(const char* label, const std::optional<WalReport>& wal, Rows& rows) {
  if (!wal) return;
  const WalContent& content = wal->content;
  std::string text = format_bytes(wal->bytes);
  if (!content.header) {
    text += wal->error.empty() ? ", nothing in it yet" : "";
  } else {
    text += fmt::format(", {} up to offset {}", count_of(content.commits, "commit"),
                        content.committed_end);
    if (content.header->iteration) {
      text += fmt::format(", continues iteration {}", *content.header->iteration);
    }
    if (content.has_row_groups) text += ", refers to blocks of the database";
  }
  rows.emplace_back(label, text);
  if (content.marker) {
    rows.emplace_back("", fmt::format("CHECKPOINT entry at offset {}: a checkpoint is running, or "
                                      "was when the writer died",
                                      content.marker->range.begin));
  }
  if (!content.stale_markers.empty()) {
    rows.emplace_back("", fmt::format("{} left in it by checkpoints that failed",
                                      count_of(content.stale_markers.size(), "marker")));
  }
  if (tail_of(*wal) == "incomplete") {
    rows.emplace_back("", fmt::format("the last entry, at offset {}, is incomplete: not committed",
                                      content.scanned_end));
  } else if (tail_of(*wal) == "damaged") {
    rows.emplace_back("", fmt::format("DAMAGED: the checksum of the entry at offset {} is wrong; "
                                      "DuckDB will not open this",
                                      content.scanned_end));
  }
  if (!wal->error.empty()) rows.emplace_back("", wal->error);
}

void describe_users(const Inspection& report, Rows& rows) {
  if (report.writer) {
    rows.emplace_back("in use",
                      fmt::format("{} holds the lock for writing", to_text(*report.writer)));
  } else if (report.reader) {
    rows.emplace_back("in use",
                      fmt::format("{} holds a lock for reading", to_text(*report.reader)));
  } else if (!report.locks_known) {
    rows.emplace_back("in use", "cannot be told: the system does not say who holds a lock here");
  } else {
    rows.emplace_back("in use", "nobody holds a lock");
  }
  for (const Process& process : report.openers.writers) {
    if (report.writer && report.writer->pid == process.pid) continue;
    rows.emplace_back("",
                      fmt::format("{} has it open for writing without a lock", to_text(process)));
  }
  if (report.network_filesystem) {
    rows.emplace_back("", "on a network filesystem: processes of other machines cannot be seen");
  } else if (!report.openers.all_seen) {
    rows.emplace_back("", "processes of other users could not be looked at");
  }
}

void print(const Inspection& report) {
  Rows rows;
  rows.emplace_back("database", report.path.string());
  rows.emplace_back("size", format_bytes(report.file.bytes));
  describe_header(report, rows);
  describe_blocks(report, rows);
  if (report.wal) {
    describe_wal("WAL", report.wal, rows);
  } else {
    rows.emplace_back("WAL", "none");
  }
  describe_wal(".wal.checkpoint", report.wal_checkpoint, rows);
  describe_wal(".wal.recovery", report.wal_recovery, rows);
  if (report.pairing && report.pairing->verdict != Pairing::Verdict::nothing) {
    bool wrong = report.pairing->verdict == Pairing::Verdict::wrong;
    rows.emplace_back("pairing", (wrong ? "WRONG: " : "") + report.pairing->explanation);
  }
  describe_users(report, rows);
  Table table{.columns = {Table::Align::left, Table::Align::left}, .rows = {}};
  for (auto& [label, text] : rows) table.rows.push_back({label, text});
  print_table(table);
  if (report.moved) {
    print_warning("it changed each time it was read; these figures are of several moments");
  }
  for (const std::string& problem : report.problems) print_warning(problem);
}

}  // namespace

Run declare_inspect(CLI::App& app, const Invocation& invocation) {
  struct Arguments {
    std::string database;
    KeyOption key;
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("DB", arguments->database, "The database, in use or not")->required();
  arguments->key.declare(app);
  app.footer("Reads only: takes no lock and does not disturb a writer.");
  return [arguments, &invocation] {
    Inspection report = inspect(arguments->database, arguments->key.read());
    if (invocation.json) {
      print_json(to_json(report), invocation);
    } else {
      print(report);
    }
    return report.problems.empty() ? 0 : exit_status(Errc::corrupt);
  };
}

}  // namespace duckback
