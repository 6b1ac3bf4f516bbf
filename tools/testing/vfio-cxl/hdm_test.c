// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the HDM decoder model in user space
 *
 * Three parts, one TAP line for each test:
 *  - the directed vectors that KUnit runs as well, taken through the model,
 *    and through the oracle, so that a vector cannot be wrong by itself;
 *  - the properties P0 to P10 of hdm_check.c, each on $OPS random operations;
 *  - coverage: the random operations did commit, lock, fail for each reason ...
 *
 * usage: [SEED=n] [OPS=n] hdm_test [-V | -P] [-q]
 *	-V	vectors only
 *	-P	properties only
 *	-q	do not look for the operations that cause a failure
 *
 * The seed is printed; the same SEED and OPS do the same again. A failure is
 * printed as the shortest list of operations that was found to cause it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/array_size.h>

#include "../../../drivers/vfio/pci/cxl/tests/vectors.h"
#include "hdm_check.h"
#include "tap.h"

#define OPS_DEFAULT	300000
#define SESSION_ACTIONS	256

static bool quick;

static void test_vectors(void)
{
	struct vfio_cxl_hdm *s = malloc(sizeof(*s));
	unsigned int i;
	int step;

	if (!s)
		abort();
	for (i = 0; i < ARRAY_SIZE(hdm_vectors); i++) {
		step = hdm_vector_run(&hdm_vectors[i], s);
		if (step < 0)
			printf("# init is wrong\n");
		else if (step)
			printf("# wrong at step %d\n", step);
		tap_ok(!step, hdm_vectors[i].name);
	}
	free(s);
}

static bool oracle_vector_step(struct oracle *o, const struct hdm_vector *v,
			       const struct hdm_step *step)
{
	unsigned int i, len = step->len < 8 ? step->len : 8;
	const struct oracle_decoder *d;
	struct oracle_event e = {};
	u64 val = 0;

	d = &o->decoder[step->off % ORACLE_DECODERS];
	switch (step->kind) {
	case HDM_STEP_READ:
		for (i = 0; i < len; i++)
			val |= (u64)oracle_read(o, (u64)step->off + i) << 8 * i;
		return val == step->val;
	case HDM_STEP_WRITE:
		for (i = 0; i < len; i++)
			oracle_write(o, (u64)step->off + i, step->val >> 8 * i,
				     &e);
		return e.map == step->map && e.unmap == step->unmap;
	case HDM_STEP_RANGE:
		return step->off < o->count && d->committed &&
		       d->base == step->val && d->size == step->size;
	case HDM_STEP_NO_RANGE:
		return step->off >= o->count || !d->committed;
	case HDM_STEP_RESET:
		return oracle_init(o, v->hw.cap, v->hw.global, v->hw.ctrl,
				   v->hw.size);
	default:
		return false;
	}
}

static void test_oracle_vectors(void)
{
	const struct hdm_vector *v = hdm_vectors;
	const struct hdm_step *step;
	bool all = true;
	struct oracle o;

	for (; v < hdm_vectors + ARRAY_SIZE(hdm_vectors); v++) {
		bool good = oracle_init(&o, v->hw.cap, v->hw.global, v->hw.ctrl,
					v->hw.size) != v->refused;

		for (step = v->steps; good && !v->refused &&
		     step < v->steps + ARRAY_SIZE(v->steps) &&
		     step->kind != HDM_STEP_END; step++)
			good = oracle_vector_step(&o, v, step);
		if (!good)
			printf("# the oracle does not agree: %s\n", v->name);
		all &= good;
	}
	tap_ok(all, "the oracle agrees with the vectors");
}

/* All of the count field, with the rest of the register clear and set. */
static void test_count(void)
{
	static const unsigned int count[16] = { 1, 2, 4, 6, 8, 10 };
	struct vfio_cxl_hdm_hw hw = { .size = ORACLE_UNIT };
	struct vfio_cxl_hdm s;
	bool all = true;
	unsigned int i;

	for (i = 0; i < 32; i++) {
		hw.cap = i % 16 | (i < 16 ? 0 : 0xfffffff0);
		all &= vfio_cxl_hdm_count(hw.cap) == count[i % 16];
		all &= vfio_cxl_hdm_init(&s, &hw) == !!count[i % 16];
		if (count[i % 16])
			all &= vfio_cxl_hdm_size(&s) ==
			       0x10 + 0x20 * count[i % 16];
	}
	tap_ok(all, "the count of decoders, all encodings");
}

static u64 run_property(unsigned int n, u64 seed, u64 ops)
{
	const struct hdm_property *p = &hdm_properties[n];
	struct source src = { .state = source_mix(seed + n + 1) };
	static struct hdm_log log;
	const char *why = NULL;
	u64 done = 0;

	while (!why && done < ops) {
		why = hdm_session(p, &src, SESSION_ACTIONS, &log);
		done += log.n ? log.n : 1;
	}
	if (why) {
		printf("# SEED=%llu, operation %llu (%u of its session): %s\n",
		       seed, done, log.n, why);
	}
	if (why && !quick) {
		hdm_shrink(p, &log);
		printf("# %u operations are enough:\n", log.n);
		hdm_print(&log, "#   ");
	}
	tap_ok(!why, p->name);
	return done;
}

static void test_coverage(void)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < COVER_MAX; i++) {
		printf("# %-32s %10llu%s\n", hdm_cover_name[i], hdm_covered[i],
		       hdm_covered[i] ? "" : " NEVER");
		all &= !!hdm_covered[i];
	}
	tap_ok(all, "the random operations reached everything");
}

static u64 from_env(const char *name, u64 val)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : val;
}

int main(int argc, char **argv)
{
	u64 seed = from_env("SEED", source_mix(time(NULL)) % 1000000000);
	u64 ops = from_env("OPS", OPS_DEFAULT), done = 0;
	bool vectors = true, properties = true;
	unsigned int i;
	clock_t start;
	double took;
	int opt;

	while ((opt = getopt(argc, argv, "VPq")) != -1) {
		switch (opt) {
		case 'V':
			properties = false;
			break;
		case 'P':
			vectors = false;
			break;
		case 'q':
			quick = true;
			break;
		default:
			return 2;
		}
	}

	hdm_print_on_death();
	tap_plan((vectors ? ARRAY_SIZE(hdm_vectors) + 2 : 0) +
		 (properties ? HDM_PROPERTIES + 1 : 0));
	if (vectors) {
		test_vectors();
		test_oracle_vectors();
		test_count();
	}
	if (!properties)
		return tap_status();

	printf("# SEED=%llu OPS=%llu\n", seed, ops);
	start = clock();
	for (i = 0; i < HDM_PROPERTIES; i++)
		done += run_property(i, seed, ops);
	took = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("# %llu operations in %.1f s, %.0f per second\n", done, took,
	       done / took);
	test_coverage();
	return tap_status();
}
