/*
 * Both ends of ways through network namespaces, in one thread: way-probe (NETNS NETNS ADDRESS)...
 * ADDRESS is of the second namespace. Packets over veth links are delivered before the call that sends them returns, so what
 * is measured is what the kernel does for them on the way, and no scheduler. Reads `udp WAY COUNT` (round trips of 64 bytes)
 * and `tcp WAY BYTES`, and answers with nanoseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16, PORT = 7000, DATAGRAM = 64, CHUNK = 262144, BUFFER = 1048576, FEW_MS = 2000 };

static struct { int udp[2], tcp[2]; } ways[MOST];
static char chunk[CHUNK];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void enter(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "/run/netns/%s", name);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail(path);
	close(fd);
}

static int made(int type)
{
	int fd = socket(AF_INET, type, 0), on = 1, size = BUFFER;
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void join(int way, const char *near, const char *far, const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) }, from;
	socklen_t length = sizeof from;
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		fail(address);
	enter(far);
	int listener = made(SOCK_STREAM), udp = made(SOCK_DGRAM);
	if (bind(listener, (void *)&to, sizeof to) < 0 || listen(listener, 1) < 0 || bind(udp, (void *)&to, sizeof to) < 0)
		fail("bind");
	enter(near);
	ways[way].udp[0] = made(SOCK_DGRAM);
	ways[way].tcp[0] = made(SOCK_STREAM);
	if (connect(ways[way].udp[0], (void *)&to, sizeof to) < 0 || connect(ways[way].tcp[0], (void *)&to, sizeof to) < 0)
		fail(address);
	ways[way].tcp[1] = accept(listener, NULL, NULL);
	close(listener);
	if (ways[way].tcp[1] < 0 || send(ways[way].udp[0], chunk, DATAGRAM, 0) < 0)
		fail(address);
	if (recvfrom(udp, chunk, sizeof chunk, 0, (void *)&from, &length) < 0 || connect(udp, (void *)&from, length) < 0)
		fail(address);
	ways[way].udp[1] = udp;
	for (int end = 0; end < 2; end++) {
		fcntl(ways[way].udp[end], F_SETFL, O_NONBLOCK);
		fcntl(ways[way].tcp[end], F_SETFL, O_NONBLOCK);
	}
}

/* Waits for a datagram; one that does not come fails the measurement. */
static void heard(int fd)
{
	for (long long end = now() + FEW_MS * 1000000LL; recv(fd, chunk, sizeof chunk, 0) < 0;)
		if (errno != EAGAIN || now() > end)
			fail("recv");
}

static long long trips(int way, long count)
{
	long long began = now();
	for (long i = 0; i < count; i++)
		for (int end = 0; end < 2; end++) {
			if (send(ways[way].udp[end], chunk, DATAGRAM, 0) < 0)
				fail("send");
			heard(ways[way].udp[1 - end]);
		}
	return now() - began;
}

static long long bytes(int way, long wanted)
{
	long sent = 0, got = 0;
	long long began = now();
	while (got < wanted) {
		if (sent < wanted) {
			long left = wanted - sent, n = send(ways[way].tcp[0], chunk, left < CHUNK ? left : CHUNK, 0);
			if (n > 0)
				sent += n;
			else if (errno != EAGAIN)
				fail("send");
		}
		for (long n; (n = recv(ways[way].tcp[1], chunk, CHUNK, 0)) != 0 && got < wanted; got += n)
			if (n < 0) {
				if (errno != EAGAIN)
					fail("recv");
				break;
			}
		if (now() - began > FEW_MS * 1000000LL * 10) {
			fprintf(stderr, "%ld of %ld bytes have come\n", got, wanted);
			exit(1);
		}
	}
	return now() - began;
}

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	cpu_set_t here;
	char what[8];
	int way, count = (argc - 1) / 3;
	long much;
	for (way = 0; way < count && way < MOST; way++)
		join(way, argv[1 + way * 3], argv[2 + way * 3], argv[3 + way * 3]);
	/* Others' work in the middle of a slice would be measured with it. Where it is not allowed, medians have to do. */
	sched_setscheduler(0, SCHED_FIFO, &first);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof here, &here);
	puts("ready");
	fflush(stdout);
	while (scanf("%7s %d %ld", what, &way, &much) == 3 && way >= 0 && way < count) {
		printf("%lld\n", what[0] == 'u' ? trips(way, much) : bytes(way, much));
		fflush(stdout);
	}
	return 0;
}
