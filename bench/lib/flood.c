/* Sends UDP datagrams at a steady rate: flood ADDRESS PORT RATE SECONDS. Prints how many the kernel took. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, BYTES = 32 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return 2;
  char bytes[BYTES] = {0};
  struct iovec part = {bytes, BYTES};
  struct mmsghdr all[BATCH];
  memset(all, 0, sizeof all);
  for (int i = 0; i < BATCH; i++) all[i].msg_hdr.msg_iov = &part, all[i].msg_hdr.msg_iovlen = 1;
  long sent = 0;
  double began = now(), at;
  while ((at = now() - began) < seconds) {
    long due = (long)(at * rate) - sent;
    if (due <= 0) {
      struct timespec short_while = {0, 100000};
      nanosleep(&short_while, NULL);
      continue;
    }
    int done = sendmmsg(fd, all, due < BATCH ? due : BATCH, 0);
    if (done > 0) sent += done;
  }
  printf("%ld %.3f\n", sent, now() - began);
  return 0;
}
