// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual HDM decoders, as a VMM and its guest use them. The model is
 * tested without a device in tools/testing/vfio-cxl; here it is in its place.
 */
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define STATE		(HDM_CTRL_LOCK | HDM_CTRL_COMMIT | \
			 HDM_CTRL_COMMITTED | HDM_CTRL_ERR)

static __u32 state(struct vfio_cxl_dev *dev)
{
	return vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & STATE;
}

static __u64 get64(struct vfio_cxl_dev *dev, __u32 lo)
{
	return vfio_cxl_hdm_get(dev, lo) |
	       (__u64)vfio_cxl_hdm_get(dev, lo + 4) << 32;
}

/* Guards: hdm.c vfio_cxl_hdm_reset(); reset.c vfio_cxl_virt_init() */
TEST_F(cxl, fresh)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 n, nr = vfio_cxl_hdm_get(dev, HDM_CAP) & 0xf;

	EXPECT_EQ(0, get64(dev, HDM_BASE_LO(0)));
	EXPECT_EQ(dev->dpa.info.size, get64(dev, HDM_SIZE_LO(0)));
	EXPECT_EQ(0, state(dev));
	nr = nr ? 2 * nr : 1;
	ASSERT_GE(10, nr);
	for (n = 1; n < nr; n++) {
		EXPECT_EQ(0, get64(dev, HDM_BASE_LO(n)));
		EXPECT_EQ(0, get64(dev, HDM_SIZE_LO(n)));
		EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(n)));
	}
}

/* Guards: hdm.c hdm_write_dec(), the reserved bits of dec_writable[] */
TEST_F(cxl, base_in_256_mib)
{
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_hdm_put(dev, HDM_BASE_LO(0), 0xffffffff);
	vfio_cxl_hdm_put(dev, HDM_BASE_HI(0), 0x12345678);
	EXPECT_EQ(0x12345678f0000000, get64(dev, HDM_BASE_LO(0)));
}

/* Guards: hdm.c hdm_write_dec(), hdm_fits() */
TEST_F(cxl, commit_and_uncommit)
{
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_COMMIT | HDM_CTRL_COMMITTED, state(dev));

	/* A committed decoder does not move */
	vfio_cxl_hdm_put(dev, HDM_BASE_LO(0), 0x10000000);
	vfio_cxl_hdm_put(dev, HDM_SIZE_HI(0), 1);
	EXPECT_EQ(VFIO_CXL_GPA, get64(dev, HDM_BASE_LO(0)));
	EXPECT_EQ(dev->dpa.info.size, get64(dev, HDM_SIZE_LO(0)));

	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
	EXPECT_EQ(0, state(dev));
	EXPECT_EQ(VFIO_CXL_GPA, get64(dev, HDM_BASE_LO(0)));
	vfio_cxl_hdm_put(dev, HDM_BASE_HI(0), 0x55);
	EXPECT_EQ(0x5550000000, get64(dev, HDM_BASE_LO(0)));
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_COMMIT | HDM_CTRL_COMMITTED, state(dev));
}

/* Guards: hdm.c hdm_write_dec(), "old & CXL_HDM_CTRL_LOCK" */
TEST_F(cxl, lock_freezes)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 before[8], off;

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT | HDM_CTRL_LOCK);
	ASSERT_EQ(HDM_CTRL_COMMIT | HDM_CTRL_LOCK | HDM_CTRL_COMMITTED,
		  state(dev));
	for (off = 0; off < 0x20; off += 4)
		before[off / 4] = vfio_cxl_hdm_get(dev, 0x10 + off);
	for (off = 0; off < 0x20; off += 4) {
		vfio_cxl_hdm_put(dev, 0x10 + off, 0);
		vfio_cxl_hdm_put(dev, 0x10 + off, ~before[off / 4]);
		vfio_cxl_hdm_put(dev, 0x10 + off, 0xffffffff);
	}
	for (off = 0; off < 0x20; off += 4)
		EXPECT_EQ(before[off / 4], vfio_cxl_hdm_get(dev, 0x10 + off));
}

/* Guards: hdm.c hdm_fits(), each way not to fit */
TEST_F(cxl, misfits)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	struct { __u64 base, size; __u32 ctrl; } bad[] = {
		{ VFIO_CXL_GPA, 0, 0 },			/* nothing */
		{ VFIO_CXL_GPA, size + SZ_256M, 0 },	/* more than there is */
		{ VFIO_CXL_GPA, size | 1ULL << 63, 0 },
		{ -SZ_256M, size, 0 },		/* wraps */
		{ VFIO_CXL_GPA, size, 1 << 4 },		/* interleave */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vfio_cxl_hdm_put(dev, HDM_SIZE_LO(0), bad[i].size);
		vfio_cxl_hdm_put(dev, HDM_SIZE_HI(0), bad[i].size >> 32);
		vfio_cxl_hdm_program(dev, bad[i].base,
				     HDM_CTRL_COMMIT | bad[i].ctrl);
		EXPECT_EQ(HDM_CTRL_COMMIT | HDM_CTRL_ERR, state(dev)) {
			TH_LOG("base %#llx size %#llx", bad[i].base,
			       bad[i].size);
		}
		vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
		EXPECT_EQ(0, state(dev));
	}

	/* An error does not stick. */
	vfio_cxl_hdm_put(dev, HDM_SIZE_LO(0), size);
	vfio_cxl_hdm_put(dev, HDM_SIZE_HI(0), size >> 32);
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_COMMIT | HDM_CTRL_COMMITTED, state(dev));
}

/* Guards: hdm.c hdm_write_dec(): LOCK alone, or with ERR, locks nothing */
TEST_F(cxl, lock_without_commit)
{
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK);
	EXPECT_EQ(0, state(dev) & HDM_CTRL_COMMITTED);
	vfio_cxl_hdm_put(dev, HDM_BASE_LO(0), 0xe0000000);
	EXPECT_EQ(0x7ae0000000, get64(dev, HDM_BASE_LO(0)));

	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
	vfio_cxl_hdm_put(dev, HDM_SIZE_LO(0), 0);
	vfio_cxl_hdm_put(dev, HDM_SIZE_HI(0), 0);
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	EXPECT_EQ(HDM_CTRL_ERR, state(dev) &
		  (HDM_CTRL_ERR | HDM_CTRL_COMMITTED));
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
	EXPECT_EQ(0, state(dev));
}

/* Guards: hdm.c hdm_write_global(), hdm_read_dword(); HwInit */
TEST_F(cxl, capability_and_global)
{
	__u32 hw[VFIO_CXL_PAGE_SIZE / 4], cap, poison;
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_xhost_page(dev, hw);
	cap = vfio_cxl_hdm_get(dev, HDM_CAP);
	EXPECT_EQ(hw[dev->hdm / 4] & 0xf, cap & 0xf);
	vfio_cxl_hdm_put(dev, HDM_CAP, ~cap);
	EXPECT_EQ(cap, vfio_cxl_hdm_get(dev, HDM_CAP));

	poison = cap >> 10 & 1;
	vfio_cxl_hdm_put(dev, HDM_GLOBAL, 0xffffffff);
	EXPECT_EQ(2 | poison, vfio_cxl_hdm_get(dev, HDM_GLOBAL));
	vfio_cxl_hdm_put(dev, HDM_GLOBAL, 0);
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_GLOBAL));
}

/*
 * The VMM's mapping of the DPA does not depend on what the guest's decoder
 * says: the region is the same before, while and after it is committed.
 *
 * Guards: comp_regs.c comp_regs_hdm(), which has no effect outside the shadow
 */
TEST_F(cxl, commit_moves_no_memory)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_mmap(dev, &dev->dpa, 0, SZ_64K);

	ASSERT_NE(MAP_FAILED, p);
	vfio_cxl_fill(p, SZ_64K, 31);
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, 31));
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);
	vfio_cxl_hdm_put(dev, HDM_GLOBAL, 0);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, 31));
	EXPECT_EQ(0, vfio_cxl_touch(p, true));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
