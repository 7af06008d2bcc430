#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "repo/index.h"

namespace duckback {

// Fetches chunks of a repository; each is checked against its id, so what comes back is what was
// stored. A chunk whose place is damaged or gone is looked for at its other places. Safe to use
// from many threads.
class ChunkReader {
 public:
  ChunkReader(Store& store, const Sealer& sealer, const Namer& namer, const Index& index)
      : store_(store), sealer_(sealer), namer_(namer), index_(index) {}

  // Throws Errc::damaged naming chunk and pack if no place has it.
  Bytes read(const ChunkId& id) const;

  // The same for many, `visit`ed once for each in any order: what lies close together in a pack is
  // fetched together. Equal ids may be given more than once.
  void read(const std::vector<ChunkId>& ids,
            const std::function<void(const ChunkId& id, const Bytes& chunk)>& visit) const;

  // Packs in which a chunk was not what it should be, or that were not there.
  std::set<std::string> damaged() const;

 private:
  void remember_damaged(const PackInfo& pack) const;
  std::shared_ptr<const ObjectSealer> sealer_of(const PackInfo& pack) const;
  Bytes get(const PackInfo& pack, std::uint64_t offset, std::uint64_t bytes) const;
  Bytes read(const ChunkPlace& place) const;
  Bytes unpack(const ChunkPlace& place, ByteView section) const;

  Store& store_;
  const Sealer& sealer_;
  const Namer& namer_;
  const Index& index_;
  mutable std::mutex mutex_;  // for these two
  mutable std::set<std::string> damaged_;
  mutable std::map<std::string, std::shared_ptr<const ObjectSealer>> sealers_;
};

}  // namespace duckback
