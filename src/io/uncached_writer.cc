#include "io/uncached_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace duckback {
namespace {

// A logical block of any disk, and a page.
constexpr std::uint64_t kAlignment = 4096;

bool is_aligned(std::uint64_t number) { return number % kAlignment == 0; }

}  // namespace

UncachedWriter::UncachedWriter(const File& file) : file_(file) {
  // By way of /proc, for the file may have no name, or another one by now.
  std::string path = fmt::format("/proc/self/fd/{}", file.descriptor());
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
  works_ = descriptor_ >= 0;
}

UncachedWriter::~UncachedWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void UncachedWriter::write_at(std::uint64_t offset, ByteView bytes) const {
  std::size_t around = 0;
  if (works_ && is_aligned(offset) && is_aligned(reinterpret_cast<std::uintptr_t>(bytes.data()))) {
    around = write_around(offset, bytes.first(bytes.size() - bytes.size() % kAlignment));
  }
  if (around < bytes.size()) file_.write_at(offset + around, bytes.subspan(around));
}

std::size_t UncachedWriter::write_around(std::uint64_t offset, ByteView bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                             static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    // Full disks and real errors: the ordinary way meets them too, and says so.
    if (count <= 0) works_ = false;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
    if (!is_aligned(done)) break;
  }
  return done;
}

}  // namespace duckback
