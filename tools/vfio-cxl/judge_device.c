// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a device is in place; see judge.h
 */
#include <string.h>

#include "judge.h"

#define CLASS_CXL_MEM	0x0502
#define CAP_MEM		0x4

/* Whether a window of the CEDT leads to the device's host bridge */
bool device_below_cxl(const struct host *host, const struct device *device)
{
	unsigned int i;

	for (i = 0; i < host->decoders->len && device->path->len; i++) {
		struct decoder *decoder = g_ptr_array_index(host->decoders, i);

		if (decoder->window &&
		    g_ptr_array_find(decoder->ports,
				     g_ptr_array_index(device->path, 0), NULL))
			return true;
	}
	return false;
}

enum fact device_is_accelerator(const struct host *host,
				const struct device *device, const char **why)
{
	const char *reason = NULL;
	enum fact is = NO;

	if (device->class >> 8 == CLASS_CXL_MEM)
		reason = "a CXL memory device (Type 3), which the host's cxl_pci uses";
	else if (device->class >> 16 == CLASS_BRIDGE)
		reason = "a bridge";
	else if (device->dvsec.device == NO)
		reason = "not a CXL device: no Device DVSEC";
	else if (device->dvsec.device == YES && !(device->dvsec.cap & CAP_MEM))
		reason = "a CXL device without CXL.mem";
	else if (device->dvsec.device == YES && !device->dvsec.cxl_mode)
		reason = "a CXL device whose link runs as plain PCI Express";
	else if (device->dvsec.device == YES ||
		 device_is_ours(device))
		is = YES;
	else if (host->cxl_root && !device_below_cxl(host, device))
		reason = "not below a CXL host bridge";
	else
		is = UNKNOWN;
	if (why)
		*why = reason ?: is == UNKNOWN ?
		       "only root can read its CXL capabilities" : "a CXL accelerator";
	return is;
}

static bool contains(const struct decoder *decoder, uint64_t base, uint64_t size)
{
	return base >= decoder->base && base + size <= decoder->base + decoder->size;
}

static bool has_port(const struct decoder *decoder, const char *port)
{
	return g_ptr_array_find(decoder->ports, port, NULL);
}

bool device_range(const struct host *host, const struct device *device,
		  uint64_t *base, uint64_t *size)
{
	unsigned int i;

	*base = device->gate.base;
	*size = device->gate.size;
	for (i = 0; i < host->decoders->len && !*size; i++) {
		struct decoder *d = g_ptr_array_index(host->decoders, i);

		if (d->known && has_port(d, device->bdf)) {
			*base = d->base;
			*size = d->size;
		}
	}
	if (!*size && device->dvsec.base) {
		*base = device->dvsec.base;
		*size = device->dvsec.size;
	}
	return *size;
}

static void judge_window(const struct host *host, const struct device *device,
			 GPtrArray *findings)
{
	const char *bridge = device->path->len ? device->path->pdata[0] : "?";
	const char *remedy = "firmware must describe memory for the device: see its setup";
	const struct decoder *best = NULL;
	uint64_t size = device->dvsec.size ?: device->gate.size;
	unsigned int i;

	for (i = 0; i < host->decoders->len; i++) {
		struct decoder *d = g_ptr_array_index(host->decoders, i);

		if (d->window && has_port(d, bridge) &&
		    (!best || (d->known && d->size > best->size)))
			best = d;
	}
	if (!host->cxl_root)
		finding_add(findings, "window", UNSURE, "modprobe cxl_acpi",
			    "the CXL core does not know the CEDT");
	else if (!best)
		finding_add(findings, "window", MISSING, remedy,
			    "no window of the CEDT leads to %s", bridge);
	else if (best->ways > 1)
		finding_add(findings, "window", MISSING,
			    "switch interleaving off in firmware setup",
			    "%s interleaves %u host bridges", best->name, best->ways);
	else if (!best->known)
		finding_add(findings, "window", UNSURE, "run as root",
			    "%s leads to %s, of unknown size", best->name, bridge);
	else
		finding_add(findings, "window", best->size >= size ? MET : MISSING,
			    remedy, "%s leads to %s, %" G_GUINT64_FORMAT " MiB",
			    best->name, bridge, best->size >> 20);
}

/* The device and each port above it, and the window, must map the range. */
static void judge_decoders(const struct host *host, const struct device *device,
			   GPtrArray *findings)
{
	g_autoptr(GString) without = g_string_new(NULL);
	bool seen = false, window = false;
	uint64_t base = 0, size = 0;
	unsigned int i, p;

	for (i = 0; i < host->decoders->len; i++)
		seen |= has_port(g_ptr_array_index(host->decoders, i), device->bdf);
	if (device->gate.known && !device->gate.committed) {
		finding_add(findings, "decoders", MISSING,
			    "look for a setting of firmware for the memory of CXL devices",
			    "firmware committed no decoder of the device");
		return;
	}
	if (!seen || !device_range(host, device, &base, &size)) {
		finding_add(findings, "decoders", UNSURE,
			    seen ? "run as root" : "bind the device, and check again",
			    seen ? "only root can read ranges" :
			    "the CXL core does not look at them without a driver");
		return;
	}
	for (p = 0; p < device->path->len; p++) {
		const char *port = device->path->pdata[p];
		bool is_port = false, maps = false;

		for (i = 0; i < host->decoders->len; i++) {
			struct decoder *d = g_ptr_array_index(host->decoders, i);

			if (d->window) {
				window |= contains(d, base, size) &&
					  has_port(d, device->path->pdata[0]);
				continue;
			}
			is_port |= has_port(d, port);
			maps |= has_port(d, port) && contains(d, base, size);
		}
		if (is_port && !maps)
			g_string_append_printf(without, " %s", port);
	}
	if (without->len || !window)
		finding_add(findings, "decoders", MISSING,
			    "update firmware, which must commit all decoders above the device",
			    "0x%" G_GINT64_MODIFIER "x is not mapped by%s%s", base,
			    without->str, window ? "" : " the window");
	else
		finding_add(findings, "decoders", MET, NULL,
			    "committed up to the window, 0x%" G_GINT64_MODIFIER
			    "x, %" G_GUINT64_FORMAT " MiB", base, size >> 20);
}

/* What the CXL core and firmware call ranges that they only describe */
static bool only_describes(const char *name)
{
	static const char * const prefixes[] = {
		"CXL Window", "region", "Soft Reserved", "Reserved", MODULE, DRIVER,
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(name, prefixes[i]))
			return true;
	return false;
}

static void judge_range(const struct host *host, const struct device *device,
			GPtrArray *findings)
{
	uint64_t base, size;
	unsigned int i;

	if (device_is_ours(device) && device->gate.committed) {
		finding_add(findings, "range", MET, NULL, "claimed by " DRIVER);
		return;
	}
	if (!host->iomem || !device_range(host, device, &base, &size)) {
		finding_add(findings, "range", UNSURE,
			    host->iomem ? "bind the device; the kernel's log names an owner" :
			    "run as root",
			    host->iomem ? "the range of the memory is not known" :
			    "only root sees addresses in /proc/iomem");
		return;
	}
	for (i = 0; i < host->iomem->len; i++) {
		struct resource *r = g_ptr_array_index(host->iomem, i);

		if (r->end < base || r->start > base + size - 1 ||
		    only_describes(r->name))
			continue;
		finding_add(findings, "range", MISSING,
			    strstr(r->name, "dax") || strstr(r->name, "hmem") ||
			    strstr(r->name, "System RAM") ?
			    "boot with module_blacklist=dax_hmem" :
			    "unbind the driver that has it",
			    "0x%" G_GINT64_MODIFIER "x is in use: %s", base, r->name);
		return;
	}
	finding_add(findings, "range", MET, NULL,
		    "0x%" G_GINT64_MODIFIER "x has no owner", base);
}

static void judge_use(const struct device *device, GPtrArray *findings)
{
	const char *driver = device->driver;
	bool resets = *device->resets || device->gate.reset_cxl;
	unsigned int i;

	finding_add(findings, "reset", resets ? MET :
		    device->gate.known ? MISSING : UNSURE,
		    "allow_no_reset=1 binds it, for tenants who trust each other",
		    resets ? "%s%s" : "the kernel knows none%s%s",
		    *device->resets ? device->resets : "",
		    device->gate.reset_cxl ? " CXL-Reset" : "");

	for (i = 0; i < device->neighbours->len; i++) {
		const char *entry = device->neighbours->pdata[i];

		if (!strstr(entry, " vfio") && strchr(entry, ' ')[1])
			break;
	}
	if (!device->group)
		finding_add(findings, "group", MISSING, "see iommu",
			    "the device is in no IOMMU group");
	else if (i < device->neighbours->len)
		finding_add(findings, "group", MISSING,
			    "bind it to vfio-pci, or to no driver",
			    "group %s has %s as well", device->group,
			    (const char *)device->neighbours->pdata[i]);
	else
		finding_add(findings, "group", MET, NULL, "%s, free for VFIO",
			    device->group);

	finding_add(findings, "driver", device_is_ours(device) ? MET :
		    driver ? MISSING : UNSURE,
		    driver ? "when nothing uses it: vfio-cxl bind --replace" : "vfio-cxl bind",
		    "%s", driver ?: "none");
	if (!device_is_ours(device))
		return;
	if (!device->gate.known)
		finding_add(findings, "memory", UNSURE,
			    "run as root, with debugfs mounted",
			    "the state of the gate cannot be read");
	else
		finding_add(findings, "memory",
			    device->gate.reachable || !*device->gate.reasons ||
			    !strcmp(device->gate.reasons, "not open") ?
			    MET : MISSING,
			    "wait for a reset to end, or reset the device; see the kernel's log",
			    "%s%s%s", device->gate.reachable ? "reachable" : "closed",
			    *device->gate.reasons ? ": " : "", device->gate.reasons);
}

void judge_device(const struct host *host, const struct device *device,
		  GPtrArray *findings)
{
	const char *why;
	enum fact is = device_is_accelerator(host, device, &why);

	finding_add(findings, "accelerator", is == YES ? MET :
		    is == NO ? MISSING : UNSURE,
		    is == UNKNOWN ? "run as root" :
		    "see firmware's setting for CXL on its slot",
		    "%s", why);
	if (is == NO)
		return;
	judge_window(host, device, findings);
	judge_decoders(host, device, findings);
	judge_range(host, device, findings);
	judge_use(device, findings);
}
