// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the HDM decoder model
 *
 * An input is one session of hdm_check.h: the first byte says which property
 * gets the second model, the rest are choices of hdm_gen.c, a few bytes for
 * each action. All other properties are checked as well, the oracle included.
 *
 * With libFuzzer: make fuzz. Without, there is a main() that takes files, such
 * as a crash found elsewhere, and without files does $OPS operations from bytes
 * that depend on $SEED alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/array_size.h>

#include "hdm_check.h"
#include "tap.h"

#define OPS_DEFAULT	1000000
#define SEED_DEFAULT	1
#define INPUT_MAX	1024

static const unsigned int plain[] = { 0, 1, 3, 4, 5, 6, 7, 10 };
static const unsigned int with_twin[] = { 2, 8, 9 };

static const struct hdm_property *twin_property;

static void fuzz_start(struct hdm_world *w)
{
	twin_property->start(w);
}

static const char *fuzz_step(struct hdm_world *w, const struct hdm_op *op)
{
	const char *why = twin_property->step(w, op);
	unsigned int i;

	for (i = 0; !why && i < ARRAY_SIZE(plain); i++)
		why = hdm_properties[plain[i]].step(w, op);
	return why;
}

static u64 operations(void)
{
	return hdm_covered[COVER_WRITES] + hdm_covered[COVER_READS] +
	       hdm_covered[COVER_RANGES] + hdm_covered[COVER_RESETS];
}

static void print_operations(void)
{
	printf("# %llu operations, %llu commits, %llu errors\n", operations(),
	       hdm_covered[COVER_COMMITS], hdm_covered[COVER_ERRORS]);
}

/* LLVMFuzzerTestOneInput(), by a -D in the Makefile */
int fuzz_one_input(const u8 *data, size_t size)
{
	struct hdm_property p = { .start = fuzz_start, .step = fuzz_step };
	struct source src = { .data = data, .left = size };
	static struct hdm_log log;
	static bool started;
	const char *why;
	u8 first;

	if (!started) {
		hdm_print_on_death();
		atexit(print_operations);
		started = true;
	}
	if (!size)
		return 0;
	first = source_u8(&src);
	twin_property = &hdm_properties[with_twin[first % 3]];
	p.wild = first & 0x80;

	why = hdm_session(&p, &src, -1, &log);
	if (!why)
		return 0;
	printf("# %s\n", why);
	hdm_shrink(&p, &log);
	hdm_print(&log, "#   ");
	fflush(stdout);
	abort();
}

#ifndef LIBFUZZER

static u64 from_env(const char *name, u64 val)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : val;
}

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
	for (; operations() < ops; runs++) {
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
