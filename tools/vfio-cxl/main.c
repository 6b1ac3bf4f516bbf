// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-cxl: what a host offers of CXL accelerators, and binding them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "report.h"
#include "sysfs.h"

#define EXIT_USAGE	2

static gboolean json;
static struct bind_options bind_options = { .wait_ms = 5000, .stay_ms = 500 };

struct command {
	const char *name;
	const char *arguments;
	const char *does;
	unsigned int least, most;	/* arguments */
	bool binds;			/* takes the options of bind */
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

static const struct command commands[] = {
	{ "list", "", "list the CXL accelerators of this host", 0, 0, false, run_list },
	{ "status", "BDF", "show a device, its memory, and who has it open", 1, 1,
	  false, run_status },
	{ "check", "[BDF...]", "check what a guest with the devices needs", 0, 64,
	  false, run_check },
	{ "bind", "BDF...", "bind devices to " DRIVER, 1, 64, true, run_bind },
	{ "unbind", "BDF...", "give devices back to the host", 1, 64, true, run_unbind },
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
	g_autofree char *title = g_strconcat(command->arguments, " - ",
					     command->does, NULL);
	g_autoptr(GOptionContext) context = g_option_context_new(title);
	g_autofree char *program = g_strconcat("vfio-cxl ", command->name, NULL);
	g_autoptr(GError) error = NULL;
	char *none = NULL;
	unsigned int count;

	g_set_prgname(program);
	g_option_context_add_main_entries(context, common, NULL);
	if (command->binds)
		g_option_context_add_main_entries(context, binding, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "%s: %s\n", program, error->message);
		return EXIT_USAGE;
	}
	count = bdfs ? g_strv_length(bdfs) : 0;
	if (count < command->least || count > command->most) {
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
