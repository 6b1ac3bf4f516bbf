// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench COMMAND [ARGUMENTS...]: run one measurement and print its numbers,
 * each as a line of JSON. What the commands want is at the head of their files.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/personality.h>

#include "bench.h"

static const struct {
	const char *name;
	int argc;		/* with the name itself, at least */
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "clock", 1, bench_clock },
	{ "faults", 4, bench_faults },
	{ "regs", 4, bench_regs },
	{ "life", 3, bench_life },
	{ "clear", 3, bench_clear },
	{ "start", 4, bench_start },
	{ "memory", 4, bench_memory },
	{ "load", 3, bench_load },
};

static __u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts))
		fail("clock %d: %s", id, strerror(errno));
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 busy(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

__u64 now(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW);
}

void sample(struct samples *s, double value)
{
	if (s->n == SAMPLES_MAX)
		fail("more than %d samples", SAMPLES_MAX);
	s->at[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(struct samples *s)
{
	if (!s->n)
		fail("no samples");
	qsort(s->at, s->n, sizeof(s->at[0]), compare);
}

double smallest(struct samples *s)
{
	sort(s);
	return s->at[0];
}

double median(struct samples *s)
{
	sort(s);
	return (s->at[s->n / 2] + s->at[(s->n - 1) / 2]) / 2;
}

void report(const char *name, double value, const char *unit)
{
	printf("{\"name\": \"%s\", \"value\": %.12g, \"unit\": \"%s\"}\n", name,
	       value, unit);
	fflush(stdout);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("cxl-bench: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

__u64 number(const char *text)
{
	char *end;
	__u64 value = strtoull(text, &end, 0);

	if (end == text || *end)
		fail("'%s': digits are wanted", text);
	return value;
}

/* A loop of n turns, that is of 2 * n instructions */
static __u64 loop(__u64 n)
{
	__u64 t = ticks();

	asm volatile("1: dec %0; jnz 1b" : "+r" (n) : : "cc");
	return ticks() - t;
}

/* Whether the TSC counts instructions: loops of known length say so. */
int bench_clock(int argc, char **argv)
{
	struct samples small = {}, large = {};
	const __u64 turns[] = { 1000, 101000 };
	double counted;
	int i;

	for (i = 0; i < 50; i++) {
		sample(&small, loop(turns[0]));
		sample(&large, loop(turns[1]));
	}
	counted = smallest(&large) - smallest(&small);
	report("clock", counted / (2 * (turns[1] - turns[0])),
	       "ticks per instruction");
	if (counted != 2 * (turns[1] - turns[0]))
		fail("the TSC does not count instructions");
	return 0;
}

/*
 * How many page tables a mapping needs depends on where it is, and that would
 * be another place each time.
 */
static void at_fixed_addresses(char **argv)
{
	int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE)
		return;
	if (now < 0 || personality(now | ADDR_NO_RANDOMIZE) < 0)
		fail("personality: %s", strerror(errno));
	execv("/proc/self/exe", argv);
	fail("/proc/self/exe: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	size_t i;

	at_fixed_addresses(argv);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 1 >= commands[i].argc)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: see the files in tests/bench/src\n");
	return 2;
}
