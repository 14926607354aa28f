/* The image's `trunkline`: what bin/trunkline is in a checkout. The image has no shell. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <stdio.h>

#define MOST 4096
/* A test puts others here. */
#ifndef NODE
#define NODE "/usr/bin/node"
#define MAIN "/usr/lib/trunkline/dist/trunkline.js"
#endif

int main(int count, char **words) {
  char *all[MOST + 16];
  int at = 0;
  const char *command = count > 1 ? words[1] : "";
  if (count > MOST) return 2;
  unsetenv("NODE_EXTRA_CA_CERTS");
  unsetenv("NODE_OPTIONS");
  setenv("UV_THREADPOOL_SIZE", "8", 0);
  all[at++] = NODE;
  all[at++] = "--disable-warning=ExperimentalWarning";
  if (strcmp(command, "agent") == 0 || strcmp(command, "controller") == 0) {
    setenv("MALLOC_ARENA_MAX", "2", 0);
    all[at++] = "--expose-gc";
    all[at++] = "--max-semi-space-size=4";
    all[at++] = "--heap-growing-percent=30";
    all[at++] = "--no-sparkplug";
  }
  all[at++] = MAIN;
  for (int i = 1; i < count; i++) all[at++] = words[i];
  all[at] = NULL;
  execv(all[0], all);
  perror(NODE);
  return 127;
}
