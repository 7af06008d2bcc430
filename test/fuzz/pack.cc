// Input: a byte that chooses what the rest is.
// 0: u32 bytes of chunks, then a directory, which is sealed right.
// 1: u32 raw, then what is stored of a chunk.
// 2: a whole pack.

#include "repo/pack.h"

#include "store/memory_store.h"
#include "test/fuzz/fuzz.h"
#include "test/support/repo_objects.h"

using namespace duckback;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  static const Sealer sealer(test::kRepository, std::nullopt);
  static const Namer namer(test::a_secret());
  static const ObjectSealer pack_sealer = sealer.reopen(ObjectKind::data_pack, Salt{});
  auto number = load_le<std::uint32_t>(data + 1);
  ByteView rest(data + 5, size - 5);

  if (data[0] % 3 == 1) {
    PackedChunk chunk{{}, 44, static_cast<std::uint32_t>(rest.size()), number};
    fuzz::allow_error([&] { unpack_chunk({rest.begin(), rest.end()}, chunk, namer, "a pack"); });
    // With the id that the bytes have, they come back.
    chunk.raw = chunk.stored;
    chunk.id = namer.chunk_id(rest);
    if (chunk.raw <= kChunkBytesMost) {
      Bytes bytes = unpack_chunk({rest.begin(), rest.end()}, chunk, namer, "a pack");
      DUCKBACK_ASSERT(std::equal(bytes.begin(), bytes.end(), rest.begin(), rest.end()));
    }
    return 0;
  }
  test::Object pack;
  if (data[0] % 3 == 0) {
    pack = test::raw_pack(pack_sealer, Bytes(number % (1 << 16)), rest);
  } else {
    pack = test::named({data + 1, data + size});
  }
  MemoryStore store;
  store.put(pack_key(pack.id), pack.bytes);
  fuzz::allow_error([&] {
    PackDirectory directory = read_pack_directory(store, sealer, pack.id, pack.bytes.size());
    std::uint64_t end = kObjectHeaderBytes;
    for (const PackedChunk& chunk : directory.chunks) {
      DUCKBACK_ASSERT(chunk.offset == end && chunk.stored <= chunk.raw);
      DUCKBACK_ASSERT(chunk.raw <= kChunkBytesMost);
      end += chunk.stored + kTagBytes;
    }
    DUCKBACK_ASSERT(end < pack.bytes.size());
  });
  return 0;
}
