/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header: what the tests use, in user space. */
#ifndef ENV_LINUX_ARRAY_SIZE_H
#define ENV_LINUX_ARRAY_SIZE_H

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

#endif /* ENV_LINUX_ARRAY_SIZE_H */
