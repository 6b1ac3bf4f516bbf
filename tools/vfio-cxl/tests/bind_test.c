// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binding and unbinding: what is refused changes nothing, what fails is put back
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind.h"
#include "fake.h"
#include "sysfs.h"

#define DEVICE		"/sys/bus/pci/devices/" BDF
#define OVERRIDE	DEVICE "/driver_override"
#define PROBE		"/sys/bus/pci/drivers_probe"

static const struct bind_options quick = { .wait_ms = 200, .stay_ms = 200 };
static bool as_root;

/* Do it, and say what the error was: NULL for none. */
static char *try(bool bind, const struct bind_options *options)
{
	struct host *host = host_collect();
	struct device *device = device_collect(host, BDF, NULL);
	char *message = NULL;
	GError *error = NULL;
	bool done;

	host->root = as_root;
	done = (bind ? device_bind : device_unbind)(host, device, options, &error);
	g_assert_true(done == !error);
	if (error)
		message = g_strdup(error->message);
	g_clear_error(&error);
	device_free(device);
	host_free(host);
	return message;
}

static void assert_error(bool bind, const struct bind_options *options, const char *want)
{
	g_autofree char *message = try(bind, options);

	if (!message || !strstr(message, want))
		g_error("'%s' is not in: %s", want, message ?: "no error");
}

static void assert_file(const char *path, const char *want)
{
	g_autofree char *content = fake_read(path);

	g_assert_cmpstr(content, ==, want);
}

static void assert_untouched(void)
{
	assert_file(OVERRIDE, "(null)\n");
	assert_file(PROBE, "");
	g_assert_cmpstr(fake_ran->str, ==, "");
}

static void refusals(void)
{
	as_root = true;
	fake_host();
	fake_file(DEVICE "/class", "0x050210\n");
	assert_error(true, &quick, "Type 3");
	assert_untouched();

	fake_host();
	fake_config(0x1f, true, 256);
	assert_error(true, &quick, "no Device DVSEC");
	assert_untouched();

	fake_host();
	fake_file("/proc/sys/kernel/osrelease", "6.12.0\n");
	assert_error(true, &quick, "kernel: Linux 6.12.0; install Linux 7.3");
	assert_untouched();

	fake_host();
	fake_link(DEVICE "/driver", "../../drivers/nvidia");
	assert_error(true, &quick, "bound to nvidia");
	assert_untouched();

	fake_host();
	as_root = false;
	assert_error(true, &quick, "only root");
	assert_untouched();
}

static void unbind_refusals(void)
{
	as_root = true;
	fake_host();
	assert_error(false, &quick, "bound to no driver");
	fake_link(DEVICE "/driver", "../../drivers/nvidia");
	assert_error(false, &quick, "bound to nvidia");
	assert_untouched();

	fake_host();
	fake_bound("reachable");
	fake_link("/proc/77/fd/9", "/dev/vfio/5");
	fake_file("/proc/77/comm", "qemu\n");
	assert_error(false, &quick, "process 77 (qemu) has it");
	assert_untouched();
}

static void persist_needs_driverctl(void)
{
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	struct bind_options options = quick;

	options.persist = true;
	as_root = true;
	fake_host();
	g_setenv("PATH", "/nonexistent", TRUE);
	assert_error(true, &options, "driverctl");
	assert_untouched();
	fake_bound("reachable");
	assert_error(false, &options, "driverctl");
	assert_untouched();
	g_setenv("PATH", path, TRUE);
}

/* The kernel binds it once more, after driverctl has unbound it. */
static void *driver_again(void *unused)
{
	g_autofree char *path = sys_path(DEVICE "/driver");

	while (g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		g_usleep(10 * 1000);
	fake_bound("unreachable, not open");
	return NULL;
}

static void persists(void)
{
	struct bind_options options = { .wait_ms = 500, .stay_ms = 200, .persist = true };
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	g_autofree char *program = NULL, *dir = NULL, *with = NULL;
	GThread *driver;

	as_root = true;
	fake_host();
	fake_file("/bin/driverctl", "");
	program = sys_path("/bin/driverctl");
	g_assert_cmpint(chmod(program, 0755), ==, 0);
	dir = g_path_get_dirname(program);
	with = g_strconcat(dir, ":", path, NULL);
	g_setenv("PATH", with, TRUE);

	fake_bound("unreachable, not open");
	assert_error(true, &options, "did not take it again");

	fake_bound("unreachable, not open");
	g_string_truncate(fake_ran, 0);
	driver = g_thread_new("driver", driver_again, NULL);
	g_assert_null(try(true, &options));
	g_thread_join(driver);
	g_assert_cmpstr(fake_ran->str, ==,
			"driverctl --noprobe set-override " BDF " vfio-cxl-pci\n");

	/* A user would lose it. */
	fake_link("/proc/77/fd/9", "/dev/vfio/5");
	fake_file("/proc/77/comm", "qemu\n");
	g_string_truncate(fake_ran, 0);
	assert_error(true, &options, "process 77 (qemu) has it");
	g_assert_cmpstr(fake_ran->str, ==, "");
	fake_delete("/proc/77/fd/9");

	/* Bound, and when it is not */
	g_assert_null(try(false, &options));
	g_assert_null(try(false, &options));
	g_assert_cmpstr(fake_ran->str, ==,
			"driverctl --noprobe unset-override " BDF "\n"
			"driverctl --noprobe unset-override " BDF "\n");
	g_setenv("PATH", path, TRUE);
}

static void never_binds(void)
{
	as_root = true;
	fake_host();
	assert_error(true, &quick, "vfio-cxl-pci did not take " BDF);
	g_assert_cmpstr(fake_ran->str, ==, "modprobe vfio-cxl-pci\n");
	assert_file(OVERRIDE, "\n");
	assert_file(PROBE, BDF);

	/* An override that was there before is there again. */
	fake_host();
	fake_file(OVERRIDE, "vfio-pci\n");
	assert_error(true, &quick, "did not take");
	assert_file(OVERRIDE, "vfio-pci\n");

	fake_host();
	fake_fails = true;
	assert_error(true, &quick, "it failed");
	assert_file(OVERRIDE, "(null)\n");
}

/* A driver that comes 100 ms after the request, and may leave 100 ms later */
static void *late_driver(void *leaves)
{
	g_usleep(100 * 1000);
	fake_bound("reachable");
	if (leaves) {
		g_usleep(100 * 1000);
		fake_delete(DEVICE "/driver");
	}
	return NULL;
}

static void binds_late(void)
{
	struct bind_options options = { .wait_ms = 2000, .stay_ms = 400 };
	g_autofree char *message = NULL;
	GThread *driver;

	as_root = true;
	fake_host();
	driver = g_thread_new("driver", late_driver, NULL);
	message = try(true, &options);
	g_thread_join(driver);
	g_assert_cmpstr(message, ==, NULL);
	assert_file(OVERRIDE, "vfio-cxl-pci\n");
	/* Once more does nothing. */
	fake_file(OVERRIDE, "as it was");
	g_assert_null(try(true, &options));
	assert_file(OVERRIDE, "as it was");
}

static void does_not_stay(void)
{
	struct bind_options options = { .wait_ms = 2000, .stay_ms = 600 };
	GThread *driver;

	as_root = true;
	fake_host();
	driver = g_thread_new("driver", late_driver, "leaves");
	assert_error(true, &options, "did not take");
	g_thread_join(driver);
	assert_file(OVERRIDE, "\n");
}

static void unbinds(void)
{
	as_root = true;
	fake_host();
	fake_bound("unreachable, not open");
	fake_file(OVERRIDE, "vfio-cxl-pci\n");
	fake_file("/sys/bus/pci/drivers/vfio-cxl-pci/unbind", "");
	/* No driver is behind this file, and so the device stays bound. */
	assert_error(false, &quick, "still bound");
	assert_file("/sys/bus/pci/drivers/vfio-cxl-pci/unbind", BDF);
	assert_file(OVERRIDE, "\n");
}

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	/* First: it changes the environment, and others start threads. */
	g_test_add_func("/bind/persist-needs-driverctl", persist_needs_driverctl);
	g_test_add_func("/bind/persists", persists);
	g_test_add_func("/bind/refusals", refusals);
	g_test_add_func("/bind/unbind-refusals", unbind_refusals);
	g_test_add_func("/bind/never-binds", never_binds);
	g_test_add_func("/bind/binds-late", binds_late);
	g_test_add_func("/bind/does-not-stay", does_not_stay);
	g_test_add_func("/bind/unbinds", unbinds);
	status = g_test_run();
	fake_remove();
	return status;
}
