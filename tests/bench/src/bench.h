/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What "make bench" measures with, in the host VM and in the guest
 *
 * Costs are counted in instructions wherever that can be. In a machine of QEMU
 * with "-icount shift=0,sleep=off" one instruction takes one nanosecond of the
 * machine's time, and the TSC runs at 1 GHz: ticks() counts instructions.
 * bench_clock() checks that it does. Time in which the CPU idles passes, too;
 * busy() leaves it out.
 *
 * Of many counts of the same thing the smallest is taken: an interrupt only
 * ever adds. Of times, on a machine that does other things, the median.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <linux/types.h>

#include "kselftest.h"

static inline __u64 ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* Nanoseconds that this thread was on a CPU, and that have passed */
__u64 busy(void);
__u64 now(void);

/* Numbers, of which one is wanted */
#define SAMPLES_MAX	1000

struct samples {
	unsigned int n;
	double at[SAMPLES_MAX];
};

void sample(struct samples *s, double value);
double smallest(struct samples *s);
double median(struct samples *s);

/* One line of JSON: {"name": ..., "value": ..., "unit": ...} */
void report(const char *name, double value, const char *unit);
void __printf(1, 2) __noreturn fail(const char *fmt, ...);
__u64 number(const char *text);

/* Each is a command of the program, with its arguments from argv[0] on */
int bench_clock(int argc, char **argv);
int bench_faults(int argc, char **argv);
int bench_regs(int argc, char **argv);
int bench_life(int argc, char **argv);
int bench_clear(int argc, char **argv);
int bench_start(int argc, char **argv);
int bench_memory(int argc, char **argv);
int bench_load(int argc, char **argv);

#endif /* BENCH_H */
