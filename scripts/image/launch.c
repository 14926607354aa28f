/* The image's `trunkline`: what bin/trunkline is in a checkout. The image has no shell. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <stdio.h>

#define MOST 4096

int main(int count, char **words) {
  char *all[MOST + 8];
  int at = 0;
  const char *command = count > 1 ? words[1] : "";
  if (count > MOST) return 2;
  unsetenv("NODE_EXTRA_CA_CERTS");
  unsetenv("NODE_OPTIONS");
  setenv("UV_THREADPOOL_SIZE", "8", 0);
  all[at++] = "/usr/bin/node";
  all[at++] = "--disable-warning=ExperimentalWarning";
  if (strcmp(command, "agent") == 0 || strcmp(command, "controller") == 0) {
    setenv("MALLOC_ARENA_MAX", "2", 0);
    all[at++] = "--max-semi-space-size=4";
    all[at++] = "--heap-growing-percent=30";
  }
  all[at++] = "/usr/lib/trunkline/dist/trunkline.js";
  for (int i = 1; i < count; i++) all[at++] = words[i];
  all[at] = NULL;
  execv(all[0], all);
  perror("/usr/bin/node");
  return 127;
}
