#include "repo/trailer.h"

#include <algorithm>

#include "base/byte_reader.h"

namespace duckback {
namespace {

// What is fetched before the length of the section is known: enough for most.
constexpr std::uint64_t kFirstFetchBytes = 64 << 10;

// The kind that the header claims, if objects of that kind end so.
ObjectKind kind_of(ByteView header, const TrailerForm& form) {
  for (ObjectKind kind : form.kinds) {
    if (header[8] == static_cast<std::uint8_t>(kind)) return kind;
  }
  return form.kinds.front();
}

}  // namespace

Bytes get_exactly(Store& store, const std::string& key, Range range) {
  Bytes found = store.get(key, range);
  if (found.size() != range.bytes) {
    throw Error(Errc::damaged, "{}: expected {} bytes at offset {}, {} are there", key, range.bytes,
                range.offset, found.size());
  }
  return found;
}

void append_trailer(const ObjectSealer& sealer, const TrailerForm& form, ByteView content,
                    Bytes& object) {
  DUCKBACK_ASSERT(content.size() <= form.bytes_most);
  std::size_t offset = object.size();
  sealer.seal(offset, as_bytes(form.label), content, object);
  std::uint8_t footer[kFooterBytes];
  store_le(footer, static_cast<std::uint32_t>(object.size() - offset));
  std::copy(form.magic.begin(), form.magic.end(), footer + 4);
  object.insert(object.end(), footer, footer + kFooterBytes);
}

Trailer read_trailer(Store& store, const Sealer& sealer, const TrailerForm& form,
                     const std::string& key, std::uint64_t object_bytes, bool lasting) {
  if (object_bytes < kObjectHeaderBytes + kTagBytes + kFooterBytes) {
    throw Error(Errc::damaged, "{}: {} bytes are too few", key, object_bytes);
  }
  std::uint64_t fetched = std::min(object_bytes, kFirstFetchBytes);
  auto get = [&](std::uint64_t offset, std::uint64_t bytes) {
    return get_exactly(store, key, {.offset = offset, .bytes = bytes, .lasting = lasting});
  };
  Bytes end = get(object_bytes - fetched, fetched);

  ByteReader footer(ByteView(end).last(kFooterBytes), key, object_bytes - kFooterBytes);
  auto section_bytes = footer.read<std::uint32_t>("the length of the last section");
  if (section_bytes < kTagBytes || section_bytes - kTagBytes > form.bytes_most ||
      section_bytes > object_bytes - kObjectHeaderBytes - kFooterBytes) {
    footer.fail("a length of the last section that is possible before");
  }
  ByteView magic = footer.take(form.magic.size(), "the end of the object");
  if (!std::equal(magic.begin(), magic.end(), form.magic.begin())) {
    footer.fail(fmt::format("'{}' before", form.magic));
  }

  std::uint64_t offset = object_bytes - kFooterBytes - section_bytes;
  Bytes header = fetched == object_bytes ? Bytes(end.begin(), end.begin() + kObjectHeaderBytes)
                                         : get(0, kObjectHeaderBytes);
  ObjectKind kind = kind_of(header, form);
  ObjectSealer object = sealer.reopen(kind, header, key);
  Bytes section = section_bytes + kFooterBytes <= fetched
                      ? Bytes(end.end() - kFooterBytes - section_bytes, end.end() - kFooterBytes)
                      : get(offset, section_bytes);
  Bytes content = object.open(offset, as_bytes(form.label), section, key);
  return {std::move(object), kind, std::move(content), offset};
}

}  // namespace duckback
