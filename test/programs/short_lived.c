// Starts COUNT processes one after another, CPU_MS milliseconds of CPU time each.
//
//   short_lived COUNT CPU_MS
//
// A child execs this file again and names itself churn-N, so that a sample of it without a name,
// or with the parent's, shows.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) static void churn(double until) {
  unsigned long value = 1;
  while (thread_cpu_seconds() < until)
    for (int i = 0; i < 5000; i++) value = value * 31 + i;
  sink = value;
}

static int child(const char *name, double seconds) {
  prctl(PR_SET_NAME, name);
  churn(seconds);
  return 0;
}

static int start_child(const char *program, int number, const char *cpu_ms) {
  char name[32];
  snprintf(name, sizeof name, "churn-%d", number);
  const pid_t pid = fork();
  if (pid == 0) {
    execl(program, program, "--child", name, cpu_ms, (char *)NULL);
    _exit(127);
  }
  int status = 1;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--child") == 0) return child(argv[2], atof(argv[3]) / 1e3);
  const int count = argc > 1 ? atoi(argv[1]) : 10;
  const char *cpu_ms = argc > 2 ? argv[2] : "10";
  int ended_well = 0;
  for (int number = 0; number < count; number++)
    ended_well += start_child("/proc/self/exe", number, cpu_ms);
  printf("{\"pid\":%d,\"started\":%d,\"endedWell\":%d}\n", getpid(), count, ended_well);
  return ended_well == count ? 0 : 1;
}
