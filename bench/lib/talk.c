/* One end of an open TCP connection: talk serve ADDRESS PORT, or talk open ADDRESS PORT ask|send. The latter reads from its
 * input for how many milliseconds it is to go on, and prints how many bytes it sent in that time; ask: one by one, each
 * answered before the next; send: as many as go. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char bytes[1 << 17];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int made(const char *address, const char *port, struct sockaddr_in *at) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  if (fd < 0 || inet_pton(AF_INET, address, &at->sin_addr) != 1) exit(2);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  return fd;
}

/* The first byte of a connection says whether its bytes are to be answered. */
static void serve(int fd) {
  ssize_t count;
  char mode;
  if (read(fd, &mode, 1) != 1) return;
  while ((count = read(fd, bytes, sizeof bytes)) > 0)
    if (mode == 'a' && write(fd, bytes, count) != count) return;
}

int main(int argc, char **argv) {
  struct sockaddr_in at;
  signal(SIGPIPE, SIG_IGN);
  if (argc < 4) return 2;
  int fd = made(argv[2], argv[3], &at);
  if (strcmp(argv[1], "serve") == 0) {
    if (bind(fd, (void *)&at, sizeof at) != 0 || listen(fd, 8) != 0) return 1;
    signal(SIGCHLD, SIG_IGN);
    for (int client; (client = accept(fd, NULL, NULL)) >= 0; close(client))
      if (fork() == 0) {
        int one = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        close(fd);
        serve(client);
        return 0;
      }
    return 1;
  }
  if (argc != 5) return 2;
  int asks = strcmp(argv[4], "ask") == 0;
  if (connect(fd, (void *)&at, sizeof at) != 0 || write(fd, argv[4], 1) != 1) return 1;
  for (int ms; scanf("%d", &ms) == 1;) {
    double until = now() + ms / 1e3, began = now();
    long sent = 0;
    while (now() < until) {
      ssize_t count = write(fd, bytes, asks ? 1 : sizeof bytes);
      if (count <= 0 || (asks && read(fd, bytes, 1) != 1)) return 1;
      sent += count;
    }
    printf("%.1f\n", sent / (now() - began));
    fflush(stdout);
  }
  return 0;
}
