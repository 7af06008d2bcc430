// LD_PRELOAD: shifts the time of day that a program sees by CLOCK_SHIFT_SECONDS. Files keep the kernel's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  // ISO C has no cast from an object to a function.
  if (real == NULL) real = (__typeof__(real))(uintptr_t)dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  const char* shift = getenv("CLOCK_SHIFT_SECONDS");
  if (result == 0 && clock == CLOCK_REALTIME && shift != NULL) now->tv_sec += atol(shift);
  return result;
}
