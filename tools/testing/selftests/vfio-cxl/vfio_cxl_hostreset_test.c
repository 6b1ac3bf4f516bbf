// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that the host does, some of which lose the physical decoder, and
 * resets while the memory is in use. VFIO_CXL_SIBLING_BDF names a function of a
 * device whose function 0 has memory, and both of which the driver has.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define PAGE_WORDS	(VFIO_CXL_PAGE_SIZE / 4)

/* The memory works, by mapping and by file, and so do fresh registers. */
static void expect_usable(struct __test_metadata *_metadata,
			  struct vfio_cxl_dev *dev, char *p)
{
	char buf[64] = {};

	ASSERT_EQ(0, vfio_cxl_touch(p, true));
	vfio_cxl_fill(p, VFIO_CXL_TENANT, 61);
	EXPECT_TRUE(vfio_cxl_same(p, VFIO_CXL_TENANT, 61));
	if (vfio_cxl_by_file(dev)) {
		EXPECT_EQ(64, vfio_cxl_read(dev, &dev->dpa, SZ_2M, buf, 64));
		EXPECT_EQ(0, memcmp(p + SZ_2M, buf, 64));
	}
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_COMMITTED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) &
		  HDM_CTRL_COMMITTED);
}

/* The physical decoders, and Control of the Device DVSEC */
static void physical(struct vfio_cxl_dev *dev, __u32 *s)
{
	__u32 page[PAGE_WORDS];

	vfio_cxl_xhost_page(dev, page);
	memcpy(s, (char *)page + dev->hdm, 0x30);
	vfio_cxl_xhost_config(dev->bdf, &s[0x30 / 4],
			      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) +
			      DVSEC_CTRL, 4);
	s[0x30 / 4] &= 0xffff;
}

#define PHYSICAL	(0x30 / 4 + 1)

/*
 * Past VFIO, and without its memory_lock: gate.lock alone is in the way.
 *
 * Guards: reset.c vfio_cxl_reset_prepare() and vfio_cxl_reset_done()
 */
TEST_F(cxl, host_reset)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 63);
	int fd;

	fd = vfio_cxl_xhost_open(dev->bdf, "reset", O_WRONLY);
	ASSERT_EQ(1, write(fd, "1", 1));
	close(fd);
	EXPECT_TRUE(vfio_cxl_faults(p));
	expect_usable(_metadata, dev, p);
}

/*
 * Unmask SBR of the root port above (CXL r4.0 sec 8.1.5.2), or mask it: whether
 * a bus reset gets through to the device. Says what it was; -1: no such register.
 */
static int unmask_sbr(const char *bdf, int on)
{
	__u16 pos = 0x100, id, ctrl = 0;
	__u32 head = 0, vendor;
	int fd, old = -1;
	char path[128];

	/* The device is a link; what it leads to is in the port's directory. */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../config", bdf);
	fd = open(path, O_RDWR);
	for (; fd >= 0 && old < 0 && pos; pos = head >> 20) {
		if (pread(fd, &head, 4, pos) != 4 ||
		    pread(fd, &vendor, 4, pos + PCI_DVSEC_HEADER1) != 4 ||
		    pread(fd, &id, 2, pos + PCI_DVSEC_HEADER2) != 2)
			break;
		if ((head & 0xffff) != PCI_EXT_CAP_ID_DVSEC ||
		    (vendor & 0xffff) != VFIO_CXL_VENDOR ||
		    id != PCI_DVSEC_CXL_PORT)
			continue;
		if (pread(fd, &ctrl, 2, pos + PCI_DVSEC_CXL_PORT_CTL) != 2)
			break;
		old = !!(ctrl & PCI_DVSEC_CXL_PORT_CTL_UNMASK_SBR);
		ctrl &= ~PCI_DVSEC_CXL_PORT_CTL_UNMASK_SBR;
		ctrl |= on ? PCI_DVSEC_CXL_PORT_CTL_UNMASK_SBR : 0;
		if (pwrite(fd, &ctrl, 2, pos + PCI_DVSEC_CXL_PORT_CTL) != 2)
			old = -1;
	}
	if (fd >= 0)
		close(fd);
	return old;
}

/* A hot reset that does not get through, and one that does */
FIXTURE(hot_reset) {
	struct vfio_cxl_dev dev;
	int old;
};

FIXTURE_VARIANT(hot_reset) {
	int unmasked;
};

FIXTURE_VARIANT_ADD(hot_reset, masked) {
	.unmasked = 0,
};

FIXTURE_VARIANT_ADD(hot_reset, unmasked) {
	.unmasked = 1,
};

FIXTURE_SETUP(hot_reset)
{
	self->old = unmask_sbr(vfio_cxl_bdf, variant->unmasked);
	if (self->old < 0)
		SKIP(return, "the port above has no CXL DVSEC");
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
}

FIXTURE_TEARDOWN_PARENT(hot_reset)
{
	if (self->old >= 0)
		unmask_sbr(vfio_cxl_bdf, self->old);
}

/*
 * Through the VFIO core's device set. A reset that the port masks leaves the
 * tenant its memory; one that is none must not look like one.
 *
 * Guards: reset.c vfio_cxl_reset_prepare(), vfio_cxl_reset_done(); state.c
 * vfio_cxl_state_restore_decoder()
 */
TEST_F(hot_reset, decoder_is_restored)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	__u32 before[PHYSICAL], after[PHYSICAL];
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 65);
	int rc;

	physical(dev, before);
	rc = ioctl(dev->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset);
	TH_LOG("hot reset: %s", rc ? strerror(errno) : "done");
	if (variant->unmasked)
		ASSERT_EQ(0, rc);
	physical(dev, after);
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	EXPECT_TRUE(vfio_cxl_faults(p));
	expect_usable(_metadata, dev, p);
}

/* Two functions of one device, that a hot reset hits both */
FIXTURE(siblings) {
	struct vfio_cxl_dev dev[2];
	char bdf[32];
	int old;
};

FIXTURE_SETUP(siblings)
{
	const char *bdf = getenv("VFIO_CXL_SIBLING_BDF");

	self->old = -1;
	if (!bdf || !*bdf)
		SKIP(return, "VFIO_CXL_SIBLING_BDF names no device");
	snprintf(self->bdf, sizeof(self->bdf), "%.*s0", (int)strlen(bdf) - 1, bdf);
	self->old = unmask_sbr(self->bdf, 1);
	ASSERT_LE(0, self->old);
	ASSERT_EQ(0, vfio_cxl_open(&self->dev[0], self->bdf));
	ASSERT_EQ(0, vfio_cxl_open_with(&self->dev[1], bdf, dup(self->dev[0].iommu)));
}

FIXTURE_TEARDOWN_PARENT(siblings)
{
	if (self->old >= 0)
		unmask_sbr(self->bdf, self->old);
}

static void sleep_in_d3hot(struct vfio_cxl_dev *dev)
{
	vfio_cxl_xput(dev, &dev->cfg, vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, 3);
}

/*
 * Whichever of them asks for it, and also when the other one sleeps, which the
 * reset wakes: the gate closes before, and opens after it, and both have fresh
 * registers.
 *
 * Guards: reset.c vfio_cxl_reset_prepare(), reset_over(), %VFIO_CXL_GATE_SUSPENDED
 */
TEST_F(siblings, hot_reset)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio_device_feature_cxl_mem before, after;
	struct vfio_cxl_dev *dev = self->dev;
	__u16 dvsec = vfio_cxl_dvsec(&dev[1], PCI_DVSEC_CXL_DEVICE);
	__u32 page_before[PHYSICAL], page_after[PHYSICAL], base;
	unsigned int turn;
	char *p;

	ASSERT_NE(0, dev[0].dpa.info.size);
	ASSERT_NE(0, dvsec);
	base = vfio_cxl_xget(&dev[1], &dev[1].cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4);
	physical(&dev[0], page_before);
	p = vfio_cxl_xmap_dpa(&dev[0], 0, VFIO_CXL_TENANT, SZ_2M, 0);
	for (turn = 0; turn < 4; turn++) {
		TH_LOG("function %u asks, function 0 %s", turn & 1,
		       turn & 2 ? "sleeps" : "is awake");
		vfio_cxl_fill(p, VFIO_CXL_TENANT, 91);
		vfio_cxl_hdm_program(&dev[0], VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
		vfio_cxl_xput(&dev[1], &dev[1].cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4, ~base);
		if (turn & 2)
			sleep_in_d3hot(&dev[0]);
		ASSERT_EQ(0, vfio_cxl_mem_get(&dev[0], &before));
		ASSERT_EQ(turn & 2 ? VFIO_CXL_MEM_SUSPENDED : 0, before.reasons);
		ASSERT_EQ(0, ioctl(dev[turn & 1].fd, VFIO_DEVICE_PCI_HOT_RESET, &reset));
		EXPECT_EQ(0, vfio_cxl_mem_wait(&dev[0]));
		ASSERT_EQ(0, vfio_cxl_mem_get(&dev[0], &after));
		/* Asleep it was closed already. */
		EXPECT_EQ(before.closures + !(turn & 2), after.closures);
		physical(&dev[0], page_after);
		EXPECT_EQ(0, memcmp(page_before, page_after, sizeof(page_before)));
		EXPECT_TRUE(vfio_cxl_faults(p));
		expect_usable(_metadata, &dev[0], p);
		EXPECT_EQ(base, vfio_cxl_xget(&dev[1], &dev[1].cfg,
					      dvsec + DVSEC_RANGE1_BASE_HI, 4));
	}
}

/*
 * One that nobody has open is reset with the other, and is closed before and after;
 * nobody else gets hold of it to do so.
 *
 * Guards: reset.c reset_over(); gate.c vfio_cxl_gate_unblock()
 */
TEST_F(siblings, one_is_closed)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio_cxl_dev *dev = self->dev, other;
	char *p = vfio_cxl_xtenant(&dev[0], 95);

	munmap(p, VFIO_CXL_TENANT);
	close(dev[0].fd);
	dev[0].fd = -1;
	EXPECT_EQ(-EPERM, vfio_cxl_open(&other, self->bdf));
	ASSERT_EQ(0, ioctl(dev[1].fd, VFIO_DEVICE_PCI_HOT_RESET, &reset));
	ASSERT_EQ(0, vfio_cxl_open_with(&dev[0], self->bdf, dev[0].iommu));
	p = vfio_cxl_xmap_dpa(&dev[0], 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, VFIO_CXL_TENANT));
	expect_usable(_metadata, &dev[0], p);
}

/* Function 0 is a tenant's, function 1 is a driver's that wants resets. */
FIXTURE(neighbour) {
	struct vfio_cxl_dev dev;
	const char *emulated;
	const char *bdf;
	char bdf0[32];
	int old;
};

#define VOTER	"vfio_cxl_voter"

static bool give(const char *bdf, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	vfio_cxl_write_file(path, bdf);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	return vfio_cxl_write_file(path, driver) &&
	       vfio_cxl_write_file("/sys/bus/pci/drivers_probe", bdf);
}

FIXTURE_SETUP(neighbour)
{
	self->old = -1;
	self->bdf = getenv("VFIO_CXL_SIBLING_BDF");
	self->emulated = getenv("VFIO_CXL_NEIGHBOUR_EMULATED");
	if (!self->bdf || !*self->bdf || !self->emulated)
		SKIP(return, "VFIO_CXL_SIBLING_BDF names no emulated device");
	if (access("/sys/bus/pci/drivers/" VOTER, F_OK))
		SKIP(return, "module " VOTER " is not loaded");
	snprintf(self->bdf0, sizeof(self->bdf0), "%.*s0", (int)strlen(self->bdf) - 1,
		 self->bdf);
	self->old = unmask_sbr(self->bdf0, 1);
	ASSERT_LE(0, self->old);
	ASSERT_TRUE(give(self->bdf, VOTER));
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, self->bdf0));
}

FIXTURE_TEARDOWN_PARENT(neighbour)
{
	if (self->old < 0)
		return;
	give(self->bdf, "vfio-cxl-pci");
	if (!vfio_cxl_bind(self->bdf))
		perror("# function 1 has not come back");
	unmask_sbr(self->bdf0, self->old);
}

/*
 * The bus is reset for an error that is not fatal, because another function's driver
 * wants it. Nobody asks this function before, and the reset takes config space
 * and decoder: both are restored, and the tenant starts anew.
 *
 * Guards: reset.c vfio_cxl_slot_reset()
 */
TEST_F(neighbour, has_the_bus_reset)
{
	struct vfio_device_feature_cxl_mem before, after;
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 page_before[PHYSICAL], page_after[PHYSICAL];
	unsigned int i;
	char *p;

	physical(dev, page_before);
	p = vfio_cxl_xtenant(dev, 97);
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &before));
	ASSERT_TRUE(vfio_cxl_inject(self->emulated, "COMP_TIME"));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, vfio_cxl_mem_get(dev, &after));
		if (after.closures != before.closures && !after.reasons)
			break;
		usleep(100 * 1000);
	}
	EXPECT_EQ(before.closures + 1, after.closures);
	EXPECT_EQ(0, after.reasons);
	physical(dev, page_after);
	EXPECT_EQ(0, memcmp(page_before, page_after, sizeof(page_before)));
	EXPECT_TRUE(vfio_cxl_faults(p));
	expect_usable(_metadata, dev, p);

	munmap(p, VFIO_CXL_TENANT);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf0));
	p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, VFIO_CXL_TENANT));
}

FIXTURE(method) {
	struct vfio_cxl_dev dev;
	char old[128];
};

static void reset_method(const char *method, char *old, size_t len)
{
	int fd = vfio_cxl_xhost_open(vfio_cxl_bdf, "reset_method", O_RDWR);
	ssize_t n = old ? read(fd, old, len - 1) : 0;

	if (n > 0 && write(fd, method, strlen(method)) < 0)
		old[0] = 0;
	if (!old && write(fd, method, strlen(method)) < 0)
		perror("# cannot restore the reset method");
	close(fd);
}

/* Another way to reset the device than the kernel would choose */
FIXTURE_VARIANT(method) {
	const char *method;
};

/* A bus reset: the device's decoder does not survive it. */
FIXTURE_VARIANT_ADD(method, cxl_bus) {
	.method = "cxl_bus",
};

/* None at all */
FIXTURE_VARIANT_ADD(method, none) {
	.method = "\n",
};

FIXTURE_SETUP(method)
{
	reset_method(variant->method, self->old, sizeof(self->old));
	if (!self->old[0])
		SKIP(return, "no reset method %s", variant->method);
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
}

/* Also when the test did not come to its end */
FIXTURE_TEARDOWN_PARENT(method)
{
	if (self->old[0])
		reset_method(self->old, NULL, 0);
}

/* Guards: state.c vfio_cxl_state_restore_decoder(), the second half */
TEST_F(method, decoder_is_restored)
{
	__u32 before[PHYSICAL], after[PHYSICAL], i;
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 67);

	physical(dev, before);
	if (ioctl(dev->fd, VFIO_DEVICE_RESET))
		SKIP(return, "no reset: %s", strerror(errno));
	physical(dev, after);
	for (i = 0; i < PHYSICAL; i++) {
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("word %u", i);
		}
	}
	EXPECT_TRUE(vfio_cxl_faults(p));
	expect_usable(_metadata, dev, p);
}

/*
 * The VFIO core resets the device once more when it is closed, and does not
 * tell: the decoder must be there again when the memory is cleared. And a
 * device without a reset gets fresh registers all the same.
 *
 * Guards: main.c vfio_cxl_close_device(), clear_memory();
 * vfio_cxl_open_device(); reset.c vfio_cxl_virt_init()
 */
TEST_F(method, closed_and_cleared)
{
	__u32 before[PHYSICAL], after[PHYSICAL], i;
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 69);

	physical(dev, before);
	munmap(p, VFIO_CXL_TENANT);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	physical(dev, after);
	for (i = 0; i < PHYSICAL; i++) {
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("word %u", i);
		}
	}
	p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, VFIO_CXL_TENANT));
	expect_usable(_metadata, dev, p);
}

/* An FLR from the guest, by the same method: what is locked stays so */
TEST_F(method, guest_flr)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 71);

	if (!vfio_cxl_guest_flr(dev))
		SKIP(return, "device has no FLR");
	EXPECT_EQ(0, vfio_cxl_touch(p, false));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	vfio_cxl_fill(p, SZ_64K, 73);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, 73));
}

struct user {
	struct vfio_cxl_dev *dev;
	char *p;
	bool stop;
	unsigned long good, bad;
};

static void *use_memory(void *arg)
{
	struct user *u = arg;
	char buf[256];

	while (!__atomic_load_n(&u->stop, __ATOMIC_RELAXED)) {
		ssize_t rc = vfio_cxl_read(u->dev, &u->dev->dpa, SZ_2M, buf,
					   sizeof(buf));

		if (rc == sizeof(buf))
			u->good++;
		else if (rc != -EIO)
			u->bad++;
		else
			continue;
		u->bad += memcmp(buf, u->p, sizeof(buf)) != 0;
	}
	return NULL;
}

/*
 * A user goes on while resets come: it reads the right thing or fails, and
 * nothing hangs.
 *
 * Guards: gate.c vfio_cxl_gate_block(), which takes gate.lock under memory_lock
 */
TEST_F_TIMEOUT(cxl, resets_under_load, 120)
{
	struct vfio_cxl_dev *dev = &self->dev;
	struct user u = { .dev = dev };
	pthread_t thread;
	unsigned int i;

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	u.p = malloc(256);
	vfio_cxl_fill(u.p, 256, 55);
	ASSERT_EQ(256, vfio_cxl_write(dev, &dev->dpa, SZ_2M, u.p, 256));
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_memory, &u));
	for (i = 0; i < 10; i++) {
		if (i & 1 || !vfio_cxl_guest_flr(dev)) {
			vfio_cxl_memory_space(dev, false);
			usleep(10 * 1000);
		}
		vfio_cxl_memory_space(dev, true);
		usleep(50 * 1000);
	}
	__atomic_store_n(&u.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%lu reads", u.good);
	EXPECT_NE(0, u.good);
	EXPECT_EQ(0, u.bad);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
