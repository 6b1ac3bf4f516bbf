/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of the kernel, below a root directory that tests replace
 *
 * Strings that these functions return are interned: they last as long as the
 * process, and equal strings are the same pointer.
 */
#ifndef SYSFS_H
#define SYSFS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

extern const char *sys_root;	/* "" but in tests */

char *sys_path(const char *format, ...) G_GNUC_PRINTF(1, 2);
bool sys_exists(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Content without white space at its ends; NULL if it cannot be read */
const char *sys_read(const char *format, ...) G_GNUC_PRINTF(1, 2);
bool sys_read_u64(uint64_t *value, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Last component of what a symbolic link points to, or NULL */
const char *sys_link(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Components of the real path of a directory, from "devices" on */
char **sys_real(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Sorted names in a directory, empty if there is none; g_ptr_array_unref() */
GPtrArray *sys_list(const char *format, ...) G_GNUC_PRINTF(1, 2);

bool sys_write(const char *value, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

#endif
