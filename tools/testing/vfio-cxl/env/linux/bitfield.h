/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header: what the pure models use, in user space. */
#ifndef ENV_LINUX_BITFIELD_H
#define ENV_LINUX_BITFIELD_H

#define FIELD_GET(mask, reg)	(((reg) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, val)	(((val) << __builtin_ctzll(mask)) & (mask))

#endif /* ENV_LINUX_BITFIELD_H */
