#include "cli/run.h"

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <new>

#include "cli/render.h"
#include "cli/stop.h"

namespace duckback {
namespace {

constexpr std::string_view kProgram = "duckback";

const char* const kExitCodes =
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not all of several databases\n"
    "backed up, 4 database damaged, 10 no repository, 11 file or repository in use,\n"
    "12 wrong password, 13 no such snapshot, 14 repository damaged, 15 no consistent image in\n"
    "time, 16 storage unreachable, 17 no space, 18 verification failed, 20 version or library\n"
    "not supported, 129/130/143 stopped by a signal.";

bool has_flag(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == flag) return true;
  }
  return false;
}

int report(const Error& error, bool json) {
  print_error(kProgram, error, json);
  return exit_status(error.code());
}

// The exit status; what ends the command becomes a message.
int run_and_report(const Run& run, const Command& command, const Invocation& invocation) {
  try {
    return run();
  } catch (const Error& error) {
    return report(error, invocation.json);
  } catch (const Interrupted&) {
    print_note(fmt::format("duckback: stopped; {}", command.when_stopped));
    return StopOnSignal::exit_status();
  } catch (const std::bad_alloc&) {
    return report(Error(Errc::io, std::string("out of memory")), invocation.json);
  } catch (const std::exception& error) {
    return report(
        Error(Errc::io, fmt::format("unexpected error: {}. Please report it", error.what())),
        invocation.json);
  }
}

}  // namespace

int run_duckback(int argc, char** argv) {
  // By default glibc comes to take even buffers of 32 MiB from the heap, where small things that
  // live on keep it from shrinking. Those of a few MiB come and go all the time: mapping each anew
  // costs a restore of 1 GiB 190,000 page faults, a quarter of its processor time. And each thread
  // has a heap of its own, which costs memory where there are many.
  ::mallopt(M_MMAP_THRESHOLD, 8 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  ::mallopt(M_ARENA_MAX, 4);
  StopOnSignal stop;
  Invocation invocation{.stop = stop.token()};
  CLI::App app("duckback backs up DuckDB databases, also while they are being written.",
               std::string(kProgram));
  app.set_version_flag("--version", fmt::format("duckback {}", DUCKBACK_VERSION));
  app.require_subcommand(1);
  app.footer(kExitCodes);

  Run run;
  const Command* chosen = nullptr;
  for (const Command& command : commands()) {
    CLI::App* arguments = app.add_subcommand(command.name, command.summary);
    arguments->add_flag("--json", invocation.json, "Print the result as one line of JSON");
    arguments->add_flag("-q,--quiet", invocation.quiet,
                        "Print only the result, warnings and errors");
    arguments->add_flag("--stats", invocation.stats,
                        "Say which requests a bucket was sent, by kind, and how many bytes");
    Run declared = command.declare(*arguments, invocation);
    arguments->final_callback([&run, &chosen, declared, &command] {
      run = declared;
      chosen = &command;
    });
  }

  bool known = argc < 2 || argv[1][0] == '-';
  for (const CLI::App* command : app.get_subcommands({}))
    known = known || command->check_name(argv[1]);
  if (!known) {
    Error usage(Errc::invalid, "there is no command '{}'. See `duckback --help`", argv[1]);
    return report(usage, has_flag(argc, argv, "--json"));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wish) {  // --help, --version
    return app.exit(wish);
  } catch (const CLI::ParseError& error) {
    Error usage(Errc::invalid, "{}. See `duckback --help`", error.what());
    return report(usage, has_flag(argc, argv, "--json"));
  }

  int status = run_and_report(run, *chosen, invocation);
  if (invocation.stats && !invocation.json) print_traffic();
  return status;
}

}  // namespace duckback
