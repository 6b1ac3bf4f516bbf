// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of a register model
 *
 * An input is one session: the first byte says which property gets the second
 * model, and whether the operations are wild; the rest are choices of m_gen.c,
 * a few bytes for each action. All other properties are checked as well, the
 * oracle included.
 *
 * With libFuzzer: make fuzz. Without, there is a main() that takes files, such
 * as a crash found elsewhere, and without files does $OPS operations from bytes
 * that depend on $SEED alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "session.h"
#include "tap.h"

#define OPS_DEFAULT	1000000
#define SEED_DEFAULT	1
#define INPUT_MAX	1024

static const struct property *twin_property;
static clock_t started;

static void fuzz_start(struct world *w)
{
	twin_property->start(w);
}

static const char *fuzz_step(struct world *w, const struct op *op)
{
	const char *why = twin_property->step(w, op);
	const struct property *p;

	for (p = properties; !why && p < properties + nr_properties; p++)
		if (!p->start)
			why = p->step(w, op);
	return why;
}

/* Number @n, from 0 and round and round, of those that have a start() */
static const struct property *with_start(unsigned int n)
{
	const struct property *p = properties;

	while (!p->start || n--)
		p = p + 1 < properties + nr_properties ? p + 1 : properties;
	return p;
}

static void print_operations(void)
{
	double took = (double)(clock() - started) / CLOCKS_PER_SEC;

	printf("# %llu operations in %.1f s of CPU time, %.0f per second\n",
	       session_ops, took, session_ops / took);
}

/* LLVMFuzzerTestOneInput(), by a -D in the Makefile */
int fuzz_one_input(const u8 *data, size_t size)
{
	struct property p = { .start = fuzz_start, .step = fuzz_step };
	struct source src = { .data = data, .left = size };
	static struct session_log log;
	static bool ready;
	const char *why;
	u8 first;

	if (!ready) {
		ready = true;
		started = clock();
		session_print_on_death();
		atexit(print_operations);
	}
	if (!size)
		return 0;
	first = source_u8(&src);
	twin_property = with_start(first & 0x7f);
	p.wild = first & 0x80;

	why = session(&p, &src, -1, &log);
	if (!why)
		return 0;
	printf("# %s\n", why);
	session_shrink(&p, &log);
	session_print(&log, "#   ");
	fflush(stdout);
	abort();
}

#ifndef LIBFUZZER

static void run(const u8 *data, size_t size)
{
	/* exactly as large as needed, so that ASAN sees a step past its end */
	u8 *copy = malloc(size ? size : 1);
	size_t i;

	if (!copy)
		abort();
	for (i = 0; i < size; i++)
		copy[i] = data[i];
	fuzz_one_input(copy, size);
	free(copy);
}

static bool run_file(const char *name)
{
	static u8 data[1 << 20];
	FILE *f = fopen(name, "rb");
	size_t size;

	if (!f) {
		perror(name);
		return false;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	run(data, size);
	return true;
}

static void run_random(void)
{
	u64 seed = from_env("SEED", SEED_DEFAULT);
	u64 ops = from_env("OPS", OPS_DEFAULT), runs = 0;
	struct source src = { .state = source_mix(seed) };
	u8 data[INPUT_MAX];
	size_t size, i;

	printf("# SEED=%llu OPS=%llu\n", seed, ops);
	for (; session_ops < ops; runs++) {
		size = source_u64(&src) % (INPUT_MAX + 1);
		for (i = 0; i < size; i++)
			data[i] = source_u8(&src);
		run(data, size);
	}
	printf("# %llu inputs\n", runs);
}

int main(int argc, char **argv)
{
	bool all = true;
	int i;

	tap_plan(1);
	for (i = 1; i < argc; i++)
		all &= run_file(argv[i]);
	if (argc == 1)
		run_random();
	tap_ok(all, argc == 1 ? "inputs at random" : "inputs from files");
	return tap_status();
}

#endif /* LIBFUZZER */
