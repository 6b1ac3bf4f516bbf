// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of the PCIe link, which an emulator has to play: those that leave the
 * link as it is, and those that the kernel's AER driver recovers it from.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"
#include "vfio_cxl_dma.h"

/* Recovery resets the link, and a link has a second to come up. */
#define RECOVERY_TRIES	300
#define RECOVERY_US	(100 * 1000)

static bool signalled(int fd)
{
	unsigned int i;
	__u64 n;

	for (i = 0; i < RECOVERY_TRIES; i++) {
		if (read(fd, &n, sizeof(n)) == sizeof(n))
			return true;
		usleep(RECOVERY_US);
	}
	return false;
}

static bool inject(const char *error)
{
	return vfio_cxl_inject(getenv("VFIO_CXL_EMULATED"), error);
}

FIXTURE(error) {
	struct vfio_cxl_dev dev;
	char *p;
	int fd;
};

FIXTURE_SETUP(error)
{
	if (!getenv("VFIO_CXL_EMULATED"))
		SKIP(return, "needs an emulated device");
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	self->p = vfio_cxl_xtenant(&self->dev, 101);
	self->fd = vfio_cxl_eventfd(&self->dev, VFIO_PCI_ERR_IRQ_INDEX);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(error)
{
}

/* The link and the memory stay. Guards: reset.c vfio_cxl_error_detected() */
TEST_F(error, not_fatal)
{
	struct vfio_cxl_dev *dev = &self->dev;

	ASSERT_TRUE(inject("COMP_TIME"));
	EXPECT_TRUE(signalled(self->fd));
	EXPECT_EQ(0, vfio_cxl_touch(self->p, false));
	EXPECT_TRUE(vfio_cxl_same(self->p, VFIO_CXL_TENANT, 101));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
}

/*
 * Recovery from a fatal error resets the link, which takes the decoder and all
 * of config space, and calls back before and after only.
 *
 * Guards: reset.c vfio_cxl_error_detected(), vfio_cxl_resume(); state.c
 * vfio_cxl_state_restore_config(), vfio_cxl_state_restore_decoder()
 */
TEST_F(error, fatal)
{
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int i;

	ASSERT_TRUE(inject("DLP"));
	EXPECT_TRUE(signalled(self->fd));
	for (i = 0; i < RECOVERY_TRIES && vfio_cxl_touch(self->p, false); i++)
		usleep(RECOVERY_US);
	TH_LOG("open again after %u tries", i);
	ASSERT_EQ(0, vfio_cxl_touch(self->p, false));
	EXPECT_TRUE(vfio_cxl_faults(self->p + SZ_2M));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	vfio_cxl_fill(self->p, VFIO_CXL_TENANT, 103);
	EXPECT_TRUE(vfio_cxl_same(self->p, VFIO_CXL_TENANT, 103));

	/* The next tenant has a device that works, and nothing of this one. */
	munmap(self->p, VFIO_CXL_TENANT);
	close(self->fd);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	self->p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(self->p, VFIO_CXL_TENANT));
	EXPECT_EQ(0, vfio_cxl_touch(self->p, true));
}

#define IOVA	0x40000000ULL

/*
 * What is mapped for DMA is revoked before the link is reset, and stays so. After
 * recovery the same dma-buf can be mapped again, by a user who switches bus
 * mastering on anew. The eventfd tells of both ends.
 *
 * Guards: reset.c vfio_cxl_error_detected(); gate.c vfio_cxl_gate_flush(); dmabuf.c
 * vfio_cxl_dmabuf_revoke()
 */
TEST_F(error, fatal_revokes)
{
	struct vfio_device_feature_cxl_mem before, after;
	struct vfio_cxl_dev *dev = &self->dev;
	int fd, changes = eventfd(0, EFD_NONBLOCK);
	struct vfio_cxl_region engine;
	__u32 ioas = 0;
	__u16 cmd;

	fd = export(dev, dev->dpa.info.index, SZ_2M, SZ_2M, 0, 0);
	if (fd == -EOPNOTSUPP || fd == -ENOTTY)
		SKIP(return, "kernel without CONFIG_VFIO_PCI_DMABUF");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vfio_cxl_region_info(dev, ENGINE_BAR, &engine));
	ASSERT_EQ(0, make_ioas(dev, &ioas));
	ASSERT_EQ(0, map_file(dev, ioas, fd, 0, SZ_2M, IOVA));
	bus_master(dev);
	ASSERT_TRUE(engine_copy(dev, &engine, ENGINE_COPY_OUT, 0, IOVA, SZ_2M));
	EXPECT_TRUE(vfio_cxl_same(self->p + SZ_2M, SZ_2M, 101));
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &before));
	ASSERT_EQ(0, vfio_cxl_mem_set(dev, changes));

	ASSERT_TRUE(inject("DLP"));
	EXPECT_TRUE(signalled(self->fd));
	EXPECT_TRUE(signalled(changes));
	do {
		ASSERT_EQ(0, vfio_cxl_mem_get(dev, &after));
		usleep(10 * 1000);
	} while (after.reasons & (VFIO_CXL_MEM_LINK_FROZEN | VFIO_CXL_MEM_RESET));
	EXPECT_EQ(0, after.reasons);
	EXPECT_LT(before.closures, after.closures);
	cmd = vfio_cxl_xget(dev, &dev->cfg, PCI_COMMAND, 2);
	EXPECT_EQ(0, cmd & PCI_COMMAND_MASTER);

	bus_master(dev);
	vfio_cxl_fill(self->p, SZ_2M, 107);
	vfio_cxl_fill(self->p + SZ_2M, SZ_2M, 109);
	EXPECT_FALSE(engine_copy(dev, &engine, ENGINE_COPY_OUT, 0, IOVA, SZ_2M));
	EXPECT_TRUE(vfio_cxl_same(self->p + SZ_2M, SZ_2M, 109));
	EXPECT_EQ(0, unmap(dev, ioas, SZ_2M, IOVA));
	ASSERT_EQ(0, map_file(dev, ioas, fd, 0, SZ_2M, IOVA));
	EXPECT_TRUE(engine_copy(dev, &engine, ENGINE_COPY_OUT, 0, IOVA, SZ_2M));
	EXPECT_TRUE(vfio_cxl_same(self->p + SZ_2M, SZ_2M, 107));
	close(fd);
	close(changes);
}

/*
 * A user who is killed, or gives up, in the middle of recovery: the memory is
 * cleared all the same, and the device works for the next one, whom recovery
 * does not let in before its end.
 *
 * Guards: main.c clear_memory(), vfio_cxl_open_device(), the -EAGAIN; state.c
 * vfio_cxl_state_restore_config()
 */
TEST_F(error, fatal_and_closed)
{
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int i;
	int rc = -1;

	ASSERT_TRUE(inject("DLP"));
	EXPECT_TRUE(signalled(self->fd));
	munmap(self->p, VFIO_CXL_TENANT);
	close(self->fd);
	vfio_cxl_close(dev);
	for (i = 0; i < RECOVERY_TRIES && rc; i++) {
		usleep(RECOVERY_US);
		rc = vfio_cxl_open(dev, vfio_cxl_bdf);
		EXPECT_TRUE(!rc || rc == -EAGAIN);
	}
	TH_LOG("opened again after %u tries", i);
	ASSERT_EQ(0, rc);
	self->p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	ASSERT_EQ(0, vfio_cxl_touch(self->p, false));
	EXPECT_TRUE(vfio_cxl_zero(self->p, VFIO_CXL_TENANT));
	vfio_cxl_fill(self->p, VFIO_CXL_TENANT, 105);
	EXPECT_TRUE(vfio_cxl_same(self->p, VFIO_CXL_TENANT, 105));
}

/*
 * A device without memory also loses its config space, and so does its next user.
 *
 * Guards: reset.c vfio_cxl_error_detected(), vfio_cxl_resume(); main.c
 * vfio_cxl_open_device(), the -EAGAIN
 */
TEST(fatal_without_memory)
{
	const char *emulated = getenv("VFIO_CXL_UNCOMMITTED_EMULATED");
	__u32 before[0x40 / 4], after[0x40 / 4];
	struct vfio_cxl_dev dev;
	unsigned int i;
	__u16 dvsec;
	__u32 base;
	int fd, rc;

	if (!vfio_cxl_uncommitted_bdf || !emulated)
		SKIP(return, "needs an emulated device without memory");
	ASSERT_EQ(0, vfio_cxl_open(&dev, vfio_cxl_uncommitted_bdf));
	dvsec = vfio_cxl_dvsec(&dev, PCI_DVSEC_CXL_DEVICE);
	base = vfio_cxl_xget(&dev, &dev.cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4);
	vfio_cxl_xput(&dev, &dev.cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4, ~base);
	fd = vfio_cxl_eventfd(&dev, VFIO_PCI_ERR_IRQ_INDEX);
	ASSERT_LE(0, fd);
	vfio_cxl_xhost_config(dev.bdf, before, 0, sizeof(before));

	ASSERT_TRUE(vfio_cxl_inject(emulated, "DLP"));
	EXPECT_TRUE(signalled(fd));
	for (i = 0; i < RECOVERY_TRIES; i++) {
		vfio_cxl_xhost_config(dev.bdf, after, 0, sizeof(after));
		if (after[PCI_BASE_ADDRESS_0 / 4] == before[PCI_BASE_ADDRESS_0 / 4] &&
		    vfio_cxl_xget(&dev, &dev.cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4) ==
		    base)
			break;
		usleep(RECOVERY_US);
	}
	TH_LOG("restored after %u tries", i);
	EXPECT_GT(RECOVERY_TRIES, i);
	EXPECT_EQ(0, memcmp(&before[PCI_BASE_ADDRESS_0 / 4],
			    &after[PCI_BASE_ADDRESS_0 / 4], 6 * 4));
	EXPECT_NE(0, after[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY);

	close(fd);
	vfio_cxl_close(&dev);
	for (i = 0, rc = -EAGAIN; i < RECOVERY_TRIES && rc == -EAGAIN; i++) {
		rc = vfio_cxl_open(&dev, vfio_cxl_uncommitted_bdf);
		usleep(rc ? RECOVERY_US : 0);
	}
	ASSERT_EQ(0, rc);
	vfio_cxl_close(&dev);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
