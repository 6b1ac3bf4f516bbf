/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a test takes its choices from
 *
 * Either a pseudo-random generator (splitmix64), which never ends, or the
 * bytes of a fuzzer's input, which read as zero once they are used up. So one
 * generator of operations serves the property tests and the fuzzer.
 */
#ifndef VFIO_CXL_SOURCE_H
#define VFIO_CXL_SOURCE_H

#include <linux/types.h>

struct source {
	const u8 *data;		/* NULL: random */
	size_t left;
	u64 state;
};

static inline bool source_empty(const struct source *src)
{
	return src->data && !src->left;
}

static inline u64 source_mix(u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline u8 source_u8(struct source *src)
{
	if (!src->data)
		return source_mix(src->state += 0x9e3779b97f4a7c15) >> 56;
	if (!src->left)
		return 0;
	src->left--;
	return *src->data++;
}

static inline u64 source_u64(struct source *src)
{
	u64 val = 0;
	int i;

	for (i = 0; i < 8; i++)
		val = val << 8 | source_u8(src);
	return val;
}

#endif /* VFIO_CXL_SOURCE_H */
