// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cxl: what a host offers of CXL accelerators, and binding them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "guest.h"
#include "report.h"
#include "sysfs.h"

#define EXIT_USAGE	2

static gboolean json;
static int first_index = 20;
static struct bind_options bind_options = { .wait_ms = 5000, .stay_ms = 500 };

struct command {
	const char *name;
	const char *arguments;
	const char *does;
	unsigned int least, most;	/* arguments */
	enum { PLAIN, BIND, LIBVIRT } options;
	int (*run)(const struct host *host, const GPtrArray *devices);
};

static int run_list(const struct host *host, const GPtrArray *unused)
{
	g_autoptr(GPtrArray) devices = devices_collect(host);

	report_list(host, devices, json);
	return EXIT_SUCCESS;
}

static int run_status(const struct host *host, const GPtrArray *devices)
{
	report_status(host, devices->pdata[0], json);
	return EXIT_SUCCESS;
}

static int run_check(const struct host *host, const GPtrArray *devices)
{
	g_autoptr(GPtrArray) all = devices->len ? NULL : devices_collect(host);

	return report_check(host, all ?: devices, json) ?
	       EXIT_FAILURE : EXIT_SUCCESS;
}

static int change(const struct host *host, const GPtrArray *devices,
		  bool (*how)(const struct host *, const struct device *,
			      const struct bind_options *, GError **))
{
	int status = EXIT_SUCCESS;
	unsigned int i;

	for (i = 0; i < devices->len; i++) {
		const struct device *device = devices->pdata[i];
		g_autoptr(GError) error = NULL;

		if (how(host, device, &bind_options, &error)) {
			report_change(device, sys_link("/sys/bus/pci/devices/%s/driver",
						       device->bdf), json);
			continue;
		}
		fprintf(stderr, "vfio-cxl: %s\n", error->message);
		status = EXIT_FAILURE;
	}
	return status;
}

static int run_bind(const struct host *host, const GPtrArray *devices)
{
	return change(host, devices, device_bind);
}

static int run_unbind(const struct host *host, const GPtrArray *devices)
{
	return change(host, devices, device_unbind);
}

static int print_guest(const struct host *host, const GPtrArray *devices, bool libvirt)
{
	g_autoptr(GError) error = NULL;
	struct plan *plan = plan_new(host, devices, &error);

	if (!plan) {
		fprintf(stderr, "vfio-cxl: %s\n", error->message);
		return EXIT_FAILURE;
	}
	if (libvirt) {
		g_autofree char *xml = plan_libvirt(plan, first_index);

		report_text(xml, json);
	} else {
		g_autoptr(GPtrArray) words = plan_qemu(plan);

		report_words(words, json);
	}
	plan_free(plan);
	return EXIT_SUCCESS;
}

static int run_qemu(const struct host *host, const GPtrArray *devices)
{
	return print_guest(host, devices, false);
}

static int run_libvirt(const struct host *host, const GPtrArray *devices)
{
	return print_guest(host, devices, true);
}

static const struct command commands[] = {
	{ "list", "", "list the CXL accelerators of this host", 0, 0, PLAIN, run_list },
	{ "status", "BDF", "show a device, its memory, and who has it open", 1, 1,
	  PLAIN, run_status },
	{ "check", "[BDF...]", "check what a guest with the devices needs", 0, 64,
	  PLAIN, run_check },
	{ "bind", "BDF...", "bind devices to " DRIVER, 1, 64, BIND, run_bind },
	{ "unbind", "BDF...", "give devices back to the host", 1, 64, BIND, run_unbind },
	{ "qemu", "BDF...", "print QEMU's arguments for a guest with devices", 1, 80,
	  PLAIN, run_qemu },
	{ "libvirt", "BDF...", "print libvirt's XML for a guest with devices", 1, 80,
	  LIBVIRT, run_libvirt },
};

static void usage(FILE *to)
{
	unsigned int i;

	fputs("usage: vfio-cxl COMMAND [--json] [BDF...]\n\n", to);
	for (i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(to, "  %-7s %-10s %s\n", commands[i].name,
			commands[i].arguments, commands[i].does);
	fputs("\n'vfio-cxl COMMAND --help' lists options; vfio-cxl(8) explains.\n", to);
}

static int run(const struct command *command, char **bdfs)
{
	g_autoptr(GPtrArray) devices =
		g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
	struct host *host = host_collect();
	int status = EXIT_USAGE;

	for (; *bdfs; bdfs++) {
		g_autoptr(GError) error = NULL;
		struct device *device = device_collect(host, *bdfs, &error);

		if (!device) {
			fprintf(stderr, "vfio-cxl: %s\n", error->message);
			break;
		}
		g_ptr_array_add(devices, device);
	}
	if (!*bdfs)
		status = command->run(host, devices);
	host_free(host);
	return status;
}

static int parse(const struct command *command, int argc, char **argv)
{
	g_auto(GStrv) bdfs = NULL;
	GOptionEntry common[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &bdfs, NULL, NULL },
		{ NULL }
	};
	const GOptionEntry binding[] = {
		{ "replace", 0, 0, G_OPTION_ARG_NONE, &bind_options.replace,
		  "bind: take a device over from another driver", NULL },
		{ "persist", 0, 0, G_OPTION_ARG_NONE, &bind_options.persist,
		  "at each boot as well, by driverctl", NULL },
		{ NULL }
	};
	const GOptionEntry libvirt[] = {
		{ "index", 0, 0, G_OPTION_ARG_INT, &first_index,
		  "first index that the domain's PCI controllers leave free (20)", "N" },
		{ NULL }
	};
	g_autofree char *title = g_strconcat(command->arguments, " - ",
					     command->does, NULL);
	g_autoptr(GOptionContext) context = g_option_context_new(title);
	g_autofree char *program = g_strconcat("vfio-cxl ", command->name, NULL);
	g_autoptr(GError) error = NULL;
	char *none = NULL;
	unsigned int count;

	g_set_prgname(program);
	g_option_context_add_main_entries(context, common, NULL);
	if (command->options == BIND)
		g_option_context_add_main_entries(context, binding, NULL);
	if (command->options == LIBVIRT)
		g_option_context_add_main_entries(context, libvirt, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "%s: %s\n", program, error->message);
		return EXIT_USAGE;
	}
	count = bdfs ? g_strv_length(bdfs) : 0;
	if (count < command->least || count > command->most || first_index < 1) {
		fprintf(stderr, "usage: %s %s\n", program, command->arguments);
		return EXIT_USAGE;
	}
	return run(command, bdfs ?: &none);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	for (i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return parse(&commands[i], argc - 1, argv + 1);
	if (argc > 1)
		fprintf(stderr, "vfio-cxl: no command '%s'\n", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
