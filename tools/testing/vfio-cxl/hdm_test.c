// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directed tests of the HDM decoder model: see test.c
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/array_size.h>

#include "../../../drivers/vfio/pci/cxl/tests/vectors.h"
#include "hdm_check.h"

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
		test_ok(!step, hdm_vectors[i].name);
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
	case HDM_STEP_CXL_RESET:
		oracle_cxl_reset(o, &e);
		return !e.map && e.unmap == step->unmap;
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
	test_ok(all, "the oracle agrees with the vectors");
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
	test_ok(all, "the count of decoders, all encodings");
}

const unsigned int nr_directed_tests = ARRAY_SIZE(hdm_vectors) + 2;

void directed_tests(void)
{
	test_vectors();
	test_oracle_vectors();
	test_count();
}
