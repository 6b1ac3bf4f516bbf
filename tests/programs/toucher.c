// SPDX-License-Identifier: GPL-2.0-only
/*
 * toucher - read and write device memory without pause, and report what was there
 *
 * usage: toucher DEVICE LOG
 *
 * Runs in the guest on one CPU, while another has the memory taken away. It visits
 * a word in each of 16 pages in turn: reads it, and writes a number that grows. What
 * it reads is the number that it wrote last ("there"); an earlier one that it wrote
 * since it last read one, so that a write was lost ("old"); all ones ("gone"); zero
 * ("cleared"); or something else ("wrong"), such as a number from before the memory
 * was cleared. It appends a line to LOG whenever that changes:
 *
 *	KIND TIMES MILLISECONDS
 *
 * the last of them at SIGTERM. MILLISECONDS is the longest that a single access
 * took.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES	16
#define PAGE	4096UL

static const char * const kinds[] = { "there", "old", "gone", "cleared", "wrong" };

typedef unsigned long long u64;

enum kind { THERE, OLD, GONE, CLEARED, WRONG, NONE };

static atomic_int ended;

static void end(int sig)
{
	ended = sig;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * @seen: the last number read
 * @left: the last number written, which may be lost
 */
struct word {
	atomic_ullong *at;
	u64 seen, left;
};

static enum kind touch(struct word *w, u64 next)
{
	u64 found = atomic_load_explicit(w->at, memory_order_relaxed);
	enum kind kind = found == ULLONG_MAX ? GONE : !found ? CLEARED :
			 found == w->left ? THERE :
			 found >= w->seen && found < w->left ? OLD : WRONG;

	atomic_store_explicit(w->at, next, memory_order_relaxed);
	w->left = next;
	if (kind == CLEARED)
		w->seen = next;
	else if (kind == THERE || kind == OLD)
		w->seen = found;
	return kind;
}

int main(int argc, char **argv)
{
	u64 next = 1, times = 0;
	struct word words[PAGES] = { };
	long slowest = 0, began, took;
	enum kind kind, last = NONE;
	unsigned int i;
	char *memory;
	FILE *log;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: see the head of toucher.c\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	memory = fd < 0 ? MAP_FAILED : mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					    MAP_SHARED, fd, 0);
	log = fopen(argv[2], "w");
	if (memory == MAP_FAILED || !log) {
		perror(argv[1]);
		return 2;
	}
	signal(SIGTERM, end);
	for (i = 0; i < PAGES; i++) {
		words[i].at = (atomic_ullong *)(memory + i * PAGE);
		words[i].seen = next;
		touch(&words[i], next++);
	}
	for (i = 0; !ended; i = (i + 1) % PAGES) {
		began = now_ms();
		kind = touch(&words[i], next++);
		took = now_ms() - began;
		if (kind != last && last != NONE) {
			fprintf(log, "%s %llu %ld\n", kinds[last], times, slowest);
			fflush(log);
			times = 0;
			slowest = 0;
		}
		last = kind;
		times++;
		if (took > slowest)
			slowest = took;
	}
	fprintf(log, "%s %llu %ld\n", kinds[last], times, slowest);
	return fclose(log) != 0;
}
