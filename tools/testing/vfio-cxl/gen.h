/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making operations: what the generators of all models share
 */
#ifndef VFIO_CXL_GEN_H
#define VFIO_CXL_GEN_H

#include "session.h"

/**
 * struct gen - one call of gen_ops()
 * @src: where choices come from
 * @w: the model's world, to aim with
 * @op: what has been made, @n of them
 */
struct gen {
	struct source *src;
	const struct world *w;
	struct op *op;
	unsigned int n;
};

static inline unsigned int pick(struct gen *g, unsigned int n)
{
	return source_u8(g->src) % n;
}

static inline void emit(struct gen *g, unsigned int kind, u32 off,
			unsigned int len, u64 val)
{
	if (g->n == OPS_PER_ACTION)
		return;
	g->op[g->n++] = (struct op) {
		.kind = kind,
		.off = off,
		.len = len,
		.val = val,
		.cut = source_u8(g->src),
	};
}

#endif /* VFIO_CXL_GEN_H */
