// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

const char *sys_root = "";

static char *path_va(const char *format, va_list args)
{
	g_autofree char *path = g_strdup_vprintf(format, args);

	return g_strconcat(sys_root, path, NULL);
}

/* The arguments after @format, as a path below sys_root */
#define PATH(format)						\
	({							\
		va_list args;					\
		char *path;					\
								\
		va_start(args, format);				\
		path = path_va(format, args);			\
		va_end(args);					\
		path;						\
	})

char *sys_path(const char *format, ...)
{
	return PATH(format);
}

bool sys_exists(const char *format, ...)
{
	g_autofree char *path = PATH(format);

	return access(path, F_OK) == 0;
}

static const char *read_path(const char *path)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	return g_intern_string(g_strstrip(text));
}

const char *sys_read(const char *format, ...)
{
	g_autofree char *path = PATH(format);

	return read_path(path);
}

bool sys_read_u64(uint64_t *value, const char *format, ...)
{
	g_autofree char *path = PATH(format);
	const char *text = read_path(path);
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end;
}

const char *sys_link(const char *format, ...)
{
	g_autofree char *path = PATH(format);
	g_autofree char *target = g_file_read_link(path, NULL);

	if (!target)
		return NULL;
	return g_intern_string(strrchr(target, '/') ?
			       strrchr(target, '/') + 1 : target);
}

char **sys_real(const char *format, ...)
{
	g_autofree char *path = PATH(format);
	char real[PATH_MAX];
	const char *devices;

	devices = realpath(path, real) ? strstr(real, "/sys/devices/") : NULL;
	return g_strsplit(devices ? devices + strlen("/sys/devices/") : "",
			  "/", 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char **)a, *(const char **)b);
}

GPtrArray *sys_list(const char *format, ...)
{
	g_autofree char *path = PATH(format);
	GPtrArray *names = g_ptr_array_new();
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		g_ptr_array_add(names, (void *)g_intern_string(name));
	if (dir)
		g_dir_close(dir);
	g_ptr_array_sort(names, by_name);
	return names;
}

bool sys_write(const char *value, GError **error, const char *format, ...)
{
	g_autofree char *path = PATH(format);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t done = fd < 0 ? -1 : write(fd, value, strlen(value));

	if (done < 0)
		g_set_error(error, G_FILE_ERROR,
			    g_file_error_from_errno(errno), "%s: %s", path,
			    g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return done >= 0;
}
