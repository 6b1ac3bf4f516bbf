/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header: what the pure models use, in user space. */
#ifndef ENV_LINUX_TYPES_H
#define ENV_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#endif /* ENV_LINUX_TYPES_H */
