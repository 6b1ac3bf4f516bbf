// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs, replays, shrinks and prints sessions: see session.h
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

u64 session_ops;

/* The log to print when a sanitizer ends the program. */
static const struct session_log *current_log;

static const char *replay(const struct property *p,
			  const struct session_log *log)
{
	struct world *w = world_new();
	const char *why;
	unsigned int i;
	bool ok;

	why = world_start(w, p, log->hw, &ok);
	for (i = 0; ok && !why && i < log->n; i++)
		why = world_step(w, p, &log->op[i]);
	world_free(w);
	return why;
}

/**
 * session - take a new model through operations
 * @p: what must hold
 * @src: where the choices come from; ends the session when it is empty
 * @actions: how many actions at most
 * @log: becomes what was done; all zero before the first session
 *
 * Return: NULL or what is wrong, with the last operation in @log the cause.
 */
const char *session(const struct property *p, struct source *src,
		    unsigned int actions, struct session_log *log)
{
	struct op op[OPS_PER_ACTION];
	struct world *w = world_new();
	const char *why;
	unsigned int n, i;
	bool ok;

	free(log->hw);
	log->hw = gen_hw(src);
	log->n = 0;
	current_log = log;
	why = world_start(w, p, log->hw, &ok);

	while (ok && !why && actions-- && !source_empty(src) &&
	       log->n + OPS_PER_ACTION <= SESSION_OPS_MAX) {
		n = gen_ops(src, w, p->wild, op);
		for (i = 0; i < n && !why; i++) {
			log->op[log->n++] = op[i];
			why = world_step(w, p, &op[i]);
		}
	}

	session_ops += log->n;
	world_free(w);
	current_log = NULL;
	return why;
}

/**
 * session_shrink - leave out what the failure does not need
 * @p: the property that failed
 * @log: the session
 */
void session_shrink(const struct property *p, struct session_log *log)
{
	unsigned int chunk, i;
	struct session_log *try;

	try = malloc(sizeof(*try));
	if (!try)
		abort();
	for (chunk = log->n / 2; chunk; chunk /= 2) {
		for (i = log->n; i >= chunk; i -= chunk) {
			/* without the operations i - chunk to i - 1 */
			*try = *log;
			try->n -= chunk;
			memmove(&try->op[i - chunk], &log->op[i],
				(log->n - i) * sizeof(*log->op));
			if (replay(p, try))
				*log = *try;
		}
	}
	free(try);
}

/**
 * session_print - print a session so that it can be typed in again
 * @log: the session
 * @prefix: for each line
 */
void session_print(const struct session_log *log, const char *prefix)
{
	const struct op *op;

	printf("%s", prefix);
	hw_print(log->hw);
	for (op = log->op; op < log->op + log->n; op++) {
		printf("%s", prefix);
		switch (op->kind) {
		case OP_WRITE:
			printf("write(0x%x, %u, 0x%llx) cut 0x%x\n", op->off,
			       op->len, op->len < 8 ?
			       op->val & ((1ULL << 8 * op->len) - 1) : op->val,
			       op->cut);
			break;
		case OP_READ:
			printf("read(0x%x, %u) cut 0x%x\n", op->off, op->len,
			       op->cut);
			break;
		default:
			op_print(op);
		}
	}
}

static void death(void)
{
	if (!current_log)
		return;
	printf("# a sanitizer ended the program in this session:\n");
	session_print(current_log, "#   ");
	fflush(stdout);
}

void __sanitizer_set_death_callback(void (*callback)(void));
#pragma weak __sanitizer_set_death_callback

/**
 * session_print_on_death - print the session when a sanitizer ends the program
 */
void session_print_on_death(void)
{
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(death);
}

/**
 * from_env - a number that the user may set
 * @name: environment variable
 * @val: if it is not set
 */
u64 from_env(const char *name, u64 val)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : val;
}
