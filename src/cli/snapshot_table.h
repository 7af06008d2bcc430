#pragma once

#include <string>

#include "cli/command.h"
#include "repo/repository.h"

namespace duckback {

// Prints the snapshots of a repository, `database`: only of this one. The exit status.
int print_snapshots(const Repository& repository, const std::string& database,
                    const Invocation& invocation);

}  // namespace duckback
