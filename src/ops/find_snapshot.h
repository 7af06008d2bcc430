#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/snapshot_details.h"
#include "repo/repository.h"

namespace duckback {

struct FoundSnapshot {
  SnapshotName name;
  Snapshot snapshot;
  SnapshotDetails details;
};

// Whether it is of the database that `database` names: a path, as it was given or resolved when it
// was backed up, or a name. "" names all.
bool is_of_database(const Snapshot& snapshot, const std::string& database);

// All snapshots, oldest first; `database`: only of this (see above).
// One that is damaged is handed to `damaged`, and left out. Throws Errc::no_snapshot if there is
// none of `database`: the name may be misspelled.
std::vector<FoundSnapshot> read_snapshots(
    const Repository& repository, const std::string& database = {},
    const std::function<void(const SnapshotName&, const Error&)>& damaged = {});

[[noreturn]] void throw_no_snapshot_of(const std::string& database);

// The one of `names` whose id begins with `id`, of at least 4 digits. Throws Errc::no_snapshot if
// there is none, or more than one.
const SnapshotName& find_name(const std::vector<SnapshotName>& names, const std::string& id);

// The one that `reference` means: an id (also one from before it was tagged) or its beginning,
// `latest`, `latest~N`, a tag, or `@TIME` (UTC unless it says otherwise), the newest not after it.
// Of several databases one must be named, except by id. Throws Errc::no_snapshot with what there
// is.
FoundSnapshot find_snapshot(const Repository& repository, const std::string& reference,
                            const std::string& database = {});

// A tag that is given now: throws Errc::invalid for what find_snapshot() would take for something
// else, and for what a list of tags cannot show. Older snapshots may have such tags all the same.
void check_new_tag(const std::string& tag);

}  // namespace duckback
