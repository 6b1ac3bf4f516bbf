/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header: what the pure models use, in user space. */
#ifndef ENV_LINUX_BITS_H
#define ENV_LINUX_BITS_H

#define BIT(n)		(1UL << (n))
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (8 * sizeof(long) - 1 - (h))))

#endif /* ENV_LINUX_BITS_H */
