// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench memory DEVICE ROUNDS BYTES
 *
 * How fast the device memory that DEVICE (/dev/cxl_accel0) maps is copied and
 * read at random, and how fast ordinary memory is, by turns. The ratio is the
 * median of those of one turn each: what disturbs it disturbs both.
 *
 * cxl-bench load DEVICE|-|sleep MILLISECONDS
 *
 * Say "running", and for so long copy and read at random; - is ordinary memory,
 * and with "sleep" nothing is done at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "bench.h"

#define RANDOM_READS	(64 * 1024)

static void *map_device(const char *path, size_t len)
{
	int fd = open(path, O_RDWR);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail("%s: %s", path, strerror(errno));
	close(fd);
	return p;
}

/* In small pages, as the device's memory is mapped in the guest */
static void *map_ram(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, len, MADV_NOHUGEPAGE))
		fail("no memory: %s", strerror(errno));
	return p;
}

/* The lower half to the upper half */
static void copy(char *p, size_t len)
{
	memcpy(p + len / 2, p, len / 2);
	asm volatile("" : : "r" (p) : "memory");
}

/* Each address depends on what was read before. */
static void read_random(char *p, size_t len)
{
	__u64 x = 88172645463325252ULL, seen = 0;
	unsigned int i;

	for (i = 0; i < RANDOM_READS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		seen += __atomic_load_n((__u64 *)p + (x + seen) % (len / 8),
					__ATOMIC_RELAXED);
	}
	asm volatile("" : : "r" (seen));
}

static double timed(void (*work)(char *p, size_t len), char *p, size_t len)
{
	__u64 t = now();

	work(p, len);
	return now() - t;
}

static void compare(const char *name, void (*work)(char *p, size_t len),
		    char *dpa, char *ram, size_t len, double moved,
		    unsigned int rounds)
{
	struct samples of_dpa = {}, of_ram = {}, ratio = {};
	char text[64];

	while (rounds--) {
		double a, b;

		if (rounds % 2) {
			a = timed(work, dpa, len);
			b = timed(work, ram, len);
		} else {
			b = timed(work, ram, len);
			a = timed(work, dpa, len);
		}
		sample(&of_dpa, a);
		sample(&of_ram, b);
		sample(&ratio, b / a);
	}
	snprintf(text, sizeof(text), "%s_ours", name);
	report(text, moved / median(&of_dpa) * 1e9, "B/s");
	snprintf(text, sizeof(text), "%s_peer", name);
	report(text, moved / median(&of_ram) * 1e9, "B/s");
	snprintf(text, sizeof(text), "%s_ratio", name);
	report(text, median(&ratio), "");
}

int bench_memory(int argc, char **argv)
{
	unsigned int rounds = number(argv[2]);
	size_t len = number(argv[3]);
	char *dpa = map_device(argv[1], len), *ram = map_ram(len);

	/* The same content, as what is read decides where to read next */
	memset(dpa, 0, len);
	memset(ram, 0, len);
	compare("copy", copy, dpa, ram, len, len / 2, rounds);
	compare("random", read_random, dpa, ram, len, 8.0 * RANDOM_READS,
		rounds);
	return 0;
}

int bench_load(int argc, char **argv)
{
	bool idle = !strcmp(argv[1], "sleep");
	__u64 ms = number(argv[2]), end;
	const size_t len = 8 << 20;
	char *p = NULL;

	if (!idle) {
		p = strcmp(argv[1], "-") ? map_device(argv[1], len) :
					   map_ram(len);
		memset(p, 0, len);
	}
	puts("running");
	fflush(stdout);
	if (idle)
		usleep(ms * 1000);
	for (end = now() + ms * 1000000; !idle && now() < end; ) {
		copy(p, len);
		read_random(p, len);
	}
	return 0;
}
