#include "cli/command.h"

namespace duckback {

Run declare_copy(CLI::App& arguments, const Session& session);
Run declare_list(CLI::App& arguments, const Session& session);
Run declare_verify(CLI::App& arguments, const Session& session);
Run declare_forget(CLI::App& arguments, const Session& session);
Run declare_inspect(CLI::App& arguments, const Session& session);

std::span<const Command> commands() {
  static const Command all[] = {
      {"copy", "Copy a database, in use or not, to a plain file", declare_copy},
      {"list", "Show the copies in a folder", declare_list},
      {"verify", "Prove that copies are whole", declare_verify},
      {"forget", "Remove old copies by rule", declare_forget},
      {"inspect", "Show what a database file says and who has it open", declare_inspect},
  };
  return all;
}

}  // namespace duckback
