// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of a register model in user space, one TAP line for each
 *
 *  - the directed tests of m_test.c: the vectors that KUnit runs as well, taken
 *    through the model, and through the oracle, so that a vector cannot be
 *    wrong by itself;
 *  - the properties P0 to P11 of m_check.c, each on $OPS random operations;
 *  - coverage: all that the oracle can tell apart did happen meanwhile.
 *
 * usage: [SEED=n] [OPS=n] m_test [-V | -P] [-q]
 *	-V	directed tests only
 *	-P	properties only
 *	-q	do not look for the operations that cause a failure
 *
 * The seed is printed; the same SEED and OPS do the same again. A failure is
 * printed as the shortest list of operations that was found to cause it.
 */
#include <time.h>
#include <unistd.h>

#include "session.h"
#include "tap.h"

#define OPS_DEFAULT	300000
#define SESSION_ACTIONS	256

static bool quick;

void test_ok(bool ok, const char *name)
{
	tap_ok(ok, name);
}

static void run_property(unsigned int n, u64 seed, u64 ops)
{
	const struct property *p = &properties[n];
	struct source src = { .state = source_mix(seed + n + 1) };
	static struct session_log log;
	const char *why = NULL;
	u64 done = 0;

	while (!why && done < ops) {
		why = session(p, &src, SESSION_ACTIONS, &log);
		done += log.n ? log.n : 1;
	}
	if (why) {
		printf("# SEED=%llu, operation %llu (%u of its session): %s\n",
		       seed, done, log.n, why);
	}
	if (why && !quick) {
		session_shrink(p, &log);
		printf("# %u operations are enough:\n", log.n);
		session_print(&log, "#   ");
	}
	test_ok(!why, p->name);
}

static void test_coverage(void)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < nr_cover; i++) {
		printf("# %-36s %10llu%s\n", cover_name[i], covered[i],
		       covered[i] ? "" : " NEVER");
		all &= !!covered[i];
	}
	test_ok(all, "the random operations reached everything");
}

int main(int argc, char **argv)
{
	u64 seed = from_env("SEED", source_mix(time(NULL)) % 1000000000);
	u64 ops = from_env("OPS", OPS_DEFAULT);
	bool directed = true, random = true;
	unsigned int i;
	clock_t start;
	double took;
	int opt;

	while ((opt = getopt(argc, argv, "VPq")) != -1) {
		switch (opt) {
		case 'V':
			random = false;
			break;
		case 'P':
			directed = false;
			break;
		case 'q':
			quick = true;
			break;
		default:
			return 2;
		}
	}

	session_print_on_death();
	tap_plan((directed ? nr_directed_tests : 0) +
		 (random ? nr_properties + 1 : 0));
	if (directed)
		directed_tests();
	if (!random)
		return tap_status();

	printf("# SEED=%llu OPS=%llu\n", seed, ops);
	start = clock();
	for (i = 0; i < nr_properties; i++)
		run_property(i, seed, ops);
	took = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("# %llu operations in %.1f s of CPU time, %.0f per second\n",
	       session_ops, took, session_ops / took);
	test_coverage();
	return tap_status();
}
