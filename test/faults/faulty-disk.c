/* A disk that fails, for one process: preloaded before the C library, it lets calls on certain files fail as a full, broken
 * or read-only disk does. FAULTY_FILES: what their paths must contain, separated by colons. FAULTY_MOOD: a file with what is
 * wrong at the moment and how often, such as `full 300` (in 300 of 1000 calls); read at every call, so that the disk can be
 * mended while the process runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { NOTHING, FULL, BROKEN, READ_ONLY };
enum call { READING, WRITING, SYNCING, CHANGING };

static _Thread_local uint64_t state;
/* After a short write the disk is full until the next write has been refused. */
static int refuse_next;

static unsigned draw(unsigned below) {
  if (state == 0) state = (uint64_t)time(NULL) * 2654435761u ^ ((uint64_t)syscall(SYS_gettid) << 32) ^ (uintptr_t)&state;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)((state >> 33) % below);
}

static enum kind mood(unsigned *permille) {
  const char *file = getenv("FAULTY_MOOD");
  char text[64] = {0}, word[16] = {0};
  int fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0) : -1;
  if (fd < 0) return NOTHING;
  long got = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (got <= 0 || sscanf(text, "%15s %u", word, permille) != 2) return NOTHING;
  if (strcmp(word, "full") == 0) return FULL;
  if (strcmp(word, "broken") == 0) return BROKEN;
  return strcmp(word, "read-only") == 0 ? READ_ONLY : NOTHING;
}

static int is_meant(const char *path) {
  const char *files = getenv("FAULTY_FILES");
  if (!files || !path) return 0;
  for (const char *at = files; *at;) {
    size_t length = strcspn(at, ":");
    if (length > 0 && length < 256) {
      char part[256];
      memcpy(part, at, length);
      part[length] = 0;
      if (strstr(path, part)) return 1;
    }
    at += length + (at[length] == ':');
  }
  return 0;
}

/* Returns the errno that the call fails with, or 0. */
static int fate(const char *path, enum call call) {
  unsigned permille = 0;
  if (!is_meant(path)) return 0;
  enum kind kind = mood(&permille);
  if (kind == NOTHING) {
    refuse_next = 0;
    return 0;
  }
  if (kind == FULL && call == WRITING && __atomic_exchange_n(&refuse_next, 0, __ATOMIC_SEQ_CST)) return ENOSPC;
  if (draw(1000) >= permille) return 0;
  if (kind == FULL) return call == WRITING ? ENOSPC : 0;
  if (kind == BROKEN) return call == CHANGING ? 0 : EIO;
  return call == WRITING || call == CHANGING ? EROFS : 0;
}

static int fate_of(int fd, enum call call) {
  char link[64], path[1024];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return fate(path, call);
}

/* How much of a write a full disk takes before it says that it is full: nothing, or a part, without an error. */
static size_t taken(size_t length) {
  if (length < 2 || draw(2) == 0) return 0;
  __atomic_store_n(&refuse_next, 1, __ATOMIC_SEQ_CST);
  return 1 + draw((unsigned)(length - 1));
}

#define NEXT(name) \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(why) return errno = (why), -1

ssize_t write(int fd, const void *bytes, size_t length) {
  NEXT(write);
  int why = fate_of(fd, WRITING);
  size_t part = why == ENOSPC ? taken(length) : 0;
  if (part > 0) return next(fd, bytes, part);
  if (why) FAIL(why);
  return next(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  NEXT(pwrite);
  int why = fate_of(fd, WRITING);
  size_t part = why == ENOSPC ? taken(length) : 0;
  if (part > 0) return next(fd, bytes, part, at);
  if (why) FAIL(why);
  return next(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return pwrite(fd, bytes, length, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
  NEXT(writev);
  int why = fate_of(fd, WRITING);
  if (why) FAIL(why);
  return next(fd, parts, count);
}

ssize_t read(int fd, void *bytes, size_t length) {
  NEXT(read);
  int why = fate_of(fd, READING);
  if (why) FAIL(why);
  return next(fd, bytes, length);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
  NEXT(pread);
  int why = fate_of(fd, READING);
  if (why) FAIL(why);
  return next(fd, bytes, length, at);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) { return pread(fd, bytes, length, at); }

int fsync(int fd) {
  NEXT(fsync);
  int why = fate_of(fd, SYNCING);
  if (why) FAIL(why);
  return next(fd);
}

int fdatasync(int fd) {
  NEXT(fdatasync);
  int why = fate_of(fd, SYNCING);
  if (why) FAIL(why);
  return next(fd);
}

int ftruncate(int fd, off_t length) {
  NEXT(ftruncate);
  int why = fate_of(fd, CHANGING);
  if (why) FAIL(why);
  return next(fd, length);
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int rename(const char *from, const char *to) {
  NEXT(rename);
  int why = fate(to, CHANGING);
  if (why) FAIL(why);
  return next(from, to);
}

int link(const char *from, const char *to) {
  NEXT(link);
  int why = fate(to, CHANGING);
  if (why) FAIL(why);
  return next(from, to);
}

int unlink(const char *path) {
  NEXT(unlink);
  int why = fate(path, CHANGING);
  if (why) FAIL(why);
  return next(path);
}

int open(const char *path, int flags, ...) {
  NEXT(open);
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  int why = (flags & O_ACCMODE) != O_RDONLY ? fate(path, CHANGING) : 0;
  if (why) FAIL(why);
  return next(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return open(path, flags | O_LARGEFILE, mode);
}
