// SPDX-License-Identifier: GPL-2.0-only
/*
 * When CPU caches are flushed: what the driver calls for it is counted, and put
 * in order with what disturbs the device, by breakpoints on the kernel's own
 * functions. No emulator has caches whose content could tell.
 *
 * On a host the caches are flushed as a whole, but not too often; in a virtual
 * machine line by line. The test takes what it finds: CPUID tells.
 *
 * VFIO_CXL_BIG_BDF names a device with 1 GiB of memory at least,
 * VFIO_CXL_SIBLING_BDF a function of one whose function 0 has memory.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"

/* Bytes that the driver flushes in one call, and of which it remembers a touch */
#define CHUNK		SZ_64K
#define PIECE		SZ_2M

#define RING		(64 * SZ_4K)
#define MAX_CPUS	64

enum { WHOLE, LINES, DISTURBS, NR_PROBES };

static const char * const flush_function[] = {
	[WHOLE] = "cpu_cache_invalidate_memregion",
	[LINES] = "arch_wb_cache_pmem",
};

/* A breakpoint on every CPU, and where each of them writes its hits to */
struct probe {
	int fd[MAX_CPUS];
	struct perf_event_mmap_page *ring[MAX_CPUS];
};

static unsigned long kernel_address(const char *name)
{
	unsigned long addr = 0, at;
	char line[512], symbol[256];
	FILE *f;

	f = fopen("/proc/kallsyms", "r");
	while (f && !addr && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %*c %255s", &at, symbol) == 2 && !strcmp(symbol, name))
			addr = at;
	if (f)
		fclose(f);
	return addr;
}

static int probe_cpu(struct probe *p, int cpu, unsigned long addr)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = addr,
		.bp_len = sizeof(long),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TIME,
	};

	p->fd[cpu] = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (p->fd[cpu] < 0)
		return -errno;
	p->ring[cpu] = mmap(NULL, SZ_4K + RING, PROT_READ | PROT_WRITE, MAP_SHARED,
			    p->fd[cpu], 0);
	return p->ring[cpu] == MAP_FAILED ? -errno : 0;
}

static int probe_begin(struct probe *p, const char *name)
{
	unsigned long addr = kernel_address(name);
	long cpu, nr = sysconf(_SC_NPROCESSORS_ONLN);
	int rc = addr ? 0 : -ENOENT;

	for (cpu = 0; !rc && cpu < nr && cpu < MAX_CPUS; cpu++)
		rc = probe_cpu(p, cpu, addr);
	return rc;
}

static __u64 probe_count(struct probe *p)
{
	__u64 sum = 0, count;
	int cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		if (p->fd[cpu] > 0 && read(p->fd[cpu], &count, sizeof(count)) == sizeof(count))
			sum += count;
	return sum;
}

/* When the first call was, of those that are in the rings; ~0: never */
static __u64 probe_first(struct probe *p)
{
	__u64 first = ~0ULL, head, at;
	int cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (!p->ring[cpu])
			continue;
		head = __atomic_load_n(&p->ring[cpu]->data_head, __ATOMIC_ACQUIRE);
		for (at = p->ring[cpu]->data_tail; at < head;) {
			struct perf_event_header *h = (void *)p->ring[cpu] + SZ_4K + at % RING;
			__u64 time = *(__u64 *)(h + 1);

			if (h->type == PERF_RECORD_SAMPLE && time < first)
				first = time;
			at += h->size;
		}
	}
	return first;
}

/* Count from zero */
static void probe_reset(struct probe *p)
{
	int cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (!p->ring[cpu])
			continue;
		ioctl(p->fd[cpu], PERF_EVENT_IOC_RESET, 0);
		__atomic_store_n(&p->ring[cpu]->data_tail, p->ring[cpu]->data_head,
				 __ATOMIC_RELEASE);
	}
}

/* As an x86 kernel sees it: no CPUID bit says that there is a hypervisor. */
static bool on_metal(void)
{
	bool metal = false;
	char line[8192];
	FILE *f;

	f = fopen("/proc/cpuinfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "flags", 5))
			metal = !strstr(line, " hypervisor");
	if (f)
		fclose(f);
	return metal;
}

enum event {
	DEVICE_RESET, CXL_RESET, FLR, SYSFS, D3HOT, LOW_POWER, CLOSE,
};

FIXTURE(cache) {
	struct vfio_cxl_dev dev;
	struct probe probe[NR_PROBES];
	bool metal;
};

FIXTURE_VARIANT(cache) {
	enum event event;
	/* What the kernel calls to disturb the device */
	const char *disturbs;
	/* Memory that CPUs touch, from DPA 0 on */
	__u64 touch;
};

#define RESETS	"pci_dev_reset_iommu_prepare"
#define SLEEPS	"pci_set_power_state"

FIXTURE_VARIANT_ADD(cache, device_reset) { DEVICE_RESET, RESETS, 1 };
FIXTURE_VARIANT_ADD(cache, cxl_reset) { CXL_RESET, RESETS, 1 };
FIXTURE_VARIANT_ADD(cache, flr) { FLR, RESETS, 1 };
FIXTURE_VARIANT_ADD(cache, sysfs) { SYSFS, RESETS, 1 };
FIXTURE_VARIANT_ADD(cache, d3hot) { D3HOT, SLEEPS, 1 };
FIXTURE_VARIANT_ADD(cache, low_power) { LOW_POWER, NULL, 1 };
FIXTURE_VARIANT_ADD(cache, close) { CLOSE, RESETS, 1 };
FIXTURE_VARIANT_ADD(cache, device_reset_untouched) { DEVICE_RESET, RESETS, 0 };
FIXTURE_VARIANT_ADD(cache, cxl_reset_untouched) { CXL_RESET, RESETS, 0 };
FIXTURE_VARIANT_ADD(cache, flr_untouched) { FLR, RESETS, 0 };
FIXTURE_VARIANT_ADD(cache, d3hot_untouched) { D3HOT, SLEEPS, 0 };
FIXTURE_VARIANT_ADD(cache, close_untouched) { CLOSE, RESETS, 0 };

static int begin(struct probe *probe, const char *disturbs)
{
	int rc = probe_begin(&probe[WHOLE], flush_function[WHOLE]);

	/* Not every kernel has it. */
	if (!rc || rc == -ENOENT)
		rc = probe_begin(&probe[LINES], flush_function[LINES]);
	if (!rc && disturbs)
		rc = probe_begin(&probe[DISTURBS], disturbs);
	return rc;
}

FIXTURE_SETUP(cache)
{
	int rc;

	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	ASSERT_NE(0, self->dev.dpa.info.size);
	self->metal = on_metal();
	rc = begin(self->probe, variant->disturbs);
	if (rc)
		SKIP(return, "no breakpoint in the kernel: %s", strerror(-rc));
}

FIXTURE_TEARDOWN(cache)
{
	vfio_cxl_close(&self->dev);
}

static int low_power(struct vfio_cxl_dev *dev, __u32 feature)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

/* Have it happen; false if the device cannot do that */
static bool happen(struct vfio_cxl_dev *dev, enum event event)
{
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);
	__u16 pm = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM);
	bool ok;
	int fd;

	switch (event) {
	case DEVICE_RESET:
		return !ioctl(dev->fd, VFIO_DEVICE_RESET);
	case CXL_RESET:
		if (!(vfio_cxl_xget(dev, &dev->cfg, dvsec + DVSEC_CAP, 2) & DVSEC_CAP_RESET))
			return false;
		vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_CTRL2, 2, DVSEC_CTRL2_RESET);
		return !vfio_cxl_mem_wait(dev);
	case FLR:
		return vfio_cxl_guest_flr(dev);
	case SYSFS:
		fd = vfio_cxl_xhost_open(dev->bdf, "reset", O_WRONLY);
		ok = write(fd, "1", 1) == 1;
		close(fd);
		return ok;
	case D3HOT:
		if (!pm)
			return false;
		vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 3);
		return true;
	case LOW_POWER:
		return !low_power(dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	case CLOSE:
		vfio_cxl_close(dev);
		return true;
	}
	return false;
}

/* Back to where it was before */
static bool undo(struct vfio_cxl_dev *dev, enum event event)
{
	if (event == D3HOT)
		vfio_cxl_xput(dev, &dev->cfg,
			      vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, 0);
	if (event == LOW_POWER)
		return !low_power(dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	return event == CLOSE || !vfio_cxl_mem_wait(dev);
}

/*
 * What was touched is flushed, and that before the event reaches the device. What
 * was not costs nothing.
 *
 * Guards: gate.c vfio_cxl_gate_flush(); cache.c vfio_cxl_flush_cpu_caches(),
 * vfio_cxl_cache_touch(); the table in vfio-cxl.rst
 */
TEST_F(cache, flushed_before)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 whole, lines, flushed, disturbed;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	unsigned int i;

	if (variant->touch)
		ASSERT_EQ(0, vfio_cxl_touch(p, true));
	munmap(p, SZ_2M);	/* or it keeps the device open */
	for (i = 0; i < NR_PROBES; i++)
		probe_reset(&self->probe[i]);
	if (!happen(dev, variant->event))
		SKIP(return, "device cannot do that");

	whole = probe_count(&self->probe[WHOLE]);
	lines = probe_count(&self->probe[LINES]);
	flushed = probe_first(&self->probe[WHOLE]);
	if (lines && probe_first(&self->probe[LINES]) < flushed)
		flushed = probe_first(&self->probe[LINES]);
	disturbed = probe_first(&self->probe[DISTURBS]);
	TH_LOG("%s: %llu times as a whole, %llu chunks by lines, %lld us before",
	       self->metal ? "on metal" : "in a VM", whole, lines,
	       flushed == ~0ULL || disturbed == ~0ULL ? 0 :
	       (long long)(disturbed - flushed) / 1000);
	if (variant->disturbs)
		EXPECT_NE(0, probe_count(&self->probe[DISTURBS]));
	if (variant->touch) {
		EXPECT_LT(flushed, disturbed);
		/* All of one piece, and nothing else */
		EXPECT_EQ(whole ? 0 : PIECE / CHUNK, lines);
	} else {
		EXPECT_EQ(0, whole);
		EXPECT_EQ(0, lines);
	}
	EXPECT_LE(whole, self->metal);
	EXPECT_TRUE(undo(dev, variant->event));

	/* Once is enough. */
	for (i = 0; i < NR_PROBES; i++)
		probe_reset(&self->probe[i]);
	if (variant->event != CLOSE) {
		ASSERT_TRUE(happen(dev, variant->event));
		EXPECT_EQ(0, probe_count(&self->probe[WHOLE]));
		EXPECT_EQ(0, probe_count(&self->probe[LINES]));
		EXPECT_TRUE(undo(dev, variant->event));
	}
}

FIXTURE(often) {
	struct vfio_cxl_dev dev;
	struct probe probe[NR_PROBES];
	bool metal;
};

FIXTURE_SETUP(often)
{
	int rc;

	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	ASSERT_NE(0, self->dev.dpa.info.size);
	self->metal = on_metal();
	rc = begin(self->probe, NULL);
	if (rc)
		SKIP(return, "no breakpoint in the kernel: %s", strerror(-rc));
}

FIXTURE_TEARDOWN(often)
{
	vfio_cxl_close(&self->dev);
}

/*
 * What a read or a write by file touches, here in two pieces, is flushed as well.
 *
 * Guards: region.c dpa_copy(); cache.c vfio_cxl_cache_touch()
 */
TEST_F(often, by_file)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char buf[16] = {};
	__u64 whole;

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	probe_reset(&self->probe[WHOLE]);
	probe_reset(&self->probe[LINES]);
	ASSERT_EQ(16, vfio_cxl_read(dev, &dev->dpa, 2 * PIECE - 8, buf, 16));
	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	whole = probe_count(&self->probe[WHOLE]);
	EXPECT_EQ(whole ? 0 : 2 * PIECE / CHUNK, probe_count(&self->probe[LINES]));
	EXPECT_LE(whole, self->metal);
}

/*
 * Zeroes that the CPU writes are in the device when the close is over, all of them.
 * A function that is one of several has no CXL Reset to clear its memory.
 *
 * Guards: cache.c vfio_cxl_clear_by_cpu()
 */
TEST_F(often, cleared_by_cpu)
{
	const char *sibling = getenv("VFIO_CXL_SIBLING_BDF");
	struct vfio_cxl_dev dev;
	char bdf[32];
	__u64 size;

	if (!sibling || !*sibling)
		SKIP(return, "VFIO_CXL_SIBLING_BDF names no device");
	snprintf(bdf, sizeof(bdf), "%.*s0", (int)strlen(sibling) - 1, sibling);
	ASSERT_EQ(0, vfio_cxl_open(&dev, bdf));
	size = dev.dpa.info.size;
	probe_reset(&self->probe[LINES]);
	vfio_cxl_close(&dev);
	EXPECT_EQ(size / CHUNK, probe_count(&self->probe[LINES]));
}

#define LIMIT_S		10
#define LIMIT		4

/*
 * A guest that touches the memory and resets the device over and over stalls the
 * host no more often than it can bear; its own lines are flushed each time.
 *
 * Guards: cache.c flush_all_caches(), wbinvd_limit
 */
TEST_F(often, limited)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	__u64 whole, lines, began, windows;
	unsigned int i;

	if (self->metal)
		sleep(LIMIT_S + 1);	/* what others had of it is forgotten */
	probe_reset(&self->probe[WHOLE]);
	probe_reset(&self->probe[LINES]);
	began = vfio_cxl_now_ms();
	for (i = 0; i < 5 * LIMIT; i++) {
		ASSERT_EQ(0, vfio_cxl_touch(p, true));
		ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	}
	windows = (vfio_cxl_now_ms() - began) / (LIMIT_S * 1000) + 1;
	whole = probe_count(&self->probe[WHOLE]);
	lines = probe_count(&self->probe[LINES]);
	TH_LOG("%llu of %u as a whole, %llu chunks by lines", whole, i, lines);
	if (self->metal) {
		EXPECT_LE(LIMIT, whole);
		EXPECT_GE(LIMIT * windows, whole);
	} else {
		EXPECT_EQ(0, whole);
	}
	EXPECT_EQ((i - whole) * (PIECE / CHUNK), lines);
}

/*
 * Much memory is not flushed line by line where there is another way: who asks
 * waits for a turn.
 *
 * Guards: cache.c flush_all_caches(), CACHE_LINES_MAX
 */
TEST_F(often, much_waits)
{
	const char *bdf = getenv("VFIO_CXL_BIG_BDF");
	struct vfio_cxl_dev big;
	unsigned int i;
	__u64 off;
	char *p;

	if (!self->metal)
		SKIP(return, "not on metal");
	if (!bdf || !*bdf)
		SKIP(return, "VFIO_CXL_BIG_BDF names no device");
	ASSERT_EQ(0, vfio_cxl_open(&big, bdf));
	ASSERT_LE(SZ_1G, big.dpa.info.size);
	p = vfio_cxl_xmap_dpa(&big, 0, SZ_1G, SZ_2M, 0);
	probe_reset(&self->probe[WHOLE]);
	probe_reset(&self->probe[LINES]);
	for (i = 0; i < LIMIT + 1; i++) {
		for (off = 0; off <= SZ_256M; off += PIECE)
			ASSERT_EQ(0, vfio_cxl_touch(p + off, false));
		ASSERT_EQ(0, ioctl(big.fd, VFIO_DEVICE_RESET));
	}
	EXPECT_EQ(i, probe_count(&self->probe[WHOLE]));
	EXPECT_EQ(0, probe_count(&self->probe[LINES]));
	munmap(p, SZ_1G);
	vfio_cxl_close(&big);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
