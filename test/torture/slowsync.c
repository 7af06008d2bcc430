// LD_PRELOAD: makes a writer's disk slow, so that the short windows of a checkpoint become long.
// In a reader it slows reading.
//   SLOWSYNC_MS         before every fsync and fdatasync of a file that is no WAL
//   SLOWSYNC_WAL_MS     the same of a WAL
//   SLOWSYNC_HEADER_MS  before a database header is written (4096 bytes at 4096 or 8192)
//   SLOWSYNC_READ_US    before every pread of 16 KiB and more
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long setting(const char* name) {
  const char* text = getenv(name);
  return text == NULL ? 0 : atol(text);
}

static void sleep_us(long us) {
  if (us <= 0) return;
  struct timespec left = {us / 1000000, us % 1000000 * 1000};
  while (nanosleep(&left, &left) != 0) {
  }
}

static int is_wal(int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return strstr(path, ".wal") != NULL;
}

static void before_sync(int fd) {
  sleep_us(1000 * setting(is_wal(fd) ? "SLOWSYNC_WAL_MS" : "SLOWSYNC_MS"));
}

static void before_write(size_t count, off_t offset) {
  if (count == 4096 && (offset == 4096 || offset == 8192))
    sleep_us(1000 * setting("SLOWSYNC_HEADER_MS"));
}

static void before_read(size_t count) {
  if (count >= 16384) sleep_us(setting("SLOWSYNC_READ_US"));
}

// ISO C has no cast from an object to a function.
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
  before_sync(fd);
  return REAL(fsync)(fd);
}

int fdatasync(int fd) {
  before_sync(fd);
  return REAL(fdatasync)(fd);
}

ssize_t pwrite(int fd, const void* buffer, size_t count, off_t offset) {
  before_write(count, offset);
  return REAL(pwrite)(fd, buffer, count, offset);
}

ssize_t pwrite64(int fd, const void* buffer, size_t count, off64_t offset) {
  before_write(count, offset);
  return REAL(pwrite64)(fd, buffer, count, offset);
}

ssize_t pread(int fd, void* buffer, size_t count, off_t offset) {
  before_read(count);
  return REAL(pread)(fd, buffer, count, offset);
}

ssize_t pread64(int fd, void* buffer, size_t count, off64_t offset) {
  before_read(count);
  return REAL(pread64)(fd, buffer, count, offset);
}
