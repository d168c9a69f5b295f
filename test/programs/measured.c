// Runs a command and tells what it took, which Node does not tell of a child.
//
//   measured SECONDS COMMAND [ARGUMENT …]
//
// Ends it after SECONDS of CPU time, and after four times as long on the wall. Writes to descriptor
// 3: exit status as wait4 has it, microseconds of CPU time, KiB of memory at its peak.

#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void end_child(int signal_number) {
  (void)signal_number;
  kill(child, SIGKILL);
}

static long long micros(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  unsigned seconds = (unsigned)atoi(argv[1]);
  fcntl(3, F_SETFD, FD_CLOEXEC);
  child = fork();
  if (child == 0) {
    struct rlimit limit = {seconds, seconds};
    setrlimit(RLIMIT_CPU, &limit);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  signal(SIGALRM, end_child);
  alarm(4 * seconds);
  int status = 0;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0) continue;
  dprintf(3, "%d %lld %ld\n", status, micros(usage.ru_utime) + micros(usage.ru_stime),
          usage.ru_maxrss);
  return 0;
}
