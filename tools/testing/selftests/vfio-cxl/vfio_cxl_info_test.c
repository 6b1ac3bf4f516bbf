// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_GET_INFO of a CXL device, and of one that firmware did not
 * commit.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

/* Up to num_irqs, and up to cap_offset */
#define MINSZ	offsetof(struct vfio_device_info, cap_offset)
#define CAPSZ	offsetof(struct vfio_device_info, pad)

#define CANARY	0xa5

union info_buf {
	struct vfio_device_info info;
	__u8 bytes[512];
};

static int get_info(struct vfio_cxl_dev *dev, union info_buf *b, __u32 argsz)
{
	memset(b, CANARY, sizeof(*b));
	b->info.argsz = argsz;
	return ioctl(dev->fd, VFIO_DEVICE_GET_INFO, b) ? -errno : 0;
}

/* Offset of the first byte past @from that was written, or the buffer's size */
static size_t first_written(const union info_buf *b, size_t from)
{
	while (from < sizeof(*b) && b->bytes[from] == CANARY)
		from++;
	return from;
}

/* What the device wants for all of its answer */
static __u32 full_size(struct vfio_cxl_dev *dev)
{
	union info_buf b;

	return get_info(dev, &b, MINSZ) ? 0 : b.info.argsz;
}

/* Guards: ops.c vfio_cxl_get_info(), the flags added and the core's kept */
TEST_F(cxl, flags)
{
	union info_buf b;

	ASSERT_EQ(0, get_info(&self->dev, &b, sizeof(b)));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET |
		  VFIO_DEVICE_FLAGS_CAPS | VFIO_DEVICE_FLAGS_CXL, b.info.flags);
	EXPECT_EQ(1 << 9, VFIO_DEVICE_FLAGS_CXL);
}

/* Guards: main.c open_memory(), both regions, once */
TEST_F(cxl, num_regions)
{
	union info_buf b;

	ASSERT_EQ(0, get_info(&self->dev, &b, sizeof(b)));
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS + 2, b.info.num_regions);
	EXPECT_EQ(VFIO_PCI_NUM_IRQS, b.info.num_irqs);
}

/* Guards: ops.c vfio_cxl_get_info(), the fields of the capability */
TEST_F(cxl, capability)
{
	struct vfio_device_info_cap_cxl *cap;
	__u32 hw, flags = VFIO_CXL_CAP_FIRMWARE_COMMITTED;
	union info_buf b;

	ASSERT_EQ(0, get_info(&self->dev, &b, sizeof(b)));
	cap = vfio_cxl_cap(&b, sizeof(b), b.info.cap_offset, 6);
	ASSERT_NE(NULL, cap);
	EXPECT_EQ(1, cap->header.version);

	vfio_cxl_xhost_config(vfio_cxl_bdf, &hw,
			      vfio_cxl_dvsec(&self->dev, PCI_DVSEC_CXL_DEVICE) +
			      PCI_DVSEC_HEADER2, sizeof(hw));
	if (hw >> 16 & DVSEC_CAP_CACHE)
		flags |= VFIO_CXL_CAP_CACHE_CAPABLE;
	EXPECT_EQ(flags, cap->flags);
	EXPECT_EQ(0, cap->reserved);
}

/*
 * The walk in vfio_cxl_cap() fails for a chain that leaves the buffer or has no
 * end.
 *
 * Guards: ops.c vfio_cxl_get_info(), cap.header.next and cap_offset
 */
TEST_F(cxl, chain)
{
	struct vfio_info_cap_header *h;
	unsigned int n = 0, ours = 0;
	union info_buf b;
	__u32 off, full;

	full = full_size(&self->dev);
	ASSERT_EQ(0, get_info(&self->dev, &b, sizeof(b)));
	vfio_cxl_cap(&b, full, b.info.cap_offset, 0);
	for (off = b.info.cap_offset; off; off = h->next) {
		EXPECT_LE(sizeof(b.info), off);
		h = (void *)&b.bytes[off];
		EXPECT_NE(0, h->version);
		ours += h->id == VFIO_DEVICE_INFO_CAP_CXL;
		n++;
	}
	EXPECT_LE(1, n);
	EXPECT_EQ(1, ours);
}

/* Guards: ops.c vfio_cxl_get_info(), "argsz < end + sizeof(cap)" */
TEST_F(cxl, argsz_too_small)
{
	__u32 full = full_size(&self->dev), argsz;
	union info_buf b;

	/* What is there without our capability, and that one */
	ASSERT_LE(sizeof(b.info) + sizeof(struct vfio_device_info_cap_cxl),
		  full);
	ASSERT_GT(sizeof(b), full);

	for (argsz = MINSZ; argsz < full; argsz++) {
		ASSERT_EQ(0, get_info(&self->dev, &b, argsz));
		ASSERT_EQ(full, b.info.argsz) TH_LOG("argsz %u", argsz);
		ASSERT_EQ(sizeof(b), first_written(&b, argsz)) {
			TH_LOG("byte %zu written, argsz is %u",
			       first_written(&b, argsz), argsz);
		}
		EXPECT_NE(0, b.info.flags & VFIO_DEVICE_FLAGS_CAPS);
		EXPECT_NE(0, b.info.flags & VFIO_DEVICE_FLAGS_CXL);
		EXPECT_EQ(VFIO_PCI_NUM_REGIONS + 2, b.info.num_regions);
		if (argsz >= CAPSZ)
			ASSERT_EQ(0, b.info.cap_offset);
	}
}

/* Guards: ops.c vfio_cxl_get_info(), the same condition from above */
TEST_F(cxl, argsz_exact)
{
	__u32 full = full_size(&self->dev), argsz;
	union info_buf b;

	for (argsz = full; argsz < full + 16; argsz++) {
		ASSERT_EQ(0, get_info(&self->dev, &b, argsz));
		EXPECT_EQ(argsz, b.info.argsz);
		EXPECT_NE(0, b.info.cap_offset);
		ASSERT_NE(NULL, vfio_cxl_cap(&b, argsz, b.info.cap_offset,
					     VFIO_DEVICE_INFO_CAP_CXL));
		EXPECT_EQ(sizeof(b), first_written(&b, full));
	}
}

/* Guards: ops.c vfio_cxl_get_info(), "argsz < minsz" and the copy before it */
TEST_F(cxl, argsz_invalid)
{
	union info_buf b;
	__u32 argsz;

	for (argsz = 0; argsz < MINSZ; argsz++) {
		EXPECT_EQ(-EINVAL, get_info(&self->dev, &b, argsz));
		EXPECT_EQ(argsz, b.info.argsz);
		EXPECT_EQ(sizeof(b), first_written(&b, 4));
	}
	EXPECT_EQ(-1, ioctl(self->dev.fd, VFIO_DEVICE_GET_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
}

/*
 * What is refused changes nothing: the eventfd that was set still tells.
 *
 * Guards: gate.c vfio_cxl_gate_feature(), gate_set_eventfd(), gate_get()
 */
TEST_F(cxl, memory_feature)
{
	struct vfio_device_feature_cxl_mem mem, bad[] = {
		{ .reasons = 1, .eventfd = -1 },
		{ .closures = 1, .eventfd = -1 },
		{ .eventfd = -2 },
	};
	struct vfio_cxl_dev *dev = &self->dev;
	int efd = eventfd(0, EFD_NONBLOCK), null = open("/dev/null", O_RDWR);
	__u64 told = 0;
	unsigned int i;

	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	EXPECT_EQ(0, mem.reasons);
	EXPECT_EQ(0, mem.closures);
	EXPECT_EQ(-1, mem.eventfd);
	ASSERT_EQ(0, vfio_cxl_mem_set(dev, efd));

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, vfio_cxl_mem_feature(dev, VFIO_DEVICE_FEATURE_SET, &bad[i]));
	EXPECT_EQ(-EINVAL, vfio_cxl_mem_set(dev, null));
	close(null);
	EXPECT_EQ(-EBADF, vfio_cxl_mem_set(dev, null));

	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(8, read(efd, &told, 8));
	EXPECT_LT(0, told);
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	EXPECT_EQ(0, mem.reasons);
	EXPECT_LT(0, mem.closures);

	/* Told no more */
	ASSERT_EQ(0, vfio_cxl_mem_set(dev, -1));
	ASSERT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(-1, read(efd, &told, 8));
	close(efd);
}

FIXTURE(uncommitted) {
	struct vfio_cxl_dev dev;
};

FIXTURE_SETUP(uncommitted)
{
	if (!vfio_cxl_uncommitted_bdf)
		SKIP(return, "no PCI address in VFIO_CXL_UNCOMMITTED_BDF");
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_uncommitted_bdf));
}

FIXTURE_TEARDOWN(uncommitted)
{
	vfio_cxl_close(&self->dev);
}

/*
 * Guards: main.c vfio_cxl_open_device(), "if (cxl->committed)"; ops.c
 * vfio_cxl_get_info(), the flag
 */
TEST_F(uncommitted, info)
{
	struct vfio_device_info_cap_cxl *cap;
	union info_buf b;

	ASSERT_EQ(0, get_info(&self->dev, &b, sizeof(b)));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_CXL, b.info.flags & VFIO_DEVICE_FLAGS_CXL);
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS, b.info.num_regions);
	cap = vfio_cxl_cap(&b, sizeof(b), b.info.cap_offset,
			   VFIO_DEVICE_INFO_CAP_CXL);
	ASSERT_NE(NULL, cap);
	EXPECT_EQ(0, cap->flags & ~VFIO_CXL_CAP_CACHE_CAPABLE);
	EXPECT_EQ(0, cap->reserved);
}

/*
 * There is no COMP_REGS region to say where the registers are, and they are
 * hidden all the same: the user must not commit the physical decoder.
 *
 * Guards: comp_bar.c vfio_cxl_bar_rw(); ops.c vfio_cxl_mmap()
 */
TEST_F(uncommitted, registers_are_hidden)
{
	__u32 hw[VFIO_CXL_PAGE_SIZE / 4], now[VFIO_CXL_PAGE_SIZE / 4], lo, i;
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_REG_LOCATOR);

	/* The component registers come first in the locator of every device. */
	lo = vfio_cxl_xget(dev, &dev->cfg,
			   pos + PCI_DVSEC_CXL_REG_LOCATOR_BLOCK1, 4);
	ASSERT_EQ(1, lo >> 8 & 0xff);
	ASSERT_EQ(0, vfio_cxl_region_info(dev, lo & 7, &dev->bar));
	dev->page = (lo & 0xffff0000) + 0x1000;

	EXPECT_EQ(MAP_FAILED, vfio_cxl_mmap(dev, &dev->bar, dev->page, SZ_4K));
	vfio_cxl_xhost_page(dev, hw);
	for (i = 0; i < VFIO_CXL_PAGE_SIZE; i += 4) {
		/* RAS, the only one that is passed through, is left alone. */
		if ((hw[i / 4] & 0xffff) == CM_CAP_HDM)
			dev->hdm = hw[i / 4] >> 20;
		if (dev->hdm && i >= dev->hdm && i < dev->hdm + 0x30)
			vfio_cxl_xput(dev, &dev->bar, dev->page + i, 4, ~0U);
	}
	ASSERT_NE(0, dev->hdm);
	vfio_cxl_xhost_page(dev, now);
	EXPECT_EQ(0, memcmp(hw, now, sizeof(hw)));
}

/* Guards: gate.c vfio_cxl_gate_feature() */
TEST_F(uncommitted, no_memory_feature)
{
	struct vfio_device_feature_cxl_mem mem;

	EXPECT_EQ(-ENOTTY, vfio_cxl_mem_get(&self->dev, &mem));
	EXPECT_EQ(-ENOTTY, vfio_cxl_mem_set(&self->dev, -1));
}

/*
 * Guards: reset.c reset_over(), the return before the decoder that is not there is
 * restored
 */
TEST_F(uncommitted, reset)
{
	EXPECT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_RESET));
	vfio_cxl_close(&self->dev);
	EXPECT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_uncommitted_bdf));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
