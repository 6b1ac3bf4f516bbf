// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "guest.h"
#include "judge.h"

#define GIB		(1024ull * 1024 * 1024)
#define FIRST_BUS	32	/* of a host bridge, each 16 further: itself and its ports */
#define BUSES		16

/*
 * QEMU places memory of a GiB or more at a multiple of a GiB, if there is room,
 * for the large pages that this allows.
 */
static uint64_t room_for(uint64_t size)
{
	return size < GIB ? size : (size + GIB - 1) / GIB * GIB + GIB;
}

static bool plan_add(struct plan *plan, const struct host *host,
		     const struct device *device, GError **error)
{
	unsigned int number = plan->slots->len;
	struct slot slot = {
		.device = device,
		.bridge = number / PORTS_PER_BRIDGE,
		.port = number % PORTS_PER_BRIDGE,
		.cxl = !device->gate.known || device->gate.committed,
	};
	uint64_t base, size = 0;
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < number; i++)
		if (g_array_index(plan->slots, struct slot, i).device->bdf == device->bdf)
			why = "given twice";
	if (slot.cxl && !device_range(host, device, &base, &size))
		size = device->dvsec.size;
	if (slot.cxl && !size)
		why = "the size of its memory is not known; run as root";
	if (slot.bridge >= BRIDGES_MAX)
		why = "too many devices";
	if (device_is_accelerator(host, device, NULL) == NO)
		device_is_accelerator(host, device, &why);
	if (why) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: %s",
			    device->bdf, why);
		return false;
	}
	plan->bridges = slot.bridge + 1;
	plan->window[slot.bridge] += slot.cxl ? room_for(size) : 0;
	g_array_append_val(plan->slots, slot);
	return true;
}

struct plan *plan_new(const struct host *host, const GPtrArray *devices,
		      GError **error)
{
	struct plan *plan = g_new0(struct plan, 1);
	unsigned int i;

	plan->slots = g_array_new(FALSE, FALSE, sizeof(struct slot));
	plan->machine = strcmp(host->machine, "aarch64") ? "q35" : "virt";
	plan->iommufd = host_has_iommufd(host);
	for (i = 0; i < devices->len; i++) {
		if (plan_add(plan, host, devices->pdata[i], error))
			continue;
		plan_free(plan);
		return NULL;
	}
	return plan;
}

void plan_free(struct plan *plan)
{
	g_array_unref(plan->slots);
	g_free(plan);
}

char *plan_windows(const struct plan *plan, const char *prefix, unsigned int first)
{
	GString *text = g_string_new("cxl=on");
	unsigned int i, window = 0;

	for (i = 0; i < plan->bridges; i++) {
		if (!plan->window[i])
			continue;
		g_string_append_printf(text, ",cxl-fmw.%u.targets.0=%s%u,cxl-fmw.%u.size=%uM",
				       window, prefix, first + i, window,
				       (unsigned int)(plan->window[i] >> 20));
		window++;
	}
	return g_string_free(text, FALSE);
}

static void add_arg(GPtrArray *words, const char *option, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

static void add_arg(GPtrArray *words, const char *option, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(words, g_strdup(option));
	g_ptr_array_add(words, g_strdup_vprintf(format, args));
	va_end(args);
}

GPtrArray *plan_qemu(const struct plan *plan)
{
	GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *windows = plan_windows(plan, "cxl.", 1);
	unsigned int i;

	add_arg(words, "-machine", "%s,%s", plan->machine, windows);
	if (plan->iommufd)
		add_arg(words, "-object", "iommufd,id=iommufd0");
	for (i = 0; i < plan->bridges; i++)
		add_arg(words, "-device", "pxb-cxl,bus_nr=%u,bus=pcie.0,id=cxl.%u",
			FIRST_BUS + BUSES * i, i + 1);
	for (i = 0; i < plan->slots->len; i++) {
		const struct slot *slot = &g_array_index(plan->slots, struct slot, i);

		add_arg(words, "-device", "cxl-rp,port=%u,bus=cxl.%u,id=rp%u,chassis=%u,slot=%u",
			slot->port, slot->bridge + 1, i, 200 + slot->bridge, slot->port);
		add_arg(words, "-device", "vfio-pci,host=%s,id=accel%u,bus=rp%u%s%s",
			slot->device->bdf, i, i,
			plan->iommufd ? ",iommufd=iommufd0" : "",
			slot->cxl ? ",cxl=on" : "");
	}
	return words;
}

/* A property that libvirt does not know, or sets otherwise */
static void override(GString *xml, const char *alias, unsigned int number,
		     const char *property, const char *value)
{
	g_string_append_printf(xml,
			       "    <qemu:device alias='%s%u'>\n"
			       "      <qemu:frontend>\n"
			       "        <qemu:property name='%s' type='string' value='%s'/>\n"
			       "      </qemu:frontend>\n"
			       "    </qemu:device>\n", alias, number, property, value);
}

static void add_hostdev(GString *xml, const struct slot *slot, unsigned int number,
			unsigned int bus)
{
	g_auto(GStrv) part = g_strsplit_set(slot->device->bdf, ":.", 0);

	g_string_append_printf(xml,
			       "    <hostdev mode='subsystem' type='pci' managed='yes'>\n"
			       "      <driver model='" DRIVER "'/>\n"
			       "      <source>\n"
			       "        <address domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>\n"
			       "      </source>\n"
			       "      <alias name='ua-accel%u'/>\n"
			       "      <address type='pci' bus='%u' slot='0' function='0'/>\n"
			       "    </hostdev>\n", part[0], part[1], part[2], part[3],
			       number, bus);
}

char *plan_libvirt(const struct plan *plan, unsigned int first)
{
	g_autofree char *windows = plan_windows(plan, "pci.", first);
	unsigned int ports = first + plan->bridges, i;
	GString *xml = g_string_new("<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
				    "  <devices>\n");

	for (i = 0; i < plan->bridges; i++)
		g_string_append_printf(xml,
				       "    <controller type='pci' index='%u' model='pcie-expander-bus'>\n"
				       "      <target busNr='%u'/>\n"
				       "    </controller>\n", first + i, FIRST_BUS + BUSES * i);
	for (i = 0; i < plan->slots->len; i++) {
		const struct slot *slot = &g_array_index(plan->slots, struct slot, i);

		g_string_append_printf(xml,
				       "    <controller type='pci' index='%u' model='pcie-root-port'>\n"
				       "      <target chassis='%u' port='%u'/>\n"
				       "      <address type='pci' bus='%u' slot='%u' function='0'/>\n"
				       "    </controller>\n", ports + i, ports + i, slot->port,
				       first + slot->bridge, slot->port);
	}
	for (i = 0; i < plan->slots->len; i++)
		add_hostdev(xml, &g_array_index(plan->slots, struct slot, i), i, ports + i);
	g_string_append_printf(xml,
			       "  </devices>\n"
			       "  <qemu:commandline>\n"
			       "    <qemu:arg value='-machine'/>\n"
			       "    <qemu:arg value='%s'/>\n"
			       "  </qemu:commandline>\n"
			       "  <qemu:override>\n", windows);
	for (i = 0; i < plan->bridges; i++)
		override(xml, "pci.", first + i, "driver", "pxb-cxl");
	for (i = 0; i < plan->slots->len; i++) {
		override(xml, "pci.", ports + i, "driver", "cxl-rp");
		if (g_array_index(plan->slots, struct slot, i).cxl)
			override(xml, "ua-accel", i, "cxl", "on");
	}
	g_string_append(xml, "  </qemu:override>\n</domain>\n");
	return g_string_free(xml, FALSE);
}
