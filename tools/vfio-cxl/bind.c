// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "judge.h"
#include "sysfs.h"

#define PCI	"/sys/bus/pci/devices/%s"
#define POLL_MS	50

static bool spawn(const char * const *argv, GError **error)
{
	g_autofree char *output = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
			  NULL, NULL, &output, &status, error))
		return false;
	if (g_spawn_check_wait_status(status, NULL))
		return true;
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s failed: %s",
		    argv[0], g_strstrip(output));
	return false;
}

bool (*run_program)(const char * const *argv, GError **error) = spawn;

static int kmsg_open(void)
{
	g_autofree char *path = sys_path("/dev/kmsg");
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* The last reason that the driver gave since kmsg_open(): "...;vfio-cxl-pci BDF: text" */
static char *kmsg_last(int fd, const char *bdf)
{
	g_autofree char *key = g_strconcat(bdf, ": ", NULL);
	char *last = NULL, *text, record[8192];
	ssize_t length;

	while (fd >= 0 && (length = read(fd, record, sizeof(record) - 1)) > 0) {
		record[length] = 0;
		record[strcspn(record, "\n")] = 0;
		text = strstr(record, key);
		if (!text || strstr(text, "probe with driver"))
			continue;
		g_free(last);
		last = g_strdup(text + strlen(key));
	}
	if (fd >= 0)
		close(fd);
	return last;
}

static bool has_driver(const char *bdf)
{
	return !g_strcmp0(sys_link(PCI "/driver", bdf), DRIVER);
}

/* The driver may defer; and the CXL core may take a driver away again. */
static bool bound_for_good(const char *bdf, const struct bind_options *options)
{
	unsigned int waited, stayed;

	for (waited = 0; !has_driver(bdf); waited += POLL_MS) {
		if (waited >= options->wait_ms)
			return false;
		g_usleep(POLL_MS * 1000);
	}
	for (stayed = 0; stayed < options->stay_ms; stayed += POLL_MS) {
		g_usleep(POLL_MS * 1000);
		if (!has_driver(bdf))
			return false;
	}
	return true;
}

static bool set_override(const char *bdf, const char *driver, GError **error)
{
	g_autofree char *line = g_strconcat(driver ?: "", "\n", NULL);

	return sys_write(line, error, PCI "/driver_override", bdf);
}

static bool probe(const char *bdf, GError **error)
{
	return sys_write(bdf, error, "/sys/bus/pci/drivers_probe");
}

/*
 * driverctl keeps it for the next boot, and takes the device from its driver at once,
 * also with --noprobe.
 */
static bool persist(const char *bdf, bool set, GError **error)
{
	const char * const set_it[] = { "driverctl", "--noprobe", "set-override",
					bdf, DRIVER, NULL };
	const char * const unset_it[] = { "driverctl", "--noprobe",
					  "unset-override", bdf, NULL };

	return run_program(set ? set_it : unset_it, error);
}

static bool can_persist(GError **error)
{
	g_autofree char *program = g_find_program_in_path("driverctl");

	if (!program)
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
				    "--persist needs driverctl, which is not installed");
	return program;
}

static bool refused(const char *bdf, const char *why, GError **error)
{
	if (why)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM, "%s: %s",
			    bdf, why);
	return why;
}

/* As it was before: @device says how. Errors change nothing more. */
static void restore(const struct device *device)
{
	set_override(device->bdf, device->override, NULL);
	if (has_driver(device->bdf))
		sys_write(device->bdf, NULL, PCI "/driver/unbind", device->bdf);
	if (device->driver)
		probe(device->bdf, NULL);
}

static bool take_over(const struct device *device,
		      const struct bind_options *options, GError **error)
{
	const char *bdf = device->bdf;
	g_autofree char *said = NULL;
	int kmsg = kmsg_open();
	/* sysfs returns EAGAIN for a bind that is deferred. */
	bool bound = set_override(bdf, DRIVER, error) &&
		(!device->driver ||
		 sys_write(bdf, error, PCI "/driver/unbind", bdf)) &&
		(probe(bdf, NULL), bound_for_good(bdf, options));

	said = kmsg_last(kmsg, bdf);
	if (bound)
		return true;
	if (!error || !*error)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    DRIVER " did not take %s: %s", bdf,
			    said ?: "the kernel's log does not say why");
	restore(device);
	return false;
}

bool device_bind(const struct host *host, const struct device *device,
		 const struct bind_options *options, GError **error)
{
	static const char * const modprobe[] = { "modprobe", DRIVER, NULL };
	g_autofree char *why = refuse_bind(host, device, options->replace);

	/* driverctl would unbind it. */
	if (!why && options->persist && device_is_ours(device))
		why = refuse_unbind(host, device);
	if (refused(device->bdf, why, error))
		return false;
	if (options->persist && !can_persist(error))
		return false;
	if (!device_is_ours(device) &&
	    ((!host->module_loaded && !run_program(modprobe, error)) ||
	     !take_over(device, options, error)))
		return false;
	if (!options->persist)
		return true;
	if (!persist(device->bdf, true, error))
		return false;
	if (has_driver(device->bdf))
		return true;
	probe(device->bdf, NULL);
	if (bound_for_good(device->bdf, options))
		return true;
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
		    "%s: driverctl unbound it, and " DRIVER " did not take it again",
		    device->bdf);
	return false;
}

bool device_unbind(const struct host *host, const struct device *device,
		   const struct bind_options *options, GError **error)
{
	const char *bdf = device->bdf;
	g_autofree char *why = refuse_unbind(host, device);

	/* What is remembered can be forgotten in any case. */
	if (options->persist && !device->driver && host->root)
		return can_persist(error) && persist(bdf, false, error);
	if (refused(bdf, why, error))
		return false;
	if (options->persist &&
	    (!can_persist(error) || !persist(bdf, false, error)))
		return false;
	if (!set_override(bdf, NULL, error) ||
	    (has_driver(bdf) &&
	     !sys_write(bdf, error, PCI "/driver/unbind", bdf)))
		return false;
	if (has_driver(bdf)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
			    "%s is still bound to " DRIVER, bdf);
		return false;
	}
	/* The driver that is for the device, if there is one, takes it back. */
	probe(bdf, NULL);
	return true;
}
