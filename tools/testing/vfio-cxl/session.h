/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A register model under observation: what all models have in common
 *
 * A session is one model (in a struct world, with its oracle beside it), made
 * from one physical block (struct hw), taken through operations, with one
 * property checked after each operation. All operations are logged, so a
 * session that failed can be replayed, shrunk and printed. test.c runs sessions
 * with random numbers, fuzz.c with the fuzzer's bytes.
 *
 * A program tests one model. So that model's files define both structures and
 * all that is declared under "of the model"; there is no table of functions.
 */
#ifndef VFIO_CXL_SESSION_H
#define VFIO_CXL_SESSION_H

#include <linux/types.h>

#include "source.h"

struct hw;
struct world;

enum op_kind {
	OP_WRITE,
	OP_READ,
	OP_OF_MODEL,		/* the first of those that a model adds */
};

/**
 * struct op - one call of the model
 * @kind: which
 * @off: offset of a read or write
 * @len: number of bytes of a read or write
 * @val: value to write
 * @cut: bit i: the split access that P2 compares with has a cut before byte i
 *
 * What a model adds uses @off, @len and @val as it likes.
 */
struct op {
	unsigned int kind;
	u32 off;
	unsigned int len;
	u64 val;
	u8 cut;
};

#define OPS_PER_ACTION		50
#define SESSION_OPS_MAX		2048

struct session_log {
	struct hw *hw;
	unsigned int n;
	struct op op[SESSION_OPS_MAX];
};

/**
 * struct property - something that always holds
 * @name: what
 * @wild: not only sensible operations
 * @start: prepare, after the model was made; only for a property that needs
 *	the second model of the world for itself
 * @step: look, after an operation; return NULL or what is wrong
 */
struct property {
	const char *name;
	bool wild;
	void (*start)(struct world *w);
	const char *(*step)(struct world *w, const struct op *op);
};

/* What an access longer than eight bytes is taken as */
static inline unsigned int op_len(const struct op *op)
{
	return op->len < 8 ? op->len : 8;
}

static inline bool op_straddles(const struct op *op)
{
	return op->len > 1 && (op->off | op->len) % 4 &&
	       op->off % 4 + op_len(op) > 4;
}

static inline u32 view_u32(const u8 *view, unsigned int off)
{
	return view[off] | view[off + 1] << 8 | view[off + 2] << 16 |
	       (u32)view[off + 3] << 24;
}

static inline u64 view_u64(const u8 *view, unsigned int off)
{
	return view_u32(view, off) | (u64)view_u32(view, off + 4) << 32;
}

/* session.c */
const char *session(const struct property *p, struct source *src,
		    unsigned int actions, struct session_log *log);
void session_shrink(const struct property *p, struct session_log *log);
void session_print(const struct session_log *log, const char *prefix);
void session_print_on_death(void);
u64 from_env(const char *name, u64 val);

/* How many operations of the sessions were done */
extern u64 session_ops;

/*
 * Of the model, in m_check.c. world_start() makes a model in @w; @ok: there
 * is one to go on with. Both it and world_step() return NULL or what is wrong.
 */
struct world *world_new(void);
void world_free(struct world *w);
const char *world_start(struct world *w, const struct property *p,
			const struct hw *hw, bool *ok);
const char *world_step(struct world *w, const struct property *p,
		       const struct op *op);
void hw_print(const struct hw *hw);
void op_print(const struct op *op);

extern const struct property properties[];
extern const unsigned int nr_properties;

/* What happened, as the oracle sees it. All must happen in a test run. */
extern const char *const cover_name[];
extern u64 covered[];
extern const unsigned int nr_cover;

static inline void cover(unsigned int what, bool yes)
{
	covered[what] += yes;
}

/* Of the model, in m_gen.c */
struct hw *gen_hw(struct source *src);
unsigned int gen_ops(struct source *src, const struct world *w, bool wild,
		     struct op *op);

/*
 * Of the model, in m_test.c: tests that need no session. Each ends with one
 * test_ok(), of test.c, which prints its TAP line.
 */
extern const unsigned int nr_directed_tests;
void directed_tests(void);
void test_ok(bool ok, const char *name);

#endif /* VFIO_CXL_SESSION_H */
