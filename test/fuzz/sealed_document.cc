// Input: the JSON of a session and of a list of packs that were checked, which is sealed right.
// Neither may stop what only lists them.

#include "ops/check_ledger.h"
#include "repo/session.h"
#include "store/memory_store.h"
#include "test/fuzz/fuzz.h"
#include "test/support/repo_objects.h"

using namespace duckback;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto empty = [] {
    auto store = std::make_shared<MemoryStore>();
    Repository::create(store, std::nullopt);
    return store;
  }();
  auto store = std::make_shared<MemoryStore>(*empty);
  Repository repository = Repository::open(store, std::nullopt);
  std::string json(reinterpret_cast<const char*>(data), size);
  put_document(*store, repository.sealer(), "sessions/00112233445566778899aabbccddeeff", json);
  DUCKBACK_ASSERT(list_sessions(repository).size() == 1);

  const std::string pack(64, 'a');
  put_document(*store, repository.sealer(),
               "checks/20261122T234501250Z-00112233445566778899aabbccddeeff", json);
  DUCKBACK_ASSERT(read_check_ledger(repository, {pack}).size() <= 1);
  add_to_check_ledger(repository, SystemTime(std::chrono::seconds(1'800'000'000)), {pack}, {pack});
  DUCKBACK_ASSERT(read_check_ledger(repository, {pack}).contains(pack));
  return 0;
}
