/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test Anything Protocol, the few lines of it that the tests here need
 *
 * A program calls tap_plan() once, tap_ok() once for each planned line, and
 * returns tap_status() from main(): 0 only when as many lines as planned were
 * printed and all of them were ok.
 */
#ifndef VFIO_CXL_TAP_H
#define VFIO_CXL_TAP_H

#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_planned, tap_done, tap_failed;

static inline void tap_plan(unsigned int n)
{
	/* What was printed must be seen even if a sanitizer ends the program. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	tap_planned = n;
	printf("TAP version 14\n1..%u\n", n);
}

static inline bool tap_ok(bool ok, const char *name)
{
	tap_failed += !ok;
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tap_done, name);
	return ok;
}

static inline int tap_status(void)
{
	if (tap_done != tap_planned)
		printf("# %u tests planned, %u run\n", tap_planned, tap_done);
	return tap_failed || tap_done != tap_planned;
}

#endif /* VFIO_CXL_TAP_H */
