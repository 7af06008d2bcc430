// Input: a byte that chooses what the rest is: 0 the JSON of a config, 1 that of a key, with the
// lines around it made right; 2 a whole config, 3 a whole key. No key is tried: what scrypt is
// asked for must be found impossible before that.

#include "repo/clear_document.h"

#include "repo/config.h"
#include "repo/key.h"
#include "store/memory_store.h"
#include "test/fuzz/fuzz.h"
#include "test/support/repo_objects.h"

using namespace duckback;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool whole = data[0] % 4 >= 2;
  bool key = data[0] % 2 == 1;
  if (!whole) text = write_clear_document(key ? "key" : "config", text);
  fuzz::allow_error([&] {
    std::string json = read_clear_document(key ? "key" : "config", as_bytes(text), "a document");
    DUCKBACK_ASSERT(write_clear_document(key ? "key" : "config", json) == text);
  });

  MemoryStore store;
  if (key) {
    // The copy is read where the key is not whole.
    store.put("keys/00112233445566778899aabbccddeeff", as_bytes(text.substr(0, text.size() / 2)));
    store.put("keys-copy/00112233445566778899aabbccddeeff", as_bytes(text));
    fuzz::allow_error([&] {
      for (const KeyInfo& info : list_keys(store, test::kRepository)) {
        DUCKBACK_ASSERT(info.id.size() == 32);
      }
    });
    return 0;
  }
  store.put("config-copy", as_bytes(text));
  fuzz::allow_error([&] {
    Config config = read_config(store);
    DUCKBACK_ASSERT(config.encrypted != config.secret.has_value());
    MemoryStore again;
    create_config(again, config);
    DUCKBACK_ASSERT(read_config(again).id == config.id);
    Sealer sealer(config.id, std::nullopt);
  });
  return 0;
}
