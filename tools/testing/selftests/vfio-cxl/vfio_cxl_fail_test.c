// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation fails once: bind, open, and what a user can do with an open
 * device are tried again and again, each time with the next allocation
 * failing, until none is left. A failure must be an error and nothing else:
 * the same thing done right afterwards works.
 *
 * Needs a kernel with CONFIG_FAULT_INJECTION, CONFIG_FAILSLAB and
 * CONFIG_FAIL_PAGE_ALLOC, and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER for bind.
 * VFIO_CXL_FAIL_MAX limits the number of points.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"

/* Return addresses, those of the fault injection included */
#define NEAR	"10"

/* The next allocation of this task but @n - 1 fails; 0: none does. */
static void fail_nth(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	vfio_cxl_write_file("/proc/thread-self/fail-nth", text);
}

/* Whether the failure has come */
static bool failed(void)
{
	char text[16] = {};
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && atoi(text) == 0;
}

/* Of both kinds of allocation */
static bool fault_write(const char *name, const char *text)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	char path[96];
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s",
			 dirs[i], name);
		ok &= vfio_cxl_write_file(path, text);
	}
	return ok;
}

/* What has one of the return addresses in its stack, not too far away */
static bool fault_require(unsigned long start, unsigned long end)
{
	char from[24], to[24];

	snprintf(from, sizeof(from), "%#lx", start);
	snprintf(to, sizeof(to), "%#lx", end);
	return fault_write("stacktrace-depth", NEAR) &&
	       fault_write("require-start", from) &&
	       fault_write("require-end", to);
}

static bool can_fail(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    access("/sys/kernel/debug/failslab", F_OK))
		return false;
	/* Also those that may wait; and no backtrace for each */
	fault_write("verbose", "0");
	fault_write("ignore-gfp-wait", "N");
	vfio_cxl_write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	vfio_cxl_write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	return true;
}

/* Only what is allocated close to the driver fails, by it or for it. */
static bool only_near(void)
{
	unsigned long start = ~0UL, end = 0, at;
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], type;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[vfio_cxl_pci]") ||
		    sscanf(line, "%lx %c", &at, &type) != 2 ||
		    !strchr("tT", type))
			continue;
		start = at < start ? at : start;
		end = at > end ? at : end;
	}
	if (f)
		fclose(f);
	return end > start && fault_require(start, end + SZ_4K);
}

/* Opened files: nothing but the system call that is meant may fail. */
static int probe_fd;

static int do_bind(struct vfio_cxl_dev *dev)
{
	return write(probe_fd, vfio_cxl_bdf, strlen(vfio_cxl_bdf)) < 0 ?
	       -errno : 0;
}

static int do_open(struct vfio_cxl_dev *dev)
{
	return vfio_cxl_open(dev, vfio_cxl_bdf);
}

static int do_info(struct vfio_cxl_dev *dev)
{
	char buf[256] = {};
	struct vfio_device_info *info = (void *)buf;
	struct vfio_cxl_region r;
	int rc = 0, i;

	info->argsz = sizeof(buf);
	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, info))
		rc = -errno;
	for (i = 0; i < info->num_regions; i++) {
		if (i != VFIO_PCI_VGA_REGION_INDEX)
			rc = vfio_cxl_region_info(dev, i, &r) ?: rc;
	}
	return rc;
}

static int do_map(struct vfio_cxl_dev *dev)
{
	char *p = vfio_cxl_mmap(dev, &dev->dpa, 0, 2 * SZ_2M);
	int rc;

	if (p == MAP_FAILED)
		return -errno;
	rc = vfio_cxl_touch(p, true) ?: vfio_cxl_touch(p + SZ_2M, false);
	munmap(p, 2 * SZ_2M);
	return -rc;
}

static int do_rw(struct vfio_cxl_dev *dev)
{
	static char buf[2 * SZ_64K];
	ssize_t n = sizeof(buf);

	if (vfio_cxl_by_file(dev)) {
		n = vfio_cxl_read(dev, &dev->dpa, 0, buf, sizeof(buf));
		if (n == sizeof(buf))
			n = vfio_cxl_write(dev, &dev->dpa, 0, buf, sizeof(buf));
	}
	if (n == sizeof(buf))
		n = vfio_cxl_read(dev, &dev->cfg, 0, buf, 4096) ?: 0;
	return n < 0 ? n : 0;
}

static int do_reset(struct vfio_cxl_dev *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int do_flr(struct vfio_cxl_dev *dev)
{
	return vfio_cxl_guest_flr(dev) ? 0 : -ENOTTY;
}

FIXTURE(fail) {
	struct vfio_cxl_dev dev;
};

FIXTURE_VARIANT(fail) {
	int (*op)(struct vfio_cxl_dev *dev);
	bool open;		/* on a device that stays open */
};

FIXTURE_VARIANT_ADD(fail, bind) {
	.op = do_bind,
};

FIXTURE_VARIANT_ADD(fail, open) {
	.op = do_open,
};

FIXTURE_VARIANT_ADD(fail, info) {
	.op = do_info,
	.open = true,
};

FIXTURE_VARIANT_ADD(fail, map) {
	.op = do_map,
	.open = true,
};

FIXTURE_VARIANT_ADD(fail, rw) {
	.op = do_rw,
	.open = true,
};

FIXTURE_VARIANT_ADD(fail, reset) {
	.op = do_reset,
	.open = true,
};

FIXTURE_VARIANT_ADD(fail, flr) {
	.op = do_flr,
	.open = true,
};

FIXTURE_SETUP(fail)
{
	if (!can_fail())
		SKIP(return, "no fault injection in this kernel");
	/*
	 * As of Linux 7.3 not all that is called in the end can take it. When
	 * the CXL core cannot make the links of an endpoint port, the port stays
	 * with its parent: the device cannot be bound again, and to unbind the
	 * parent crashes, as the port points to what went with the device. When
	 * it cannot have the endpoint or the region removed later, it does that
	 * at once, for which it waits for a lock that it holds. When VFIO cannot
	 * add a group's device, it warns of the group that it then releases.
	 */
	if (variant->op == do_bind && !only_near())
		SKIP(return, "no stack trace filter in this kernel");
	probe_fd = open("/sys/bus/pci/drivers_probe", O_WRONLY);
	ASSERT_LE(0, probe_fd);
	if (!vfio_cxl_bound(vfio_cxl_bdf))
		vfio_cxl_bind(vfio_cxl_bdf);
	if (variant->open)
		ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
}

FIXTURE_TEARDOWN(fail)
{
	if (variant->open)
		vfio_cxl_close(&self->dev);
	close(probe_fd);
	if (variant->op == do_bind)
		fault_require(0, ~0UL);
}

/* What is to be bound must not be, whatever the failure left of it. */
static void prepare(bool binds)
{
	if (binds && vfio_cxl_bound(vfio_cxl_bdf))
		vfio_cxl_unbind(vfio_cxl_bdf);
}

/* Guards: every error path of probe.c, main.c, region.c, ops.c */
TEST_F_TIMEOUT(fail, each_allocation, 3600)
{
	const char *env = getenv("VFIO_CXL_FAIL_MAX");
	unsigned int max = env ? atoi(env) : 100000, n, errors = 0;
	bool binds = variant->op == do_bind, opens = variant->op == do_open, hit;
	int rc;

	for (n = 1; n <= max; n++) {
		prepare(binds);
		fail_nth(n);
		rc = variant->op(&self->dev);
		hit = failed();
		fail_nth(0);
		errors += rc || (binds && !vfio_cxl_bound(vfio_cxl_bdf));
		if (opens && !rc)
			vfio_cxl_close(&self->dev);

		/* Once more, and right */
		prepare(binds);
		rc = binds ? !vfio_cxl_bind(vfio_cxl_bdf) :
			     variant->op(&self->dev);
		ASSERT_EQ(0, rc) {
			TH_LOG("does not work after failure %u", n);
		}
		if (opens)
			vfio_cxl_close(&self->dev);
		if (!hit)
			break;
	}
	TH_LOG("%u points, %u errors", n - 1, errors);
	EXPECT_LT(1, n);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
