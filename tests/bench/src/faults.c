// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench faults BDF SIZE SKEW
 *
 * Map SIZE bytes of the device's memory, or without any of its largest BAR, at
 * SKEW bytes past a multiple of 1 GiB, and read all of it: how many page faults
 * that takes by the kernel's count, for leaves of which size, and how many
 * instructions.
 */
#include <sys/mman.h>

#include "bench.h"
#include "vfio_cxl_lib.h"

#define POPULATE_TURNS	5

static struct samples costs, populate;

static struct vfio_cxl_region find_memory(struct vfio_cxl_dev *dev)
{
	struct vfio_cxl_region best = dev->dpa, r;
	__u32 i;

	if (best.info.size)
		return best;
	for (i = 0; i <= VFIO_PCI_BAR5_REGION_INDEX; i++)
		if (!vfio_cxl_region_info(dev, i, &r) &&
		    (r.info.flags & VFIO_REGION_INFO_FLAG_MMAP) &&
		    r.info.size > best.info.size)
			best = r;
	return best;
}

static void touch(char *p)
{
	__atomic_load_n(p, __ATOMIC_RELAXED);
}

static bool faults(char *p)
{
	long before = vfio_cxl_minor_faults();
	__u64 t = ticks();

	touch(p);
	t = ticks() - t;
	if (vfio_cxl_minor_faults() == before)
		return false;
	if (costs.n < SAMPLES_MAX)
		sample(&costs, t);
	return true;
}

/* The leaf that p + off has faulted in is there; where the next one begins */
static size_t leaf_end(char *p, size_t off, size_t size)
{
	if (off + SZ_4K >= size)
		return size;
	if (faults(p + off + SZ_4K))
		return off + SZ_4K;
	off += SZ_2M - (size_t)(p + off) % SZ_2M;
	while (off < size && !faults(p + off))
		off += SZ_2M;
	return off < size ? off : size;
}

/* Instructions for all of the memory, with nothing in between */
static __u64 all_at_once(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
			 size_t size, size_t skew, size_t step, long expected)
{
	char *p = vfio_cxl_xmap(dev->fd, r->info.offset, size, SZ_1G, skew);
	long before = vfio_cxl_minor_faults();
	__u64 t = ticks();
	size_t off;

	for (off = 0; off < size; off += step)
		touch(p + off);
	t = ticks() - t;
	if (vfio_cxl_minor_faults() - before != expected)
		fail("%ld faults, and %ld the first time",
		     vfio_cxl_minor_faults() - before, expected);
	munmap(p, size);
	return t;
}

int bench_faults(int argc, char **argv)
{
	size_t size = number(argv[2]), skew = number(argv[3]), off, end;
	unsigned int of_1g = 0, of_2m = 0, of_4k = 0, turn;
	struct vfio_cxl_region r;
	struct vfio_cxl_dev dev;
	char *p;

	if (vfio_cxl_open(&dev, argv[1]))
		fail("cannot open %s", argv[1]);
	r = find_memory(&dev);
	if (r.info.size < size)
		fail("%s has %llu bytes", argv[1], r.info.size);

	p = vfio_cxl_xmap(dev.fd, r.info.offset, size, SZ_1G, skew);
	if (!faults(p))
		fail("the first access did not fault");
	for (off = 0; off < size; off = end) {
		end = leaf_end(p, off, size);
		if (end - off >= SZ_1G)
			of_1g++;
		else if (end - off >= SZ_2M)
			of_2m++;
		else
			of_4k++;
	}
	munmap(p, size);

	for (turn = 0; turn < POPULATE_TURNS; turn++)
		sample(&populate, all_at_once(&dev, &r, size, skew,
					      of_4k ? SZ_4K : SZ_2M,
					      of_1g + of_2m + of_4k));
	vfio_cxl_close(&dev);

	report("faults", of_1g + of_2m + of_4k, "faults");
	report("faults_1g", of_1g, "faults");
	report("faults_2m", of_2m, "faults");
	report("faults_4k", of_4k, "faults");
	report("populate", smallest(&populate), "instructions");
	report("fault_cost", smallest(&costs), "instructions");
	return 0;
}
