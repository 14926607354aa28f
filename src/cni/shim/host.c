/* The little that the plugin executable needs of the system, as functions of the global object `host`, and its main.
 * Built twice from the same objects: with -DCOMPILER it turns a script into bytecode, without it it runs the bytecode. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "quickjs.h"

static JSContext *new_context(JSRuntime *runtime) {
  JSContext *ctx = JS_NewContextRaw(runtime);
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicStringNormalize(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
#ifdef COMPILER
  JS_AddIntrinsicEval(ctx);
  JS_AddIntrinsicRegExpCompiler(ctx);
#endif
  return ctx;
}

/* Reads until the end of file. Returns NULL with errno set on failure; the caller frees. */
static char *read_all(int fd, size_t *length) {
  size_t room = 16384;
  char *text = malloc(room);
  *length = 0;
  while (text) {
    ssize_t got = read(fd, text + *length, room - *length);
    if (got == 0) return text;
    if (got < 0) {
      if (errno == EINTR) continue;
      free(text);
      return NULL;
    }
    *length += (size_t)got;
    if (*length == room) {
      char *more = realloc(text, room *= 2);
      if (!more) free(text);
      text = more;
    }
  }
  return NULL;
}

static int write_all(int fd, const char *text, size_t length, int is_socket) {
  while (length > 0) {
    /* An agent that dies meanwhile must be an error, not a signal. */
    ssize_t put = is_socket ? send(fd, text, length, MSG_NOSIGNAL) : write(fd, text, length);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return -1;
    text += put;
    length -= (size_t)put;
  }
  return 0;
}

#ifdef COMPILER
int main(int argc, char **argv) {
  size_t length, size;
  int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
  char *source = fd < 0 ? NULL : read_all(fd, &length);
  if (!source) return perror("script"), 1;
  source = realloc(source, length + 1);
  source[length] = 0;
  JSContext *ctx = new_context(JS_NewRuntime());
  JSValue code = JS_Eval(ctx, source, length, "trunkline", JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(code)) {
    fprintf(stderr, "%s\n", JS_ToCString(ctx, JS_GetException(ctx)));
    return 1;
  }
  uint8_t *bytes = JS_WriteObject(ctx, &size, code, JS_WRITE_OBJ_BYTECODE);
  printf("static const unsigned char bytecode[] = {");
  for (size_t i = 0; i < size; i++) printf("%s%u,", i % 24 ? "" : "\n", bytes[i]);
  printf("\n};\n");
  return 0;
}
#else
#include "bytecode.h"

/* Memory from the front of a piece, never given back: the process ends within milliseconds, and an allocator's own
 * start and book-keeping would take longer than what it is needed for. Before each block stands its size. */
enum { PIECE = 1 << 20, GRAIN = 16 };

static char *piece, *piece_end;

static size_t rounded(size_t size) { return (size + GRAIN - 1) & ~(size_t)(GRAIN - 1); }

static size_t size_of(const void *block) { return block ? *(const size_t *)((const char *)block - GRAIN) : 0; }

static void *take(JSMallocState *state, size_t size) {
  if (size > SIZE_MAX / 2) return NULL;
  size_t room = rounded(size) + GRAIN;
  if ((size_t)(piece_end - piece) < room) {
    size_t length = room > PIECE ? room : PIECE;
    char *more = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) return NULL;
    piece = more;
    piece_end = more + length;
  }
  char *block = piece + GRAIN;
  piece += room;
  *(size_t *)(block - GRAIN) = room - GRAIN;
  return block;
}

static void drop(JSMallocState *state, void *block) {}

static void *resize(JSMallocState *state, void *block, size_t size) {
  size_t before = size_of(block);
  if (size <= before) return block;
  void *fresh = take(state, size);
  if (fresh && before > 0) memcpy(fresh, block, before);
  return fresh;
}

static const JSMallocFunctions memory = {take, drop, resize, size_of};

static int exit_code = 1;

static JSValue host_getenv(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  const char *name = JS_ToCString(ctx, argv[0]);
  const char *value = getenv(name);
  JS_FreeCString(ctx, name);
  return value ? JS_NewString(ctx, value) : JS_UNDEFINED;
}

static JSValue host_read_stdin(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  char *text = read_all(0, &length);
  if (!text) return JS_NewString(ctx, "");
  JSValue value = JS_NewStringLen(ctx, text, length);
  free(text);
  return value;
}

static JSValue host_ask(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length, got;
  int32_t seconds = 0;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = JS_ToCString(ctx, argv[0]);
  size_t path_length = strlen(path);
  JS_ToInt32(ctx, &seconds, argv[2]);
  if (path_length < sizeof address.sun_path) memcpy(address.sun_path, path, path_length);
  JS_FreeCString(ctx, path);
  if (path_length >= sizeof address.sun_path) return JS_UNDEFINED;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return JS_UNDEFINED;
  struct timeval limit = {.tv_sec = seconds};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const char *request = JS_ToCStringLen(ctx, &length, argv[1]);
  char *reply = NULL;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && write_all(fd, request, length, 1) == 0 &&
      shutdown(fd, SHUT_WR) == 0)
    reply = read_all(fd, &got);
  JS_FreeCString(ctx, request);
  close(fd);
  if (!reply) return JS_UNDEFINED;
  JSValue value = JS_NewStringLen(ctx, reply, got);
  free(reply);
  return value;
}

static void make_folders(char *path) {
  for (char *at = path + 1; *at; at++)
    if (*at == '/') {
      *at = 0;
      mkdir(path, 0700);
      *at = '/';
    }
  mkdir(path, 0700);
}

/* The file is on the disk before this returns: the runtime will not ask again. */
static JSValue host_put(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  char folder[2048], target[2560], temporary[2560];
  size_t length;
  const char *first = JS_ToCString(ctx, argv[0]), *second = JS_ToCString(ctx, argv[1]);
  const char *text = JS_ToCStringLen(ctx, &length, argv[2]);
  int fits = snprintf(folder, sizeof folder, "%s", first) < (int)sizeof folder &&
             snprintf(target, sizeof target, "%s/%s", first, second) < (int)sizeof target &&
             snprintf(temporary, sizeof temporary, "%s/.%d.tmp", first, (int)getpid()) < (int)sizeof temporary;
  errno = ENAMETOOLONG;
  int good = 0;
  if (fits) {
    make_folders(folder);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    good = fd >= 0 && write_all(fd, text, length, 0) == 0 && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) good = 0;
    if (good) good = rename(temporary, target) == 0;
    if (!good && fd >= 0) {
      /* On a full disk what is left of it would be in the way. */
      int why = errno;
      unlink(temporary);
      errno = why;
    }
    if (good && (fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
      fsync(fd);
      close(fd);
    }
  }
  JSValue value = good ? JS_UNDEFINED : JS_NewString(ctx, strerror(errno));
  JS_FreeCString(ctx, first);
  JS_FreeCString(ctx, second);
  JS_FreeCString(ctx, text);
  return value;
}

static JSValue host_write(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int32_t fd = 1;
  size_t length;
  JS_ToInt32(ctx, &fd, argv[0]);
  const char *text = JS_ToCStringLen(ctx, &length, argv[1]);
  write_all(fd, text, length, 0);
  JS_FreeCString(ctx, text);
  return JS_UNDEFINED;
}

static JSValue host_exit_code(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  JS_ToInt32(ctx, &exit_code, argv[0]);
  return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("getenv", 1, host_getenv),  JS_CFUNC_DEF("readStdin", 0, host_read_stdin),
    JS_CFUNC_DEF("ask", 3, host_ask),        JS_CFUNC_DEF("put", 3, host_put),
    JS_CFUNC_DEF("write", 2, host_write),    JS_CFUNC_DEF("exitCode", 1, host_exit_code),
};

int main(void) {
  JSContext *ctx = new_context(JS_NewRuntime2(&memory, NULL));
  JSValue global = JS_GetGlobalObject(ctx), host = JS_NewObject(ctx);
  JS_SetPropertyFunctionList(ctx, host, functions, sizeof functions / sizeof *functions);
  JS_SetPropertyStr(ctx, global, "host", host);
  JSValue end = JS_EvalFunction(ctx, JS_ReadObject(ctx, bytecode, sizeof bytecode, JS_READ_OBJ_BYTECODE));
  if (JS_IsException(end)) {
    /* A fault of ours: still an error object, so that the runtime can show it. */
    printf("{\"code\":999,\"msg\":\"the plugin executable failed\"}\n");
    fprintf(stderr, "%s\n", JS_ToCString(ctx, JS_GetException(ctx)));
    fflush(stdout);
    _exit(1);
  }
  /* Nothing is freed: the process ends here, and the kernel is quicker at it. */
  _exit(exit_code);
}
#endif
