/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where devices go in a guest, as arguments of QEMU and as XML of libvirt. Pure.
 */
#ifndef GUEST_H
#define GUEST_H

#include "facts.h"

#define BRIDGES_MAX		8
#define PORTS_PER_BRIDGE	10	/* decoders of a host bridge, one for each device */

struct slot {
	const struct device *device;
	unsigned int bridge;
	unsigned int port;
	bool cxl;			/* firmware committed its memory */
};

struct plan {
	GArray *slots;			/* struct slot */
	unsigned int bridges;
	uint64_t window[BRIDGES_MAX];	/* bytes; 0: none needed */
	const char *machine;		/* "q35" */
	bool iommufd;
};

/* NULL with an error for what cannot be passed through, or is not known enough */
struct plan *plan_new(const struct host *host, const GPtrArray *devices,
		      GError **error);
void plan_free(struct plan *plan);

/* ",cxl-fmw.0.targets.0=..." for bridges that are called @prefix and a number */
char *plan_windows(const struct plan *plan, const char *prefix, unsigned int first);

/* Words, "-device" and its value; g_ptr_array_unref() */
GPtrArray *plan_qemu(const struct plan *plan);

/* @first: index of the first PCI controller that the domain does not have yet */
char *plan_libvirt(const struct plan *plan, unsigned int first);

#endif
