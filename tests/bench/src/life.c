// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench life BDF ROUNDS
 *
 * Bind the device to vfio-cxl-pci, open, map, reset, close and unbind it: how
 * many instructions the calls take in their thread, without the time that they
 * sleep; how long they take with it; and how much memory the kernel has less.
 * The smallest of ROUNDS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>

#include "bench.h"
#include "vfio_cxl_lib.h"

#define RESETS	5

struct step {
	const char *name;
	struct samples work;
	struct samples time;
	struct samples memory;
};

static struct step bind = { .name = "bind" }, open_ = { .name = "open" },
		   map = { .name = "map" }, reset = { .name = "reset" },
		   close_ = { .name = "close" }, unbind = { .name = "unbind" };

/* Bytes free, those that CPUs have set aside included */
static double free_memory(void)
{
	unsigned long pages, sum = 0;
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[256];

	if (!f)
		fail("/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %lu", &pages) == 1 ||
		    sscanf(line, " count: %lu", &pages) == 1)
			sum += pages;
	fclose(f);
	return sum * (double)SZ_4K;
}

struct before {
	double memory;
	__u64 time, work;
};

static struct before begin(void)
{
	struct before b = { .memory = free_memory() };

	b.time = now();
	b.work = busy();
	return b;
}

static void end(struct step *s, struct before b)
{
	__u64 work = busy(), time = now();

	sample(&s->work, work - b.work);
	sample(&s->time, time - b.time);
	sample(&s->memory, b.memory - free_memory());
}

static void write_to(const char *path, const char *text)
{
	if (!vfio_cxl_write_file(path, text))
		fail("%s", path);
}

/* One that lasts: see vfio_cxl_bind(). */
static void measure_bind(const char *bdf)
{
	unsigned int turn, stays;

	for (turn = 0; turn < 20; turn++) {
		struct before b = begin();
		struct step one = {};

		write_to("/sys/bus/pci/drivers_probe", bdf);
		end(&one, b);
		for (stays = 0; stays < 25 && vfio_cxl_bound(bdf); stays++)
			usleep(20 * 1000);
		if (stays == 25) {
			sample(&bind.work, one.work.at[0]);
			sample(&bind.time, one.time.at[0]);
			sample(&bind.memory, b.memory - free_memory());
			return;
		}
		usleep(turn * 100 * 1000);
	}
	fail("%s does not stay bound", bdf);
}

/* Until it is opened by iommufd, the device is not: that is what is measured. */
static void measure_open(const char *bdf)
{
	struct vfio_device_bind_iommufd arg = { .argsz = sizeof(arg) };
	int fd, iommu = open("/dev/iommu", O_RDWR);
	struct vfio_cxl_dev dev;
	unsigned int turn;
	struct before b;
	size_t off;
	char *p;

	/* Finds the regions, and leaves the caches warm */
	if (vfio_cxl_open(&dev, bdf))
		fail("cannot open %s", bdf);
	vfio_cxl_close(&dev);

	fd = vfio_cxl_open_cdev(bdf);
	arg.iommufd = iommu;
	b = begin();
	if (fd < 0 || iommu < 0 || ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &arg))
		fail("open of %s: %s", bdf, strerror(errno));
	end(&open_, b);

	b = begin();
	p = vfio_cxl_xmap(fd, dev.dpa.info.offset, dev.dpa.info.size, SZ_1G, 0);
	for (off = 0; off < dev.dpa.info.size; off += SZ_1G)
		__atomic_load_n(p + off, __ATOMIC_RELAXED);
	end(&map, b);
	munmap(p, dev.dpa.info.size);

	/* It sleeps, and what wakes it costs now more, now less. */
	for (turn = 0; turn < RESETS; turn++) {
		b = begin();
		if (ioctl(fd, VFIO_DEVICE_RESET))
			fail("reset of %s: %s", bdf, strerror(errno));
		end(&reset, b);
	}

	b = begin();
	close(fd);
	end(&close_, b);
	close(iommu);
}

static void measure_unbind(const char *bdf)
{
	struct before b = begin();

	write_to("/sys/bus/pci/drivers/vfio-cxl-pci/unbind", bdf);
	end(&unbind, b);
	/* What the CXL core has queued */
	usleep(500 * 1000);
}

static void tell(struct step *s)
{
	char name[64];

	/* What mapping costs, the page faults tell. */
	if (s != &map) {
		report(s->name, smallest(&s->work), "instructions");
		snprintf(name, sizeof(name), "%s_time", s->name);
		report(name, smallest(&s->time), "ns");
	}
	snprintf(name, sizeof(name), "%s_memory", s->name);
	report(name, median(&s->memory), "bytes");
}

int bench_life(int argc, char **argv)
{
	unsigned int rounds = number(argv[2]);

	while (rounds--) {
		if (vfio_cxl_bound(argv[1]))
			measure_unbind(argv[1]);
		measure_bind(argv[1]);
		measure_open(argv[1]);
	}
	tell(&bind);
	tell(&open_);
	tell(&map);
	tell(&reset);
	tell(&close_);
	if (unbind.work.n)
		tell(&unbind);
	return 0;
}
