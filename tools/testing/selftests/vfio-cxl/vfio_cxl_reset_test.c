// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate to the device memory: each event that closes it, and that the same
 * mapping works again afterwards. And what survives which reset.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

/* It works, by mapping and by file. */
static void expect_open(struct __test_metadata *_metadata,
			struct vfio_cxl_dev *dev, char *p)
{
	char buf[8];

	EXPECT_EQ(0, vfio_cxl_touch(p, false));
	if (!vfio_cxl_by_file(dev))
		return;
	EXPECT_EQ(8, vfio_cxl_read(dev, &dev->dpa, 0, buf, 8));
	EXPECT_EQ(0, memcmp(p, buf, 8));
}

/* A mapping of 4 MiB that has been used, with content */
static char *used_mapping(struct vfio_cxl_dev *dev, __u64 seed)
{
	char *p = vfio_cxl_xmap_dpa(dev, 0, 2 * SZ_2M, SZ_2M, 0);

	vfio_cxl_fill(p, 2 * SZ_2M, seed);
	return p;
}

/*
 * CXL.mem does not depend on Memory Space: a Linux guest switches it off for
 * each FLR and to size BARs.
 *
 * Guards: region.c dpa_huge_fault(), dpa_copy()
 */
TEST_F(cxl, memory_space_is_no_reason)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = used_mapping(dev, 41), *fresh;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		vfio_cxl_memory_space(dev, false);
		EXPECT_FALSE(vfio_cxl_faults(p));
		expect_open(_metadata, dev, p);
		fresh = vfio_cxl_xmap_dpa(dev, 0, 2 * SZ_2M, SZ_2M, 0);
		EXPECT_TRUE(vfio_cxl_same(fresh, 2 * SZ_2M, 41));
		munmap(fresh, 2 * SZ_2M);
		vfio_cxl_memory_space(dev, true);
		expect_open(_metadata, dev, p);
		EXPECT_TRUE(vfio_cxl_same(p, 2 * SZ_2M, 41));
	}
}

/*
 * Guards: reset.c vfio_cxl_reset_prepare() and vfio_cxl_reset_done(); gate.c
 * vfio_cxl_gate_shut()
 */
TEST_F(cxl, device_reset_zaps)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = used_mapping(dev, 45);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		EXPECT_FALSE(vfio_cxl_faults(p));
		ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
		EXPECT_TRUE(vfio_cxl_faults(p));
		expect_open(_metadata, dev, p);
		vfio_cxl_fill(p, SZ_64K, i);
		EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, i));
	}
}

/*
 * VFIO_DEVICE_RESET is the VMM's system reset: the memory is cleared if the
 * device can do that by itself, and kept otherwise.
 *
 * Guards: reset.c vfio_cxl_device_reset(); cxl_reset.c cxl_reset_work()
 */
TEST_F(cxl, device_reset_content)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = used_mapping(dev, 47);
	bool clears;
	__u32 hw;

	vfio_cxl_xhost_config(dev->bdf, &hw,
			      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) +
			      PCI_DVSEC_HEADER2, 4);
	clears = hw >> 16 & DVSEC_CAP_RESET && hw >> 16 & DVSEC_CAP_MEM_CLR;
	TH_LOG("device %s its memory", clears ? "can clear" : "cannot clear");
	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_TRUE(clears ? vfio_cxl_zero(p, 2 * SZ_2M) :
			     vfio_cxl_same(p, 2 * SZ_2M, 47));
}

/* Guards: reset.c vfio_cxl_virt_init(); cxl_reset.c cxl_reset_work() */
TEST_F(cxl, device_reset_freshens)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	ASSERT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4, 0x7a);
	vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_LOCK, 2, 1);

	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_BASE_LO(0)));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_BASE_HI(0)));
	EXPECT_EQ((__u32)dev->dpa.info.size,
		  vfio_cxl_hdm_get(dev, HDM_SIZE_LO(0)));
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->cfg, dvsec + DVSEC_LOCK, 2));
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->cfg,
				   dvsec + DVSEC_RANGE1_BASE_HI, 4));
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
}

/* Guards: reset.c own_flags(); config.c core_rw() */
TEST_F(cxl, guest_flr_keeps)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);
	char *p = used_mapping(dev, 49);

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_RANGE1_BASE_HI, 4, 0x7a);
	vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_LOCK, 2, 1);
	if (!vfio_cxl_guest_flr(dev))
		SKIP(return, "device has no FLR");

	EXPECT_TRUE(vfio_cxl_faults(p));
	EXPECT_TRUE(vfio_cxl_same(p, 2 * SZ_2M, 49));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	EXPECT_EQ(0x7a, vfio_cxl_hdm_get(dev, HDM_BASE_HI(0)));
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	EXPECT_EQ(1, vfio_cxl_xget(dev, &dev->cfg, dvsec + DVSEC_LOCK, 2));
	EXPECT_EQ(0x7a, vfio_cxl_xget(dev, &dev->cfg,
				      dvsec + DVSEC_RANGE1_BASE_HI, 4));

	/* The VMM's reset, though, is not taken for one of the guest's */
	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
}

/*
 * Linux as a guest switches Memory Space off before it resets a function, and
 * restores it after. The decoder registers cannot be read in between.
 *
 * Guards: state.c vfio_cxl_state_restore_decoder()
 */
TEST_F(cxl, guest_flr_with_memory_space_off)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = used_mapping(dev, 50);

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	vfio_cxl_memory_space(dev, false);
	if (!vfio_cxl_guest_flr(dev))
		SKIP(return, "device has no FLR");
	expect_open(_metadata, dev, p);
	vfio_cxl_memory_space(dev, true);
	expect_open(_metadata, dev, p);
	EXPECT_TRUE(vfio_cxl_same(p, 2 * SZ_2M, 50));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
}

/* Guards: config.c hits_power_state(), core_rw(); settle.c vfio_cxl_update_power() */
TEST_F(cxl, d3hot)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pos = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM), ctl;
	char *p = used_mapping(dev, 53);

	if (!pos)
		SKIP(return, "device has no PM capability");
	ctl = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_PM_CTRL, 2);
	ctl &= ~PCI_PM_CTRL_STATE_MASK;
	vfio_cxl_xput(dev, &dev->cfg, pos + PCI_PM_CTRL, 2, ctl | 3);
	if ((vfio_cxl_xget(dev, &dev->cfg, pos + PCI_PM_CTRL, 2) & 3) != 3)
		SKIP(return, "device does not go to D3hot");
	vfio_cxl_expect_closed(_metadata, dev, p);
	vfio_cxl_xput(dev, &dev->cfg, pos + PCI_PM_CTRL, 2, ctl);
	expect_open(_metadata, dev, p);
	EXPECT_TRUE(vfio_cxl_same(p, 2 * SZ_2M, 53));
}

/* LOW_POWER_ENTRY or _EXIT */
static int low_power(struct vfio_cxl_dev *dev, __u32 feature)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

/* Guards: ops.c low_power() */
TEST_F(cxl, runtime_suspend)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = used_mapping(dev, 57);
	int rc;

	rc = low_power(dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	if (rc)
		SKIP(return, "no runtime power management: %s", strerror(-rc));
	vfio_cxl_expect_closed(_metadata, dev, p);
	ASSERT_EQ(0, low_power(dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	expect_open(_metadata, dev, p);
	EXPECT_TRUE(vfio_cxl_same(p, 2 * SZ_2M, 57));
}

/* What a sleeping device may lose, and when it is known */
FIXTURE(asleep) {
	struct vfio_cxl_dev dev;
	char *p;
};

FIXTURE_SETUP(asleep)
{
	int rc;

	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	self->p = used_mapping(&self->dev, 59);
	rc = low_power(&self->dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	if (rc)
		SKIP(return, "no runtime power management: %s", strerror(-rc));
	vfio_cxl_emulate("x-lose-decoder", "on");
}

FIXTURE_TEARDOWN_PARENT(asleep)
{
	if (getenv("VFIO_CXL_EMULATED"))
		vfio_cxl_emulate("x-lose-decoder", "off");
}

/*
 * The host resets it, and it loses its decoder: that reset does not open the
 * gate, waking up does.
 *
 * Guards: settle.c vfio_cxl_update_power(), %VFIO_CXL_GATE_SUSPENDED
 */
TEST_F(asleep, reset_by_the_host)
{
	int fd = vfio_cxl_xhost_open(self->dev.bdf, "reset", O_WRONLY);

	ASSERT_EQ(1, write(fd, "1", 1));
	close(fd);
	vfio_cxl_expect_closed(_metadata, &self->dev, self->p);
	ASSERT_EQ(0, low_power(&self->dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	expect_open(_metadata, &self->dev, self->p);
}

/*
 * The user does; the VFIO core does not wake it up for good.
 *
 * Guards: the same; reset.c vfio_cxl_device_reset()
 */
TEST_F(asleep, reset_by_the_user)
{
	int rc = ioctl(self->dev.fd, VFIO_DEVICE_RESET);

	TH_LOG("reset: %s", rc ? strerror(errno) : "done");
	vfio_cxl_expect_closed(_metadata, &self->dev, self->p);
	ASSERT_EQ(0, low_power(&self->dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	expect_open(_metadata, &self->dev, self->p);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
