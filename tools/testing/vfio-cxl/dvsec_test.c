// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directed tests of the Device DVSEC model: see test.c
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/array_size.h>

#include "../../../drivers/vfio/pci/cxl/tests/vectors.h"
#include "dvsec_check.h"

static void test_vectors(void)
{
	struct vfio_cxl_dvsec *s = malloc(sizeof(*s));
	unsigned int i;
	int step;

	if (!s)
		abort();
	for (i = 0; i < ARRAY_SIZE(dvsec_vectors); i++) {
		step = dvsec_vector_run(&dvsec_vectors[i], s);
		if (step)
			printf("# wrong at step %d\n", step);
		test_ok(!step, dvsec_vectors[i].name);
	}
	free(s);
}

static bool oracle_vector_step(struct oracle *o, const struct dvsec_vector *v,
			       const struct dvsec_step *step)
{
	unsigned int i, len = step->len < 8 ? step->len : 8;
	struct oracle_event e = {};
	u64 val = 0;

	switch (step->kind) {
	case DVSEC_STEP_READ:
		for (i = 0; i < len; i++)
			val |= (u64)oracle_read(o, (u64)step->off + i) << 8 * i;
		return val == step->val;
	case DVSEC_STEP_WRITE:
		for (i = 0; i < len; i++)
			oracle_write(o, (u64)step->off + i, step->val >> 8 * i,
				     &e);
		return e.deeds == step->effect;
	case DVSEC_STEP_DONE:
		oracle_done(o, step->effect, step->ok);
		return true;
	case DVSEC_STEP_LIVE:
		oracle_live(o, step->val);
		return true;
	case DVSEC_STEP_VIRAL:
		o->viral = true;
		return true;
	case DVSEC_STEP_CXL_RESET:
		oracle_cxl_reset(o);
		return true;
	case DVSEC_STEP_PENDING:
		return o->reset_pending == step->ok;
	case DVSEC_STEP_NO_CACHING:
		return o->no_caching == step->ok;
	case DVSEC_STEP_FRESH:
		oracle_init(o, v->hw, v->len);
		return true;
	default:
		return false;
	}
}

static void test_oracle_vectors(void)
{
	const struct dvsec_vector *v = dvsec_vectors;
	const struct dvsec_step *step;
	bool all = true;
	struct oracle o;

	for (; v < dvsec_vectors + ARRAY_SIZE(dvsec_vectors); v++) {
		bool good = true;

		oracle_init(&o, v->hw, v->len);
		for (step = v->steps; good &&
		     step < v->steps + ARRAY_SIZE(v->steps) &&
		     step->kind != DVSEC_STEP_END; step++)
			good = oracle_vector_step(&o, v, step);
		if (!good)
			printf("# the oracle does not agree: %s\n", v->name);
		all &= good;
	}
	test_ok(all, "the oracle agrees with the vectors");
}

/* All lengths up to the end and past it, and the largest: as a full one, cut. */
static void test_lengths(void)
{
	struct vfio_cxl_dvsec s, full;
	u32 hw[ORACLE_BYTES / 4], len, off;
	bool all = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hw); i++)
		hw[i] = -1;
	vfio_cxl_dvsec_init(&full, hw, ORACLE_BYTES);
	vfio_cxl_dvsec_write(&full, 0x20, 8, -1);
	for (i = 0; i < 80; i++) {
		len = i < 72 ? i : -1U << (i - 72);
		vfio_cxl_dvsec_init(&s, hw, len);
		vfio_cxl_dvsec_write(&s, 0x20, 8, -1);
		for (off = 0; off < 80; off++)
			all &= vfio_cxl_dvsec_read(&s, off, 1) ==
			       (off < len / 4 * 4 ?
				vfio_cxl_dvsec_read(&full, off, 1) : 0);
	}
	test_ok(all, "any length of the hardware's");
}

const unsigned int nr_directed_tests = ARRAY_SIZE(dvsec_vectors) + 2;

void directed_tests(void)
{
	test_vectors();
	test_oracle_vectors();
	test_lengths();
}
