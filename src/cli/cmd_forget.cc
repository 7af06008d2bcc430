#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "cli/copy_json.h"
#include "cli/copy_table.h"
#include "cli/render.h"
#include "ops/forget.h"

namespace duckback {
namespace {

struct CountOption {
  const char* flag;
  const char* help;
  int KeepPolicy::*member;
};
constexpr std::array<CountOption, 6> kCounts = {{
    {"--keep-last", "Keep the newest N copies", &KeepPolicy::last},
    {"--keep-hourly", "Keep the newest copy of each of the last N hours that have one",
     &KeepPolicy::hourly},
    {"--keep-daily", "The same for days", &KeepPolicy::daily},
    {"--keep-weekly", "The same for weeks, which begin on Monday", &KeepPolicy::weekly},
    {"--keep-monthly", "The same for months", &KeepPolicy::monthly},
    {"--keep-yearly", "The same for years", &KeepPolicy::yearly},
}};

struct Arguments {
  std::string folder;
  std::array<std::string, kCounts.size()> counts;
  std::string within;
  bool dry_run = false;
};

int parse_count(const char* flag, const std::string& text) {
  if (text == "unlimited") return kUnlimited;
  int count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 0) {
    throw Error(Errc::invalid, "{}: '{}' is no number of copies; give 0, 1, 2, … or unlimited",
                flag, text);
  }
  return count;
}

KeepPolicy policy_of(const Arguments& arguments) {
  KeepPolicy policy;
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    if (arguments.counts[i].empty()) continue;
    policy.*kCounts[i].member = parse_count(kCounts[i].flag, arguments.counts[i]);
  }
  if (!arguments.within.empty()) {
    policy.within =
        in_context("--keep-within", [&] { return parse_calendar_span(arguments.within); });
  }
  return policy;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void print(const ForgetReport& report, bool dry_run, bool quiet) {
  using Align = Table::Align;
  CopyTable table({{Align::left, "ACTION"},
                   {Align::left, "TIME"},
                   {Align::right, "SIZE"},
                   {Align::left, "FILE"},
                   {Align::left, "REASONS"}});
  std::uint64_t removed = 0;
  std::uint64_t freed = 0;
  for (const ForgetDecision& decision : report.decisions) {
    const CatalogCopy& copy = decision.copy;
    bool remove = !decision.keep && decision.error.empty();
    if (remove) {
      ++removed;
      freed += copy.bytes;
    }
    table.add(copy.sidecar,
              {remove ? "remove" : "keep", format_local(copy.sidecar.time),
               format_bytes(copy.bytes), copy.path.filename().string(),
               decision.reasons.empty() ? "no rule keeps it" : join(decision.reasons)});
  }
  table.print();
  if (quiet) return;
  print_note(fmt::format(
      "{} {} ({}), {} kept{}", fmt::format("{} {}", removed, removed == 1 ? "copy" : "copies"),
      dry_run ? "would be removed" : "removed", format_bytes(freed),
      report.decisions.size() - removed, dry_run ? "; nothing was changed" : ""));
  if (report.foreign > 0) {
    print_note(fmt::format("{} without sidecar not touched", count_of(report.foreign, "database")));
  }
}

int run(const Arguments& arguments, const Session& session) {
  ForgetOptions options{.policy = policy_of(arguments), .dry_run = arguments.dry_run};
  ForgetReport report = forget(arguments.folder, options);
  if (session.json) {
    print_exact(to_json(report));
  } else {
    print(report, options.dry_run, session.quiet);
  }
  for (const CatalogProblem& problem : report.problems) {
    print_warning(problem.message + "; not touched");
  }
  std::size_t failed = 0;
  for (const ForgetDecision& decision : report.decisions) {
    if (decision.error.empty()) continue;
    ++failed;
    print_warning(fmt::format("{} stays: {}", decision.copy.path.string(), decision.error));
  }
  if (failed > 0) {
    throw Error(Errc::io, "{} of {} copies could not be removed", failed, report.decisions.size());
  }
  return 0;
}

}  // namespace

Run declare_forget(CLI::App& app, const Session& session) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("DIR", arguments->folder, "The folder that the copies are in")->required();
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    app.add_option(kCounts[i].flag, arguments->counts[i], kCounts[i].help)
        ->type_name("N")
        ->group("Rules (a copy stays if any of them keeps it)");
  }
  app.add_option("--keep-within", arguments->within,
                 "Keep copies younger than this, counted from the newest: 7d, 12h, 1y6m")
      ->type_name("DURATION")
      ->group("Rules (a copy stays if any of them keeps it)");
  app.add_flag("-n,--dry-run", arguments->dry_run, "Show what would be removed, and why");
  app.footer(
      "Databases are told apart by host and path (or --name). Hours, days and weeks are those of\n"
      "this machine's time zone. The newest good copy always stays, and so does everything that\n"
      "duckback did not write.");
  return [arguments, &session] { return run(*arguments, session); };
}

}  // namespace duckback
