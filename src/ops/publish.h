#pragma once

#include "ops/file_sink.h"

namespace duckback {

// The names that belong to a database at `path` and that publishing replaces or removes.
std::vector<fs::path> names_of_copy(const fs::path& path);

// Gives a staged copy its name, in one step where a single file replaces a single file. Where a WAL
// is part of the old or the new copy, the header comes last: until both new files have their names
// the database has no main header, so a kill at any moment never leaves a database with the WAL of
// another, nor a WAL alone. The old sidecar is removed first. Durable on return.
// With `replace` false nothing is changed and false returned if `destination` exists. `unfinished`
// stands in the header's place meanwhile, as of unfinished_header().
[[nodiscard]] bool publish(FileSink::Staged& copy, const fs::path& destination, bool replace,
                           std::string_view unfinished);

}  // namespace duckback
