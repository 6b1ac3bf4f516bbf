// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-bench clear BDF ROUNDS
 *
 * How fast the driver clears the device memory at the last close, and how fast
 * ordinary memory of the same size can be cleared: what a close takes longer
 * with clear_on_close=1 than with 0, and the better of two ways to clear a
 * mapping. By turns; medians.
 */
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "vfio_cxl_lib.h"

static __u64 close_time(const char *bdf, const char *clear)
{
	struct vfio_cxl_dev dev;
	__u64 t;

	if (vfio_cxl_open(&dev, bdf) ||
	    !vfio_cxl_write_file("/sys/module/vfio_cxl_pci/parameters/clear_on_close",
				 clear))
		fail("cannot open %s", bdf);
	t = now();
	vfio_cxl_close(&dev);
	return now() - t;
}

static __u64 bytewise(char *p, size_t len)
{
	__u64 t = now();

	asm volatile("rep stosb" : "+D" (p), "+c" (len) : "a" (0) : "memory");
	return now() - t;
}

static __u64 by_library(char *p, size_t len)
{
	__u64 t = now();

	memset(p, 0, len);
	asm volatile("" : : "r" (p) : "memory");
	return now() - t;
}

int bench_clear(int argc, char **argv)
{
	struct samples with = {}, without = {}, rep = {}, lib = {}, ratio = {};
	unsigned int rounds = number(argv[2]);
	struct vfio_cxl_dev dev;
	double clear, set;
	size_t size;
	char *p;

	if (vfio_cxl_open(&dev, argv[1]) || !dev.dpa.info.size)
		fail("%s has no memory", argv[1]);
	size = dev.dpa.info.size;
	vfio_cxl_close(&dev);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail("no memory");

	/* All of it exists. */
	close_time(argv[1], "1");
	by_library(p, size);
	while (rounds--) {
		sample(&with, close_time(argv[1], "1"));
		sample(&rep, bytewise(p, size));
		sample(&without, close_time(argv[1], "0"));
		sample(&lib, by_library(p, size));
		clear = with.at[with.n - 1] - without.at[without.n - 1];
		set = rep.at[rep.n - 1] < lib.at[lib.n - 1] ?
		      rep.at[rep.n - 1] : lib.at[lib.n - 1];
		sample(&ratio, set / clear);
	}
	close_time(argv[1], "1");
	report("clear", size / (median(&with) - median(&without)) * 1e9, "B/s");
	report("memset", size / median(&lib) * 1e9, "B/s");
	report("rep_stosb", size / median(&rep) * 1e9, "B/s");
	report("ratio", median(&ratio), "");
	return 0;
}
