// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of the PCIe link, which an emulator has to play: those that leave the
 * link as it is, and those that the kernel's AER driver recovers it from.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"

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

/* The device reports @error; its name in the emulator's monitor */
static bool inject(const char *error)
{
	char command[64], *answer;
	bool ok;

	snprintf(command, sizeof(command), "pcie_aer_inject_error %s %s",
		 getenv("VFIO_CXL_EMULATED"), error);
	answer = vfio_cxl_emulator(command);
	ok = answer;
	free(answer);
	return ok;
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

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
