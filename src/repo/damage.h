#pragma once

#include <set>
#include <string>
#include <unordered_set>

#include "repo/chunk_reader.h"
#include "repo/index.h"
#include "repo/repository.h"

namespace duckback {

// Notes of packs that were found damaged or missing (docs/format.md, "Damage, and how it heals").
std::set<std::string> list_damage_notes(Store& store);
void put_damage_note(const Repository& repository, const std::string& pack_id);
// One for each pack that `reader` found damaged or missing; whether there is one.
bool note_damaged_packs(const Repository& repository, const ChunkReader& reader);
void remove_damage_note(Store& store, const std::string& pack_id);

// What the index lists, beside what is there.
struct PackListing {
  // Listed, and not there with that size; one that was removed since is among them.
  std::set<std::string> missing;
  std::set<std::string> unlisted;  // there, and in no index
};
PackListing list_packs(Store& store, const Index& index);
// A note for each `missing` one that no prune removed and the index does not treat as absent;
// whether there is one. They are no place to find chunks in.
bool note_missing_packs(const Repository& repository, const Index& index,
                        const std::set<std::string>& missing);

// Chunks that the index finds in the packs `bad` only. Nothing is read if there are none of these;
// else the whole index, twice. Memory: 64 bytes a chunk in a bad pack.
std::unordered_set<ChunkId> chunks_only_in(const std::set<std::string>& bad, const Index& index);

}  // namespace duckback
