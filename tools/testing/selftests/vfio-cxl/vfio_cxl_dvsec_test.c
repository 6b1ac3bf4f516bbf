// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CXL DVSECs in config space: the Device DVSEC is virtual, all others are
 * read-only, and an access of any shape gives the same.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define CTRL_IO_ENABLE	0x0002
#define CTRL_MEM_ENABLE	0x0004
#define CTRL_RESERVED	0xb000

static __u32 dv_get(struct vfio_cxl_dev *dev, __u32 off, size_t len)
{
	return vfio_cxl_xget(dev, &dev->cfg,
			     vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + off,
			     len);
}

static void dv_put(struct vfio_cxl_dev *dev, __u32 off, size_t len, __u64 val)
{
	vfio_cxl_xput(dev, &dev->cfg,
		      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + off, len,
		      val);
}

static __u32 dvsec_len(struct vfio_cxl_dev *dev, __u16 pos)
{
	return PCI_DVSEC_HEADER1_LEN(vfio_cxl_xget(dev, &dev->cfg, pos +
						   PCI_DVSEC_HEADER1, 4));
}

/*
 * Guards: config.c vfio_cxl_config_rw(), the pieces; dvsec.c
 * vfio_cxl_dvsec_read()
 */
TEST_F(cxl, reads_of_any_shape)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 pos = 0, off, len, end;
	__u8 want[4096], buf[64];

	for (off = 0; off < sizeof(want); off++)
		want[off] = vfio_cxl_xget(dev, &dev->cfg, off, 1);

	while ((pos = vfio_cxl_next_dvsec(dev, pos))) {
		end = pos + dvsec_len(dev, pos);
		for (off = pos - 9; off < end + 2; off++) {
			for (len = 1; len <= 20 && off + len <= 4096; len++) {
				memset(buf, 0xa5, sizeof(buf));
				ASSERT_EQ(len, vfio_cxl_read(dev, &dev->cfg,
							     off, buf, len));
				ASSERT_EQ(0, memcmp(buf, want + off, len)) {
					TH_LOG("%u bytes at %#x", len, off);
				}
				ASSERT_EQ(0xa5, buf[len]);
			}
		}
	}
	/* All of it in one piece */
	EXPECT_EQ(4096, vfio_cxl_read(dev, &dev->cfg, 0, want, 4096));
}

/*
 * The same bytes in each way to cut them, into RANGE1 base and beyond it on
 * both sides, where they must have no effect.
 *
 * Guards: config.c dvsec_rw(); dvsec.c vfio_cxl_dvsec_write()
 */
TEST_F(cxl, writes_of_any_shape)
{
	static const __u8 cut[][12] = {
		{ 4, 4, 4 }, { 12 }, { 8, 4 }, { 4, 8 }, { 2, 2, 4, 2, 2 },
		{ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, { 3, 3, 3, 3 },
		{ 5, 7 }, { 1, 2, 4, 5 }, { 6, 6 }, { 7, 1, 4 }, { 11, 1 },
	};
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);
	__u8 bytes[12], size[8], now[12];
	unsigned int i, j, k, off, len, lead;
	__u64 seed = 42;

	vfio_cxl_read(dev, &dev->cfg, pos + DVSEC_RANGE1_SIZE_HI, size, 8);
	/* From @lead bytes before the base to 4 - @lead bytes after it */
	for (lead = 0; lead <= 4; lead++) {
		for (i = 0; i < ARRAY_SIZE(cut); i++) {
			__u64 val = vfio_cxl_rand(&seed);
			__u32 hi = val, lo = val >> 32;

			memset(bytes, 0xff, sizeof(bytes));
			memcpy(bytes + lead, &hi, 4);
			memcpy(bytes + lead + 4, &lo, 4);
			off = pos + DVSEC_RANGE1_BASE_HI - lead;
			for (j = 0, k = 0; k < sizeof(bytes); k += len, j++) {
				len = cut[i][j];
				ASSERT_EQ(len, vfio_cxl_write(dev, &dev->cfg,
							      off + k,
							      bytes + k, len));
			}
			EXPECT_EQ(hi, dv_get(dev, DVSEC_RANGE1_BASE_HI, 4));
			EXPECT_EQ(lo & 0xf0000000,
				  dv_get(dev, DVSEC_RANGE1_BASE_LO, 4)) {
				TH_LOG("cut %u lead %u", i, lead);
			}
			vfio_cxl_read(dev, &dev->cfg,
				      pos + DVSEC_RANGE1_SIZE_HI, now, 8);
			EXPECT_EQ(0, memcmp(size, now, 8));
			EXPECT_EQ(0, dv_get(dev, DVSEC_RANGE2, 4));
		}
	}
}

/* Guards: dvsec.c dvsec_regs[], CAP; vfio_cxl_dvsec_init() */
TEST_F(cxl, capability_read_only)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 cap = dv_get(dev, DVSEC_CAP, 2);
	__u32 hw;

	vfio_cxl_xhost_config(dev->bdf, &hw,
			      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) +
			      PCI_DVSEC_HEADER2, 4);
	/* There is one range at most. */
	EXPECT_EQ(hw >> 16 & ~0x30, cap & ~0x30);
	EXPECT_EQ(0, cap & 0x20);
	EXPECT_EQ(PCI_DVSEC_CXL_MEM_CAPABLE, cap & PCI_DVSEC_CXL_MEM_CAPABLE);
	dv_put(dev, DVSEC_CAP, 2, (__u16)~cap);
	EXPECT_EQ(cap, dv_get(dev, DVSEC_CAP, 2));
	dv_put(dev, PCI_DVSEC_HEADER2, 4, 0xffffffff);
	EXPECT_EQ(cap, dv_get(dev, DVSEC_CAP, 2));
	EXPECT_EQ(PCI_DVSEC_CXL_DEVICE, dv_get(dev, PCI_DVSEC_HEADER2, 2));
}

/* Guards: dvsec.c dvsec_regs[], CTRL_STATUS; vfio_cxl_dvsec_init() */
TEST_F(cxl, control)
{
	struct vfio_cxl_dev *dev = &self->dev;

	EXPECT_NE(0, dv_get(dev, DVSEC_CTRL, 2) & CTRL_IO_ENABLE);
	dv_put(dev, DVSEC_CTRL, 2, 0xffff);
	EXPECT_EQ(CTRL_MEM_ENABLE | CTRL_IO_ENABLE, dv_get(dev, DVSEC_CTRL, 2) &
		  (CTRL_MEM_ENABLE | CTRL_IO_ENABLE | CTRL_RESERVED));
	dv_put(dev, DVSEC_CTRL, 2, 0);
	EXPECT_EQ(CTRL_IO_ENABLE, dv_get(dev, DVSEC_CTRL, 2));
}

/* Guards: dvsec.c dvsec_locked(), .lockable, .set */
TEST_F(cxl, config_lock)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 ctrl, ctrl2, cap2;

	EXPECT_EQ(0, dv_get(dev, DVSEC_LOCK, 2));
	cap2 = dv_get(dev, DVSEC_LOCK + 2, 2);
	dv_put(dev, DVSEC_CTRL, 2, CTRL_MEM_ENABLE);
	dv_put(dev, DVSEC_RANGE1_BASE_HI, 4, 0x12);
	dv_put(dev, DVSEC_RANGE1_BASE_LO, 4, 0x30000000);
	ctrl = dv_get(dev, DVSEC_CTRL, 2);
	ctrl2 = dv_get(dev, DVSEC_CTRL2, 2);

	dv_put(dev, DVSEC_LOCK, 2, 0xffff);
	EXPECT_EQ(1, dv_get(dev, DVSEC_LOCK, 2));
	dv_put(dev, DVSEC_LOCK, 2, 0);
	EXPECT_EQ(1, dv_get(dev, DVSEC_LOCK, 2));
	dv_put(dev, DVSEC_LOCK, 4, 0);
	EXPECT_EQ(1, dv_get(dev, DVSEC_LOCK, 2));
	EXPECT_EQ(cap2, dv_get(dev, DVSEC_LOCK + 2, 2));

	dv_put(dev, DVSEC_CTRL, 2, (__u16)~ctrl);
	EXPECT_EQ(ctrl, dv_get(dev, DVSEC_CTRL, 2));
	/* Control2 is not locked. */
	dv_put(dev, DVSEC_CTRL2, 2, ctrl2 ^ DVSEC_CTRL2_MEM_CLR);
	EXPECT_EQ(ctrl2 ^ DVSEC_CTRL2_MEM_CLR, dv_get(dev, DVSEC_CTRL2, 2));
	dv_put(dev, DVSEC_RANGE1_BASE_HI, 4, 0x99);
	dv_put(dev, DVSEC_RANGE1_BASE_LO, 4, 0xf0000000);
	EXPECT_EQ(0x12, dv_get(dev, DVSEC_RANGE1_BASE_HI, 4));
	EXPECT_EQ(0x30000000, dv_get(dev, DVSEC_RANGE1_BASE_LO, 4));
}

/*
 * Guards: dvsec.c dvsec_regs[], RANGE1 and RANGE2;
 * vfio_cxl_dvsec_set_mem_status()
 */
TEST_F(cxl, ranges)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 hw[2], off;

	EXPECT_EQ(0, dv_get(dev, DVSEC_RANGE1_BASE_HI, 4));
	EXPECT_EQ(0, dv_get(dev, DVSEC_RANGE1_BASE_LO, 4));
	dv_put(dev, DVSEC_RANGE1_BASE_HI, 4, 0x89abcdef);
	dv_put(dev, DVSEC_RANGE1_BASE_LO, 4, 0xffffffff);
	EXPECT_EQ(0x89abcdef, dv_get(dev, DVSEC_RANGE1_BASE_HI, 4));
	EXPECT_EQ(0xf0000000, dv_get(dev, DVSEC_RANGE1_BASE_LO, 4));

	vfio_cxl_xhost_config(dev->bdf, hw,
			      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) +
			      DVSEC_RANGE1_SIZE_HI, 8);
	EXPECT_EQ(3, hw[1] & 3);
	for (off = 0; off < 8; off += 4) {
		dv_put(dev, DVSEC_RANGE1_SIZE_HI + off, 4, ~hw[off / 4]);
		EXPECT_EQ(hw[off / 4],
			  dv_get(dev, DVSEC_RANGE1_SIZE_HI + off, 4));
	}
	for (off = 0; off < 16; off += 4) {
		EXPECT_EQ(0, dv_get(dev, DVSEC_RANGE2 + off, 4));
		dv_put(dev, DVSEC_RANGE2 + off, 4, 0xffffffff);
		EXPECT_EQ(0, dv_get(dev, DVSEC_RANGE2 + off, 4));
	}
}

/*
 * Write all over a DVSEC, each offset in each width.
 * Reading back from the guest's side is left to the caller.
 */
static void scribble(struct vfio_cxl_dev *dev, __u16 pos)
{
	__u32 off, width, len = dvsec_len(dev, pos);
	__u64 seed = pos, val;

	for (off = 0; off < len; off++) {
		for (width = 1; width <= 8 && off + width <= len; width++) {
			val = vfio_cxl_rand(&seed);
			vfio_cxl_write(dev, &dev->cfg, pos + off, &val, width);
		}
		if (off % 4)
			continue;
		vfio_cxl_xput(dev, &dev->cfg, pos + off, 4, ~0U);
		vfio_cxl_xput(dev, &dev->cfg, pos + off, 4, 0);
	}
	/* A CXL Reset that was started is not over yet. */
	vfio_cxl_mem_wait(dev);
}

static void expect_same_config(struct __test_metadata *_metadata, __u16 dvsec,
			       __u8 *before, const __u8 *after)
{
	__u32 i;

	/* The doorbells were also rung, and the device has said so. */
	memcpy(before + dvsec + DVSEC_STATUS2, after + dvsec + DVSEC_STATUS2,
	       2);
	for (i = 0; i < 4096; i++) {
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("at %#x", i);
		}
	}
}

/*
 * As the host's kernel sees it, and as the emulator does.
 *
 * Guards: config.c cfg_kind(), CFG_READ_ONLY and CFG_DVSEC
 */
TEST_F(cxl, writes_reach_no_hardware)
{
	__u16 pos = 0, dvsec = vfio_cxl_dvsec(&self->dev, PCI_DVSEC_CXL_DEVICE);
	static __u8 before[4096], after[4096];
	static __u32 deep[1024], deep_after[1024];
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int others = 0;
	bool emulated;

	vfio_cxl_xhost_config(dev->bdf, before, 0, sizeof(before));
	emulated = vfio_cxl_emulator_config(dev, deep);
	if (emulated)
		EXPECT_EQ(0, memcmp(before, deep, sizeof(before)));
	while ((pos = vfio_cxl_next_dvsec(dev, pos))) {
		scribble(dev, pos);
		others += pos != dvsec;
	}
	/* At least the Register Locator is there. */
	EXPECT_LE(1, others);

	vfio_cxl_xhost_config(dev->bdf, after, 0, sizeof(after));
	expect_same_config(_metadata, dvsec, before, after);
	if (emulated) {
		ASSERT_TRUE(vfio_cxl_emulator_config(dev, deep_after));
		expect_same_config(_metadata, dvsec, (__u8 *)deep,
				   (__u8 *)deep_after);
	}
}

/* Guards: config.c cfg_kind(), CFG_READ_ONLY: what is read is hardware's */
TEST_F(cxl, others_read_from_hardware)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 hw, off;
	__u16 pos = 0;

	while ((pos = vfio_cxl_next_dvsec(dev, pos))) {
		if (pos == vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE))
			continue;
		scribble(dev, pos);
		/* The first dword holds the next pointer, which is virtual */
		for (off = 4; off < dvsec_len(dev, pos); off += 4) {
			vfio_cxl_xhost_config(dev->bdf, &hw, pos + off, 4);
			EXPECT_EQ(hw, vfio_cxl_xget(dev, &dev->cfg, pos + off,
						    4));
		}
	}
}

static unsigned int walk(struct vfio_cxl_dev *dev, __u32 *list, unsigned int n)
{
	__u32 pos = PCI_CFG_SPACE_SIZE, hdr;
	unsigned int i = 0;

	while (pos && i < n) {
		hdr = vfio_cxl_xget(dev, &dev->cfg, pos, 4);
		list[i++] = pos << 20 | PCI_EXT_CAP_ID(hdr);
		pos = PCI_EXT_CAP_NEXT(hdr);
	}
	return i;
}

/* Guards: config.c cfg_kind(), "pos < body": headers are read-only */
TEST_F(cxl, list_intact)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 before[64], after[64], hdr[16], n, i, pos = 0;

	n = walk(dev, before, ARRAY_SIZE(before));
	ASSERT_GT(ARRAY_SIZE(before), n);
	for (i = 0; i < 16 && (pos = vfio_cxl_next_dvsec(dev, pos)); i++)
		hdr[i] = vfio_cxl_xget(dev, &dev->cfg, pos + 4, 4);
	for (pos = 0; (pos = vfio_cxl_next_dvsec(dev, pos)); )
		scribble(dev, pos);
	EXPECT_EQ(n, walk(dev, after, ARRAY_SIZE(after)));
	EXPECT_EQ(0, memcmp(before, after, n * sizeof(*before)));
	for (pos = 0, i = 0; (pos = vfio_cxl_next_dvsec(dev, pos)); i++)
		EXPECT_EQ(hdr[i], vfio_cxl_xget(dev, &dev->cfg, pos + 4, 4));
	EXPECT_NE(0, vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE));
	EXPECT_NE(0, vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_REG_LOCATOR));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
