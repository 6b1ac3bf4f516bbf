// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench start INPUT TEXT COMMAND [ARGUMENTS...]
 *
 * Start a program, give it INPUT, and wait until TEXT is in its output: how many
 * instructions that took in all its threads, without sleep, and how long. Then
 * kill it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "bench.h"

static void wait_for(int fd, const char *text)
{
	char buf[4096];
	size_t have = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, buf + have, sizeof(buf) - 1 - have);
		if (n <= 0)
			fail("'%s' did not come", text);
		have += n;
		buf[have] = 0;
		if (memmem(buf, have, text, strlen(text)))
			return;
		/* TEXT may be in two pieces. */
		if (have > sizeof(buf) / 2) {
			memmove(buf, buf + have - sizeof(buf) / 4,
				sizeof(buf) / 4);
			have = sizeof(buf) / 4;
		}
	}
}

int bench_start(int argc, char **argv)
{
	struct timespec ts;
	int in[2], out[2];
	clockid_t clock;
	__u64 time;
	pid_t pid;

	if (pipe(in) || pipe(out) || dprintf(in[1], "%s\n", argv[1]) < 0)
		fail("pipe: %s", strerror(errno));
	time = now();
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execvp(argv[3], argv + 3);
		fail("%s: %s", argv[3], strerror(errno));
	}
	close(out[1]);
	wait_for(out[0], argv[2]);
	time = now() - time;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		fail("no clock of process %d", pid);
	report("work", ts.tv_sec * 1e9 + ts.tv_nsec, "instructions");
	report("time", time, "ns");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
