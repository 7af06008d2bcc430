#pragma once

#include "cli/command.h"

namespace duckback {

// The program `duckback`: finds the command, parses, runs it, and turns errors into messages and
// exit statuses.
int run_duckback(int argc, char** argv);

// The program `backup_duckdb`: the four arguments of the scripts that it replaces, a log on
// standard error, the path of the copy on standard output. Exits 0 or 1.
int run_backup_duckdb(int argc, char** argv);

}  // namespace duckback
