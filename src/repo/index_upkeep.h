#pragma once

#include "repo/index.h"

namespace duckback {

// What keeps index objects few, in two steps that anybody may take at any time: those that are put
// together stay, void, until nobody can have them open any more (docs/format.md, "Index").

// Puts those of about the same size together where there are many of them, so that each entry is
// written again only as often as its index becomes eight times as large. Returns how many went;
// `index` has the new ones. Every entry stays, also of packs with a tombstone: two prunes that
// stopped each other may have left one on all packs of a chunk.
std::size_t merge_levels(Store& store, const Sealer& sealer, Index& index);
// Whether merge_levels() would do something.
bool levels_are_full(const Index& index);

// Removes the objects that files of `index`, put at `latest` or before, supersede.
void remove_superseded(Store& store, const Index& index, SystemTime latest);

}  // namespace duckback
