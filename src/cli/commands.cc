#include "cli/command.h"

namespace duckback {

Run declare_copy(CLI::App& arguments, const Invocation& invocation);
Run declare_list(CLI::App& arguments, const Invocation& invocation);
Run declare_verify(CLI::App& arguments, const Invocation& invocation);
Run declare_forget(CLI::App& arguments, const Invocation& invocation);
Run declare_init(CLI::App& arguments, const Invocation& invocation);
Run declare_backup(CLI::App& arguments, const Invocation& invocation);
Run declare_snapshots(CLI::App& arguments, const Invocation& invocation);
Run declare_restore(CLI::App& arguments, const Invocation& invocation);
Run declare_prune(CLI::App& arguments, const Invocation& invocation);
Run declare_undelete(CLI::App& arguments, const Invocation& invocation);
Run declare_check(CLI::App& arguments, const Invocation& invocation);
Run declare_stats(CLI::App& arguments, const Invocation& invocation);
Run declare_diff(CLI::App& arguments, const Invocation& invocation);
Run declare_tag(CLI::App& arguments, const Invocation& invocation);
Run declare_pin(CLI::App& arguments, const Invocation& invocation);
Run declare_unpin(CLI::App& arguments, const Invocation& invocation);
Run declare_key(CLI::App& arguments, const Invocation& invocation);
Run declare_repair(CLI::App& arguments, const Invocation& invocation);
Run declare_sync(CLI::App& arguments, const Invocation& invocation);
Run declare_inspect(CLI::App& arguments, const Invocation& invocation);

std::span<const Command> commands() {
  static const Command all[] = {
      {"copy", "Copy a database, in use or not, to a plain file", declare_copy, "no copy was made"},
      {"list", "Show the copies in a folder, or the snapshots of a repository", declare_list},
      {"verify", "Prove that copies are whole", declare_verify,
       "what was not reported was not verified"},
      {"forget", "Remove old copies or snapshots by rule", declare_forget,
       "no snapshot that stays has lost anything; the same command goes on"},
      {"init", "Make a repository", declare_init},
      {"backup", "Make a snapshot of a database, in use or not", declare_backup,
       "the snapshot that was under way was not made; the next backup goes on with what is stored"},
      {"snapshots", "Show the snapshots of a repository", declare_snapshots},
      {"restore", "Give a snapshot back as a database", declare_restore,
       "what was at the target is there as it was; with --delta it is unfinished, and no DuckDB "
       "opens it, until the same command has been run to its end"},
      {"prune", "Free what no snapshot needs", declare_prune,
       "no snapshot has lost anything; what is not freed yet the next prune frees"},
      {"undelete", "Bring forgotten snapshots back", declare_undelete},
      {"check", "Prove that a repository is whole, and say what damage costs", declare_check},
      {"stats", "Show what snapshots cost", declare_stats},
      {"diff", "Show what changed between two snapshots", declare_diff},
      {"tag", "Change the tags of a snapshot", declare_tag},
      {"pin", "Keep snapshots whatever the rules of forget say", declare_pin},
      {"unpin", "Let the rules of forget judge snapshots again", declare_unpin},
      {"key", "Show and change the passwords of a repository", declare_key},
      {"repair", "Make the index of a repository anew", declare_repair,
       "no snapshot is lost; run the same command again"},
      {"sync", "Copy snapshots to another repository", declare_sync,
       "the snapshots that were copied are whole; the same command goes on"},
      {"inspect", "Show what a database file says and who has it open", declare_inspect},
  };
  return all;
}

}  // namespace duckback
