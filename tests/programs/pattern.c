// SPDX-License-Identifier: GPL-2.0-only
/*
 * pattern - prove that a guest's device memory and a file are the same bytes
 *
 * One copy runs in the guest, on the device memory, another outside, on the
 * file that backs the emulated device. Both compute the same pattern: blocks
 * at pseudo-random places all over the memory, filled from a seed. The only
 * channel between them is the memory itself, whose last page says whose turn it
 * is:
 *
 *	guest fills pattern 1 -> outside finds it, and nothing else, in the
 *	file, and fills pattern 2 -> guest finds pattern 2
 *
 * usage: pattern guest FILE SIZE BYTES SEED1 SEED2 TIMEOUT
 *        pattern outside FILE SIZE BYTES SEED1 SEED2 TIMEOUT
 *        pattern fill|check FILE SIZE BYTES SEED
 *        pattern zero FILE SIZE
 *
 * SIZE is that of the memory, BYTES that of the pattern, both as strtoull(3)
 * takes them. TIMEOUT, in seconds, is for each wait. The exit status is 0 only
 * when every byte was as expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long u64;

#define BLOCK		(64UL << 10)
#define PAGE		4096UL
#define TURN_MAGIC	0x7670637864706121ULL

enum turn { TURN_GUEST_WROTE = 1, TURN_OUTSIDE_WROTE, TURN_GUEST_DONE };

/* At the last page of the memory */
struct turns {
	u64 magic;
	u64 turn;
	u64 wrong;
};

struct memory {
	unsigned char *p;
	u64 size;
	u64 bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static u64 parse_u64(const char *s)
{
	char *end;
	u64 val;

	errno = 0;
	val = strtoull(s, &end, 0);
	if (errno || *end || end == s) {
		fprintf(stderr, "'%s': not a number\n", s);
		exit(2);
	}
	return val;
}

/* splitmix64, by Sebastiano Vigna (public domain): good bits from any seed */
static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static u64 nr_blocks(const struct memory *m)
{
	return m->bytes / BLOCK;
}

/*
 * Block @i lies somewhere in the i-th of equal parts of the memory; the first
 * one at its start, the last one at its end, before the page of turns.
 */
static u64 block_offset(const struct memory *m, u64 i)
{
	u64 n = nr_blocks(m), room = m->size - PAGE;
	u64 part = room / n / PAGE * PAGE;

	if (!i)
		return 0;
	if (i == n - 1)
		return room - BLOCK;
	return i * part + mix(i) % ((part - BLOCK) / PAGE + 1) * PAGE;
}

static void fill(const struct memory *m, u64 seed)
{
	u64 i, j;

	for (i = 0; i < nr_blocks(m); i++) {
		u64 off = block_offset(m, i);
		u64 *q = (u64 *)(m->p + off);

		for (j = 0; j < BLOCK / 8; j++)
			q[j] = mix(seed ^ mix(off + 8 * j));
	}
}

/* Returns the number of wrong bytes, and names the first. */
static u64 check(const struct memory *m, u64 seed)
{
	u64 i, j, k, wrong = 0;

	for (i = 0; i < nr_blocks(m); i++) {
		u64 off = block_offset(m, i);

		for (j = 0; j < BLOCK; j += 8) {
			u64 want = mix(seed ^ mix(off + j)), got;

			memcpy(&got, m->p + off + j, 8);
			if (got == want)
				continue;
			if (!wrong)
				printf("DPA %#llx: found %016llx, expected %016llx\n",
				       off + j, got, want);
			for (k = 0; k < 64; k += 8)
				wrong += (got >> k & 0xff) != (want >> k & 0xff);
		}
	}
	return wrong;
}

/* Number of bytes in [from, to) that are not zero; names the first */
static u64 not_zero(const struct memory *m, u64 from, u64 to)
{
	u64 wrong = 0;

	for (; from < to; from++) {
		if (!m->p[from])
			continue;
		if (!wrong++)
			printf("DPA %#llx is %#x, expected zero\n",
			       from, m->p[from]);
	}
	return wrong;
}

static u64 not_zero_between(const struct memory *m)
{
	u64 i, from = 0, wrong = 0;

	for (i = 0; i < nr_blocks(m); i++) {
		wrong += not_zero(m, from, block_offset(m, i));
		from = block_offset(m, i) + BLOCK;
	}
	return wrong + not_zero(m, from, m->size - PAGE);
}

static struct turns *turns(const struct memory *m)
{
	return (struct turns *)(m->p + m->size - PAGE);
}

static void set_turn(const struct memory *m, enum turn next)
{
	turns(m)->magic = TURN_MAGIC;
	__atomic_store_n(&turns(m)->turn, next, __ATOMIC_SEQ_CST);
}

static bool wait_turn(const struct memory *m, enum turn want, u64 timeout)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	time_t end = time(NULL) + timeout;
	u64 now;

	do {
		now = __atomic_load_n(&turns(m)->turn, __ATOMIC_SEQ_CST);
		if (now == want && turns(m)->magic == TURN_MAGIC)
			return true;
		nanosleep(&nap, NULL);
	} while (time(NULL) <= end);

	printf("waited %llu s for turn %d, the memory says %llu\n", timeout,
	       want, now);
	return false;
}

static int play_guest(const struct memory *m, u64 seed1, u64 seed2,
		      u64 timeout)
{
	u64 wrong;

	fill(m, seed1);
	printf("[guest]   wrote %llu bytes in %llu blocks over %llu MiB\n",
	       nr_blocks(m) * BLOCK, nr_blocks(m), m->size >> 20);
	set_turn(m, TURN_GUEST_WROTE);
	if (!wait_turn(m, TURN_OUTSIDE_WROTE, timeout))
		return 1;
	wrong = check(m, seed2);
	turns(m)->wrong = wrong;
	printf("[guest]   read what was written outside: %llu bytes differ\n",
	       wrong);
	set_turn(m, TURN_GUEST_DONE);
	return wrong != 0;
}

static int play_outside(const struct memory *m, u64 seed1, u64 seed2,
			u64 timeout)
{
	u64 wrong, extra;

	if (!wait_turn(m, TURN_GUEST_WROTE, timeout))
		return 1;
	wrong = check(m, seed1);
	extra = not_zero_between(m);
	printf("[outside] read %llu bytes that the guest wrote from the file: ",
	       nr_blocks(m) * BLOCK);
	printf("%llu differ, %llu others changed\n", wrong, extra);
	fill(m, seed2);
	set_turn(m, TURN_OUTSIDE_WROTE);
	printf("[outside] wrote another pattern to the file\n");
	if (!wait_turn(m, TURN_GUEST_DONE, timeout))
		return 1;
	printf("[outside] the guest says %llu of these bytes differ\n",
	       turns(m)->wrong);
	return wrong || extra || turns(m)->wrong;
}

int main(int argc, char **argv)
{
	struct memory m = {};
	const char *cmd = argc > 1 ? argv[1] : "";
	int fd, want;

	setvbuf(stdout, NULL, _IOLBF, 0);
	want = !strcmp(cmd, "guest") || !strcmp(cmd, "outside") ? 8 :
	       !strcmp(cmd, "fill") || !strcmp(cmd, "check") ? 6 :
	       !strcmp(cmd, "zero") ? 4 : 0;
	if (!want || argc != want) {
		fprintf(stderr, "usage: see the head of pattern.c\n");
		return 2;
	}

	m.size = parse_u64(argv[3]);
	m.bytes = want > 4 ? parse_u64(argv[4]) : 0;
	if (m.size % PAGE || m.size < 2 * (BLOCK + PAGE) ||
	    (want > 4 && (nr_blocks(&m) < 2 || m.bytes > m.size / 4))) {
		fprintf(stderr, "%s bytes do not fit a quarter of %s\n",
			argc > 4 ? argv[4] : "0", argv[3]);
		return 2;
	}
	fd = open(argv[2], O_RDWR);
	if (fd < 0)
		die(argv[2]);
	m.p = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m.p == MAP_FAILED)
		die("mmap");

	if (!strcmp(cmd, "guest"))
		return play_guest(&m, parse_u64(argv[5]), parse_u64(argv[6]),
			     parse_u64(argv[7]));
	if (!strcmp(cmd, "outside"))
		return play_outside(&m, parse_u64(argv[5]), parse_u64(argv[6]),
			       parse_u64(argv[7]));
	if (!strcmp(cmd, "zero"))
		return not_zero(&m, 0, m.size) != 0;
	if (!strcmp(cmd, "fill")) {
		fill(&m, parse_u64(argv[5]));
		return 0;
	}
	return check(&m, parse_u64(argv[5])) != 0;
}
