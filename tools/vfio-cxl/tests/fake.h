/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host in a temporary directory, with one CXL accelerator that is all right
 */
#ifndef FAKE_H
#define FAKE_H

#include "judge.h"

#define BDF	"0000:0d:00.0"
#define BASE	0x190000000ull
#define SIZE	0x10000000ull

/* A new one, in sys_root; the one before is removed. */
void fake_host(void);
void fake_remove(void);

void fake_file(const char *path, const char *content);
void fake_link(const char *path, const char *target);
void fake_delete(const char *path);
char *fake_read(const char *path);

/* Config space of the device: with DVSECs, or what others than root see of it */
void fake_config(uint16_t cap, bool cxl_mode, size_t length);

/* The driver has the device, with the gate as @memory says. */
void fake_bound(const char *memory);

/* The verdict on a prerequisite of host or device, and what was found */
enum verdict verdict_on(const struct host *host, const struct device *device,
			const char *name);
extern char *verdict_found;

/* Decoders that topology_collect() finds; by default those of a bound device */
extern bool fake_no_root, fake_no_endpoint, fake_no_bridge, fake_unreadable;
extern unsigned int fake_ways;

/* Programs that were run, "modprobe vfio-cxl-pci\n"; whether they fail */
extern GString *fake_ran;
extern bool fake_fails;

#endif
