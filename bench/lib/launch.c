/* Starts programs, N at a time, and tells how long each ran, from its start to its end. A launcher of its own because
 * starting a process from a big one costs more than what is to be measured.
 *
 * launch N <JOBS; a job is lines: the program, its standard input, its environment (K=V) one a line, an empty line.
 * Prints a line a job, in their order: milliseconds, when it began (CLOCK_MONOTONIC, milliseconds), exit code; then the wall time of all. Output of programs that
 * fail goes to standard error. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

enum { MOST_ENV = 32, MOST_RUNNING = 64, ROOM = 65536 };

struct job {
  char *program, *input, *env[MOST_ENV + 1];
  double began, took;
  int code;
};
struct running {
  struct job *job;
  pid_t pid;
  int out;
  size_t length;
  char text[ROOM];
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static char *next_line(void) {
  char *line = NULL;
  size_t room = 0;
  ssize_t got = getline(&line, &room, stdin);
  if (got < 0) return NULL;
  if (got > 0 && line[got - 1] == '\n') line[got - 1] = 0;
  return line;
}

/* Programs start as they would from anybody else: not with the launcher's own disregard of SIGPIPE. */
static void usual_signals(posix_spawnattr_t *attributes) {
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_init(attributes);
  posix_spawnattr_setsigdefault(attributes, &usual);
  posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
}

static void start(struct running *slot, struct job *job) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) exit(2);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawnattr_t attributes;
  usual_signals(&attributes);
  char *argv[] = {job->program, NULL};
  *slot = (struct running){.job = job, .out = out[0]};
  job->began = now();
  if (posix_spawn(&slot->pid, job->program, &actions, &attributes, argv, job->env)) {
    perror(job->program);
    exit(2);
  }
  close(in[0]);
  close(out[1]);
  /* Who does not read its input may have ended by now. */
  if (write(in[1], job->input, strlen(job->input)) < 0 && errno != EPIPE) exit(2);
  close(in[1]);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
}

/* Reads what is there; at the end of the output waits for the end of the process. Returns whether it has ended. */
static int serve(struct running *slot) {
  ssize_t got = read(slot->out, slot->text + slot->length, ROOM - 1 - slot->length);
  if (got > 0) {
    slot->length += (size_t)got;
    return 0;
  }
  int status;
  close(slot->out);
  waitpid(slot->pid, &status, 0);
  slot->job->took = now() - slot->job->began;
  slot->job->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (slot->job->code != 0) fprintf(stderr, "%s: %.*s\n", slot->job->program, (int)slot->length, slot->text);
  return 1;
}

int main(int argc, char **argv) {
  int at_a_time = argc == 2 ? atoi(argv[1]) : 0;
  if (at_a_time < 1 || at_a_time > MOST_RUNNING) return 2;
  signal(SIGPIPE, SIG_IGN);
  struct job *jobs = NULL;
  size_t count = 0;
  for (char *line; (line = next_line());) {
    jobs = realloc(jobs, (count + 1) * sizeof *jobs);
    struct job *job = &jobs[count++];
    memset(job, 0, sizeof *job);
    job->program = line;
    job->input = next_line();
    for (int i = 0; i < MOST_ENV && (line = next_line()) && *line; i++) job->env[i] = line;
  }
  struct running *slots = calloc((size_t)at_a_time, sizeof *slots);
  struct pollfd polls[MOST_RUNNING];
  size_t started = 0, running = 0;
  double began = now();
  while (running > 0 || started < count) {
    while (running < (size_t)at_a_time && started < count) start(&slots[running++], &jobs[started++]);
    for (size_t i = 0; i < running; i++) polls[i] = (struct pollfd){.fd = slots[i].out, .events = POLLIN};
    if (poll(polls, running, -1) < 0) return 2;
    for (size_t i = running; i-- > 0;)
      if (polls[i].revents && serve(&slots[i]) && i != --running) memcpy(&slots[i], &slots[running], sizeof *slots);
  }
  double wall = now() - began;
  for (size_t i = 0; i < count; i++) printf("%.3f %.3f %d\n", jobs[i].took, jobs[i].began, jobs[i].code);
  printf("%.3f\n", wall);
  return 0;
}
