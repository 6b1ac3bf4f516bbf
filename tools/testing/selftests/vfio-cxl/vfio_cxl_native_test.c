// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver, and others that drive or describe the device: a native CXL driver
 * that had it before, the CXL core's region below it, the CXL topology, which may
 * go and come, and decoders that firmware did not lock.
 *
 * VFIO_CXL_NATIVE_DRIVER names the native driver (and its module), which is
 * cxl_accel of tests/programs/cxl_accel otherwise.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"

#define TURNS	30

static const char *driver_of(const char *bdf)
{
	static char link[PATH_MAX];
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	return strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
}

/* Soon: in milliseconds as a rule */
static bool has_driver(const char *driver, unsigned int limit_ms)
{
	unsigned int ms;

	for (ms = 0; ms < limit_ms && strcmp(driver_of(vfio_cxl_bdf), driver); ms += 10)
		usleep(10 * 1000);
	return ms < limit_ms;
}

/* What has a driver may still be in its probe. */
static int open_soon(struct vfio_cxl_dev *dev)
{
	int fd, rc = -ENODEV;
	unsigned int i;

	for (i = 0; i < 100 && rc; i++) {
		usleep(i * 1000);
		fd = vfio_cxl_open_cdev(vfio_cxl_bdf);
		if (fd < 0)
			continue;
		close(fd);
		rc = vfio_cxl_open(dev, vfio_cxl_bdf);
	}
	return rc;
}

static bool device_file(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", vfio_cxl_bdf, file);
	return vfio_cxl_write_file(path, text);
}

static bool was_bound;

/* As libvirt hands a device to a driver, "\n" being the one that it had */
static bool hand_to(const char *override)
{
	if (!device_file("driver_override", override))
		return false;
	was_bound = *driver_of(vfio_cxl_bdf);
	if (was_bound && !device_file("driver/unbind", vfio_cxl_bdf)) {
		/* The CXL core may have been quicker. */
		was_bound = *driver_of(vfio_cxl_bdf);
		if (was_bound)
			return false;
	}
	return vfio_cxl_write_file("/sys/bus/pci/drivers_probe", vfio_cxl_bdf);
}

/*
 * To the driver under test. Where the CXL core takes the native driver away at this
 * very moment, drivers_probe finds it still there and does nothing: once more.
 */
static bool hand_over(void)
{
	unsigned int tries;

	for (tries = 0; tries < 5; tries++) {
		if (!hand_to("vfio-cxl-pci"))
			return false;
		if (has_driver("vfio-cxl-pci", was_bound ? 10000 : 500))
			return true;
		if (was_bound)
			return false;
		fprintf(stderr, "# the CXL core was taking the native driver away\n");
	}
	return false;
}

/*
 * Back to the native driver. What the CXL core queued at the unbind may undo this
 * bind, which is not ours to prevent.
 */
static bool hand_back(const char *driver)
{
	unsigned int tries;

	for (tries = 0; tries < 20; tries++) {
		if (hand_to("\n") && has_driver(driver, 500))
			return true;
		fprintf(stderr, "# %s lost it\n", driver);
	}
	return false;
}

/* The kernel's log from now on, and whether it has something in it */
static int log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	lseek(log, 0, SEEK_END);
	return log;
}

static bool log_has(int log, const char *what)
{
	char line[8192];
	bool found = false;
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		line[n < 0 ? 0 : n] = 0;
		if (!strstr(line, what))
			continue;
		found = true;
		fprintf(stderr, "# %s", line);
	}
	return found;
}

static bool splat(int log)
{
	return log_has(log, "Call Trace");
}

FIXTURE(native) {
	const char *driver;
	bool loaded;
	int log;
};

FIXTURE_SETUP(native)
{
	char command[256], path[128];

	self->driver = getenv("VFIO_CXL_NATIVE_DRIVER") ?: "cxl_accel";
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", self->driver);
	if (access(path, F_OK)) {
		/* Of the other devices it is to have none. */
		vfio_cxl_write_file("/sys/bus/pci/drivers_autoprobe", "0");
		snprintf(command, sizeof(command), "modprobe %s", self->driver);
		self->loaded = !system(command);
		vfio_cxl_write_file("/sys/bus/pci/drivers_autoprobe", "1");
	}
	if (access(path, F_OK))
		SKIP(return, "no driver %s", self->driver);
	self->log = log_open();
}

FIXTURE_TEARDOWN_PARENT(native)
{
	if (strcmp(driver_of(vfio_cxl_bdf), "vfio-cxl-pci") && hand_to("vfio-cxl-pci"))
		vfio_cxl_bind(vfio_cxl_bdf);
	if (self->loaded)
		syscall(SYS_delete_module, self->driver, O_NONBLOCK);
}

/*
 * Detach from the native driver, use, and attach to it again, as libvirt does it,
 * at full speed.
 *
 * Guards: bind.c; main.c vfio_cxl_probe(), vfio_cxl_remove()
 */
TEST_F(native, back_and_forth)
{
	struct vfio_cxl_dev dev;
	unsigned int turn;
	char *p;

	ASSERT_TRUE(hand_back(self->driver));
	for (turn = 0; turn < TURNS; turn++) {
		ASSERT_TRUE(hand_over()) {
			TH_LOG("turn %u", turn);
		}
		ASSERT_EQ(0, open_soon(&dev));
		p = vfio_cxl_xmap_dpa(&dev, 0, SZ_2M, SZ_2M, 0);
		EXPECT_TRUE(vfio_cxl_zero(p, SZ_64K));
		vfio_cxl_fill(p, SZ_64K, turn);
		EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, turn));
		munmap(p, SZ_2M);
		vfio_cxl_close(&dev);
		/* It is still the driver's: no late unbind has hit it. */
		ASSERT_TRUE(vfio_cxl_bound(vfio_cxl_bdf));
		ASSERT_TRUE(hand_back(self->driver));
	}
	EXPECT_FALSE(splat(self->log));
}

FIXTURE(topology) {
	struct vfio_cxl_dev dev;
	char *p;
	int log;
};

FIXTURE_SETUP(topology)
{
	self->log = log_open();
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	self->p = vfio_cxl_xmap_dpa(&self->dev, 0, SZ_2M, SZ_2M, 0);
	vfio_cxl_fill(self->p, SZ_2M, 121);
}

/* Without cxl_acpi no accelerator keeps its driver, and other tests use others. */
FIXTURE_TEARDOWN_PARENT(topology)
{
	char text[32];
	glob_t found;
	size_t i;

	if (access("/sys/module/cxl_acpi", F_OK) && system("modprobe cxl_acpi"))
		fprintf(stderr, "# modprobe cxl_acpi failed\n");
	if (glob("/sys/bus/pci/devices/*/driver_override", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		char *bdf, *end = strrchr(found.gl_pathv[i], '/');
		int fd = open(found.gl_pathv[i], O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		*end = 0;
		bdf = strrchr(found.gl_pathv[i], '/') + 1;
		text[n < 0 ? 0 : n] = 0;
		if (!strcmp(text, "vfio-cxl-pci\n") && !vfio_cxl_bound(bdf))
			vfio_cxl_bind(bdf);
	}
	globfree(&found);
}

/* The directory of the region at an address, with its name at the end */
static bool find_region(__u64 hpa, char *dir)
{
	char path[PATH_MAX], text[32];
	DIR *devices = opendir("/sys/bus/cxl/devices");
	bool found = false;
	struct dirent *e;
	int fd;

	while (devices && !found && (e = readdir(devices))) {
		if (strncmp(e->d_name, "region", 6))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/cxl/devices/%.64s/resource", e->d_name);
		fd = open(path, O_RDONLY);
		memset(text, 0, sizeof(text));
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
			text[0] = 0;
		if (fd >= 0)
			close(fd);
		snprintf(path, sizeof(path), "/sys/bus/cxl/devices/%.64s", e->d_name);
		found = strtoull(text, NULL, 16) == hpa && realpath(path, dir);
	}
	if (devices)
		closedir(devices);
	return found;
}

/*
 * The region is deleted below a user: the device's decoder stays, and with it
 * what the user has. The next bind makes a region again.
 *
 * Guards: probe.c claim_memory()
 */
TEST_F(topology, region_deleted)
{
	__u32 page[VFIO_CXL_PAGE_SIZE / 4];
	char dir[PATH_MAX], path[PATH_MAX + 16], *name;
	__u64 hpa;

	vfio_cxl_xhost_page(&self->dev, page);
	hpa = vfio_cxl_hpa(page, self->dev.hdm);
	ASSERT_TRUE(find_region(hpa, dir));
	name = strrchr(dir, '/');
	*name++ = 0;
	snprintf(path, sizeof(path), "%s/delete_region", dir);
	ASSERT_TRUE(vfio_cxl_write_file(path, name));
	EXPECT_FALSE(find_region(hpa, dir));

	EXPECT_TRUE(vfio_cxl_same(self->p, SZ_2M, 121));
	EXPECT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, vfio_cxl_touch(self->p, true));
	munmap(self->p, SZ_2M);
	vfio_cxl_close(&self->dev);
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	vfio_cxl_close(&self->dev);

	ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
	EXPECT_TRUE(find_region(hpa, dir));
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	self->p = vfio_cxl_xmap_dpa(&self->dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(self->p, SZ_2M));
	EXPECT_FALSE(splat(self->log));
}

/* Whether the device waits for something that is to come */
static bool is_deferred(void)
{
	FILE *f = fopen("/sys/kernel/debug/devices_deferred", "r");
	bool deferred = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, vfio_cxl_bdf)) {
			deferred = true;
			fprintf(stderr, "# deferred: %s", line);
		}
	if (f)
		fclose(f);
	return deferred;
}

/*
 * Without the CXL topology there is no device: who has it is asked to leave, as by
 * an unbind. A bind before there is one waits for it, and needs no second one.
 *
 * Guards: probe.c claim_memory(), -EPROBE_DEFER; bind.c vfio_cxl_bind_has_root()
 */
TEST_F(topology, goes_and_comes)
{
	/* Not shared with the child, as self is */
	struct vfio_cxl_dev dev = self->dev;
	int request = vfio_cxl_eventfd(&dev, VFIO_PCI_REQ_IRQ_INDEX), status;
	unsigned int i;
	pid_t pid;
	__u64 n;

	if (access("/sys/module/cxl_acpi/refcnt", F_OK))
		SKIP(return, "cxl_acpi is built in");
	ASSERT_LE(0, request);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		munmap(self->p, SZ_2M);
		vfio_cxl_close(&dev);
		close(request);
		_exit(syscall(SYS_delete_module, "cxl_acpi", O_NONBLOCK) != 0);
	}
	for (i = 0; i < 300 && read(request, &n, sizeof(n)) != sizeof(n); i++)
		usleep(100 * 1000);
	EXPECT_GT(300, i);
	EXPECT_TRUE(vfio_cxl_same(self->p, SZ_2M, 121));
	munmap(self->p, SZ_2M);
	vfio_cxl_close(&dev);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	for (i = 0; i < 100 && vfio_cxl_bound(vfio_cxl_bdf); i++)
		usleep(50 * 1000);
	ASSERT_FALSE(vfio_cxl_bound(vfio_cxl_bdf));

	EXPECT_TRUE(vfio_cxl_write_file("/sys/bus/pci/drivers_probe", vfio_cxl_bdf));
	usleep(300 * 1000);
	EXPECT_FALSE(vfio_cxl_bound(vfio_cxl_bdf));
	EXPECT_TRUE(is_deferred());
	ASSERT_EQ(0, system("modprobe cxl_acpi"));
	ASSERT_TRUE(has_driver("vfio-cxl-pci", 10000));
	ASSERT_EQ(0, open_soon(&dev));
	self->p = vfio_cxl_xmap_dpa(&dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(self->p, SZ_2M));
	EXPECT_FALSE(splat(self->log));
}

static __u32 hdm_get(__u32 *hdm, __u32 off)
{
	return __atomic_load_n(&hdm[off / 4], __ATOMIC_RELAXED);
}

static void hdm_put(__u32 *hdm, __u32 off, __u32 val)
{
	__atomic_store_n(&hdm[off / 4], val, __ATOMIC_RELAXED);
}

/*
 * Lose the physical decoder, and commit it again as firmware may do it, with LOCK
 * or without, while no driver has the device
 */
static bool recommit(const __u32 *hdm, __u32 hdm_at, __u64 page_at, unsigned int bar, __u32 lock)
{
	__u32 *io;
	char name[16];
	__u32 ctrl;
	int fd, i;

	if (!vfio_cxl_emulate("x-lose-decoder", "on") || !device_file("reset", "1") ||
	    !vfio_cxl_emulate("x-lose-decoder", "off") || !device_file("enable", "1"))
		return false;
	snprintf(name, sizeof(name), "resource%u", bar);
	fd = vfio_cxl_xhost_open(vfio_cxl_bdf, name, O_RDWR);
	io = mmap(NULL, VFIO_CXL_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page_at);
	close(fd);
	if (io == MAP_FAILED)
		return false;
	io += hdm_at / 4;
	if (hdm_get(io, HDM_CTRL(0)) & HDM_CTRL_COMMITTED)
		return false;
	for (i = HDM_BASE_LO(0); i <= HDM_SIZE_HI(0); i += 4)
		hdm_put(io, i, hdm[i / 4]);
	hdm_put(io, HDM_GLOBAL, hdm[HDM_GLOBAL / 4]);
	hdm_put(io, HDM_CTRL(0), HDM_CTRL_COMMIT | lock |
		(hdm[HDM_CTRL(0) / 4] & ~(HDM_CTRL_LOCKED | HDM_CTRL_ERR)));
	ctrl = hdm_get(io, HDM_CTRL(0)) & HDM_CTRL_LOCKED;
	munmap(io - hdm_at / 4, VFIO_CXL_PAGE_SIZE);
	return ctrl == (HDM_CTRL_COMMIT | HDM_CTRL_COMMITTED | lock) &&
	       device_file("enable", "0");
}

FIXTURE(unlocked) {
	struct vfio_cxl_dev dev;
	__u32 page[VFIO_CXL_PAGE_SIZE / 4];
	int log;
};

FIXTURE_SETUP(unlocked)
{
	if (!getenv("VFIO_CXL_EMULATED"))
		SKIP(return, "needs an emulated device");
	self->log = log_open();
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	vfio_cxl_xhost_page(&self->dev, self->page);
	vfio_cxl_close(&self->dev);
}

FIXTURE_TEARDOWN_PARENT(unlocked)
{
	if (getenv("VFIO_CXL_EMULATED"))
		vfio_cxl_emulate("x-lose-decoder", "off");
	if (strcmp(driver_of(vfio_cxl_bdf), "vfio-cxl-pci"))
		vfio_cxl_bind(vfio_cxl_bdf);
}

/*
 * A decoder that firmware committed and did not lock is as good as one that it
 * locked: bind, use, unbind, and bind again.
 *
 * Guards: probe.c check_decoders(), claim_memory(); state.c decoder_restore()
 */
TEST_F(unlocked, bound_again)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 now[VFIO_CXL_PAGE_SIZE / 4], *hdm = self->page + dev->hdm / 4;
	unsigned int turn, bar = dev->bar.info.index;
	char *p;

	ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	ASSERT_TRUE(recommit(hdm, dev->hdm, dev->page, bar, 0));
	for (turn = 0; turn < 3; turn++) {
		ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
		ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
		vfio_cxl_xhost_page(dev, now);
		EXPECT_EQ(HDM_CTRL_LOCKED & ~HDM_CTRL_LOCK,
			  now[(dev->hdm + HDM_CTRL(0)) / 4] & HDM_CTRL_LOCKED);
		EXPECT_EQ(vfio_cxl_hpa(self->page, dev->hdm), vfio_cxl_hpa(now, dev->hdm));
		p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
		EXPECT_TRUE(vfio_cxl_zero(p, SZ_2M));
		vfio_cxl_fill(p, SZ_2M, 131 + turn);
		EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 131 + turn));
		EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
		EXPECT_EQ(0, vfio_cxl_touch(p, true));
		munmap(p, SZ_2M);
		vfio_cxl_close(dev);
		ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	}
	ASSERT_TRUE(recommit(hdm, dev->hdm, dev->page, bar, HDM_CTRL_LOCK));
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
	EXPECT_FALSE(splat(self->log));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
