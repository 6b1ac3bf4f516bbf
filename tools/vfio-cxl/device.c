// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "sysfs.h"

#define PCI		"/sys/bus/pci/devices/%s"

/* Adds who has an open file that is the device, or its IOMMU group. */
static void collect_user(struct device *device, const char *pid)
{
	g_autofree char *of_group = g_strconcat("/dev/vfio/", device->group, NULL);
	g_autofree char *of_device = g_strconcat("/dev/vfio/devices/", device->vfio, NULL);
	g_autoptr(GPtrArray) files = sys_list("/proc/%s/fd", pid);
	unsigned int i;

	for (i = 0; i < files->len; i++) {
		const char *file = g_ptr_array_index(files, i);
		g_autofree char *link = sys_path("/proc/%s/fd/%s", pid, file);
		g_autofree char *target = g_file_read_link(link, NULL);
		const char *info = NULL;
		struct user *user;

		if (!target)
			continue;
		if (strstr(target, "[vfio-device]"))
			info = sys_read("/proc/%s/fdinfo/%s", pid, file);
		if (!(info && strstr(info, "vfio-device-syspath:") &&
		      strstr(info, device->bdf)) &&
		    !(device->group && !strcmp(target, of_group)) &&
		    !(device->vfio && !strcmp(target, of_device)))
			continue;
		user = g_new0(struct user, 1);
		user->pid = atoi(pid);
		user->name = sys_read("/proc/%s/comm", pid) ?: "?";
		g_ptr_array_add(device->users, user);
		return;
	}
}

static void collect_users(const struct host *host, struct device *device)
{
	g_autoptr(GPtrArray) pids = sys_list("/proc");
	unsigned int i;

	device->users = g_ptr_array_new_with_free_func(g_free);
	device->users_known = host->root;
	if (!device_is_ours(device))
		return;
	for (i = 0; i < pids->len; i++)
		if (g_ascii_isdigit(*(char *)g_ptr_array_index(pids, i)))
			collect_user(device, g_ptr_array_index(pids, i));
}

/* PCI bridges stay with their driver, and do no DMA of their own. */
static void collect_neighbours(struct device *device)
{
	g_autoptr(GPtrArray) names = NULL;
	unsigned int i;

	device->neighbours = g_ptr_array_new();
	if (!device->group)
		return;
	names = sys_list("/sys/kernel/iommu_groups/%s/devices", device->group);
	for (i = 0; i < names->len; i++) {
		const char *bdf = g_ptr_array_index(names, i);
		const char *driver = sys_link(PCI "/driver", bdf);
		g_autofree char *text = g_strconcat(bdf, " ", driver, NULL);
		uint64_t class = 0;

		sys_read_u64(&class, PCI "/class", bdf);
		if (bdf != device->bdf && class >> 16 != CLASS_BRIDGE)
			g_ptr_array_add(device->neighbours,
					(void *)g_intern_string(text));
	}
}

static void collect_config(struct device *device)
{
	g_autofree char *path = sys_path(PCI "/config", device->bdf);
	g_autofree char *config = NULL;
	size_t length = 0;

	g_file_get_contents(path, &config, &length, NULL);
	dvsec_parse((uint8_t *)config, length, &device->dvsec);
}

static void collect_path(struct device *device)
{
	g_auto(GStrv) path = sys_real(PCI, device->bdf);
	char **name;

	device->path = g_ptr_array_new();
	for (name = path; *name; name++)
		if (g_str_has_prefix(*name, "pci") || strchr(*name, ':'))
			g_ptr_array_add(device->path,
					(void *)g_intern_string(*name));
}

static unsigned int read_id(const char *bdf, const char *name)
{
	uint64_t value = 0;

	sys_read_u64(&value, PCI "/%s", bdf, name);
	return value;
}

struct device *device_collect(const struct host *host, const char *bdf,
			      GError **error)
{
	g_autofree char *full = g_strconcat("0000:", bdf, NULL);
	struct device *device;
	const char *node;

	if (strchr(bdf, '/') || !*bdf ||
	    (!sys_exists(PCI, bdf) && !sys_exists(PCI, full))) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
			    "%s: no such PCI device", bdf);
		return NULL;
	}
	device = g_new0(struct device, 1);
	device->bdf = g_intern_string(sys_exists(PCI, bdf) ? bdf : full);
	bdf = device->bdf;
	device->vendor = read_id(bdf, "vendor");
	device->id = read_id(bdf, "device");
	device->class = read_id(bdf, "class");
	device->driver = sys_link(PCI "/driver", bdf);
	device->override = sys_read(PCI "/driver_override", bdf);
	if (device->override && (!*device->override || *device->override == '('))
		device->override = NULL;
	device->group = sys_link(PCI "/iommu_group", bdf);
	device->resets = sys_read(PCI "/reset_method", bdf);
	if (!device->resets)	/* absent without any method */
		device->resets = "";
	node = sys_read(PCI "/numa_node", bdf);
	device->node = node ? atoi(node) : -1;
	if (sys_exists(PCI "/vfio-dev", bdf)) {
		g_autoptr(GPtrArray) names = sys_list(PCI "/vfio-dev", bdf);

		device->vfio = names->len ? g_ptr_array_index(names, 0) : NULL;
	}
	gate_parse(sys_read("/sys/kernel/debug/" DRIVER "/%s", bdf), &device->gate);
	collect_config(device);
	collect_path(device);
	collect_neighbours(device);
	collect_users(host, device);
	return device;
}

void device_free(struct device *device)
{
	g_ptr_array_unref(device->path);
	g_ptr_array_unref(device->neighbours);
	g_ptr_array_unref(device->users);
	g_free(device);
}

GPtrArray *devices_collect(const struct host *host)
{
	GPtrArray *devices = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
	g_autoptr(GPtrArray) names = sys_list("/sys/bus/pci/devices");
	unsigned int i;

	for (i = 0; i < names->len; i++) {
		struct device *device = device_collect(host, g_ptr_array_index(names, i), NULL);
		enum fact is = device ? device_is_accelerator(host, device, NULL) : NO;

		if (is == YES || (is == UNKNOWN && host->cxl_root))
			g_ptr_array_add(devices, device);
		else if (device)	/* it may have been unplugged meanwhile */
			device_free(device);
	}
	return devices;
}
