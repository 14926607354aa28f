/*
 * Says when a way between two pods is opened and closed: policy-probe PID PID ADDRESS
 * A datagram is sent every half millisecond from the network namespace of the first process to ADDRESS, which is of the
 * second's. Nothing answers them, so that each is new to the kernel's rules. Whenever packets begin to arrive, or no longer
 * do, a line says so, with the time in nanoseconds (CLOCK_MONOTONIC) at which the first such packet was sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7001, PERIOD_NS = 500000, KEPT = 4096, LOST = 30 };

static long long sent[KEPT];

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

static int made(const char *pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
	int space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET) < 0)
		fail(path);
	close(space);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fail("socket");
	return fd;
}

static void say(const char *what, long long at)
{
	printf("%s %lld\n", what, at);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timespec next;
	unsigned long count = 0, last = 0, heard;
	int open = -1;
	if (argc != 4 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int far = made(argv[2]), near;
	if (bind(far, (void *)&to, sizeof to) < 0)
		fail("bind");
	near = made(argv[1]);
	/* Where it is not allowed, the times are a little less exact. */
	sched_setscheduler(0, SCHED_FIFO, &first);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		count++;
		sent[count % KEPT] = now();
		/* What has no route yet is lost like any other. */
		sendto(near, &count, sizeof count, 0, (void *)&to, sizeof to);
		while (recv(far, &heard, sizeof heard, 0) == sizeof heard) {
			if (open != 1 && count - heard < KEPT)
				say("open", sent[heard % KEPT]);
			open = 1;
			last = heard;
		}
		if (errno != EAGAIN)
			fail("recv");
		if (open != 0 && count - last >= LOST) {
			say("closed", sent[(last + 1) % KEPT]);
			open = 0;
		}
		next.tv_nsec += PERIOD_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		/* After a pause it goes on from here: a burst would say nothing more. */
		if (next.tv_sec * 1000000000LL + next.tv_nsec < now())
			clock_gettime(CLOCK_MONOTONIC, &next);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
