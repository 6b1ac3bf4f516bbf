// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench regs BDF PLAIN-BDF TURNS
 *
 * What one access by the device file costs, in instructions: the smallest of
 * TURNS. BDF is bound to vfio-cxl-pci, PLAIN-BDF is the same kind of device
 * bound to vfio-pci: the same offsets mean the same there.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "vfio_cxl_lib.h"

/* Past the registers the emulated device's BAR is scratch memory. */
#define SCRATCH		(2 * SZ_64K)

static unsigned int turns;

static double cost(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		   __u64 off, size_t len, bool write)
{
	__u64 at = r->info.offset + off, val = 0, t, best = ~0ULL;
	unsigned int i;
	ssize_t rc;

	/* Writes put back what is there. */
	if (pread(dev->fd, &val, len, at) != (ssize_t)len)
		fail("cannot read %#llx of region %u of %s", off, r->info.index,
		     dev->bdf);
	for (i = 0; i < turns; i++) {
		t = ticks();
		rc = write ? pwrite(dev->fd, &val, len, at) :
			     pread(dev->fd, &val, len, at);
		t = ticks() - t;
		if (rc != (ssize_t)len)
			fail("access to %#llx of region %u of %s", off,
			     r->info.index, dev->bdf);
		if (t < best)
			best = t;
	}
	return best;
}

static void both(const char *what, struct vfio_cxl_dev *dev,
		 struct vfio_cxl_dev *plain, __u64 off, size_t len, bool write)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_ours", what);
	report(name, cost(dev, &dev->cfg, off, len, write), "instructions");
	snprintf(name, sizeof(name), "%s_peer", what);
	report(name, cost(plain, &plain->cfg, off, len, write), "instructions");
}

/* The least that a read of any file costs */
static double syscall_cost(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	__u64 val, t, best = ~0ULL;
	unsigned int i;

	for (i = 0; i < turns; i++) {
		t = ticks();
		if (pread(fd, &val, 4, 0) != 4)
			fail("cannot read /dev/zero");
		t = ticks() - t;
		if (t < best)
			best = t;
	}
	close(fd);
	return best;
}

int bench_regs(int argc, char **argv)
{
	struct vfio_cxl_dev dev, plain;
	__u32 hdm, ras;
	__u16 dvsec;

	turns = number(argv[3]);
	if (vfio_cxl_open(&dev, argv[1]) || vfio_cxl_open(&plain, argv[2]))
		fail("cannot open the devices");
	if (!dev.regs.info.size || plain.regs.info.size)
		fail("%s is to have a register page, and %s none", argv[1],
		     argv[2]);
	if (vfio_cxl_region_info(&plain, dev.bar.info.index, &plain.bar))
		fail("%s has no such BAR", argv[2]);
	dvsec = vfio_cxl_dvsec(&dev, 0);
	hdm = dev.hdm + HDM_BASE_LO(0);
	ras = vfio_cxl_cm_cap(&dev, CM_CAP_RAS) + RAS_UNC_MASK;

	report("syscall", syscall_cost(), "instructions");
	report("bar_read_peer", cost(&plain, &plain.bar, SCRATCH, 4, false),
	       "instructions");
	report("bar_write_peer", cost(&plain, &plain.bar, SCRATCH, 4, true),
	       "instructions");
	report("bar_read_ours", cost(&dev, &dev.bar, SCRATCH, 4, false),
	       "instructions");
	report("bar_write_ours", cost(&dev, &dev.bar, SCRATCH, 4, true),
	       "instructions");
	report("hdm_read", cost(&dev, &dev.regs, hdm, 4, false), "instructions");
	report("hdm_write", cost(&dev, &dev.regs, hdm, 4, true), "instructions");
	report("hdm_read_bar", cost(&dev, &dev.bar, dev.page + hdm, 4, false),
	       "instructions");
	report("array_read", cost(&dev, &dev.regs, 0, 4, false), "instructions");
	report("ras_read", cost(&dev, &dev.regs, ras, 4, false), "instructions");
	report("ras_write", cost(&dev, &dev.regs, ras, 4, true), "instructions");

	both("config_id", &dev, &plain, PCI_VENDOR_ID, 4, false);
	both("config_command", &dev, &plain, PCI_COMMAND, 2, false);
	both("config_status", &dev, &plain, PCI_STATUS, 2, false);
	both("config_bar", &dev, &plain, PCI_BASE_ADDRESS_0, 4, false);
	both("config_ext", &dev, &plain, PCI_CFG_SPACE_SIZE, 4, false);
	both("config_write", &dev, &plain, PCI_INTERRUPT_LINE, 1, true);
	both("config_write_command", &dev, &plain, PCI_COMMAND, 2, true);
	both("dvsec_read", &dev, &plain, dvsec + DVSEC_CAP, 2, false);
	both("dvsec_write", &dev, &plain, dvsec + DVSEC_CTRL, 2, true);
	vfio_cxl_close(&dev);
	vfio_cxl_close(&plain);
	return 0;
}
