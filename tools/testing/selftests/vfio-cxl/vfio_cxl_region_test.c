// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two regions of a CXL device, and the hole that one of them makes in its
 * BAR: how they are found, and what may be mapped.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define RW	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

/* The hole in the BAR: the register page, in whole pages of the CPU */
static __u64 hole_start(struct vfio_cxl_dev *dev)
{
	return dev->page / sysconf(_SC_PAGESIZE) * sysconf(_SC_PAGESIZE);
}

static __u64 hole_end(struct vfio_cxl_dev *dev)
{
	return hole_start(dev) + sysconf(_SC_PAGESIZE);
}

/*
 * The flags are the same where the kernel would not survive poison that it reads.
 *
 * Guards: region.c dpa_rw(), -EOPNOTSUPP
 */
TEST_F(cxl, file_refused_without_copy_mc)
{
	struct vfio_cxl_dev *dev = &self->dev;
	struct utsname name;
	char byte = 0;
	int rc;

	ASSERT_EQ(0, uname(&name));
	rc = strcmp(name.machine, "aarch64") ? 1 : -EOPNOTSUPP;
	EXPECT_EQ(rc, vfio_cxl_read(dev, &dev->dpa, 0, &byte, 1));
	EXPECT_EQ(rc, vfio_cxl_write(dev, &dev->dpa, 0, &byte, 1));
}

/*
 * Guards: region.c vfio_cxl_register_dpa() and comp_regs.c
 * vfio_cxl_register_comp_regs(), type, subtype, size, flags
 */
TEST_F(cxl, by_type)
{
	struct vfio_region_info_cap_type *type;
	unsigned int i, dpa = 0, regs = 0;
	struct vfio_cxl_region r;

	EXPECT_EQ(0x80000000 | 0x1e98, VFIO_REGION_TYPE_CXL);
	for (i = VFIO_PCI_NUM_REGIONS; i < VFIO_PCI_NUM_REGIONS + 2; i++) {
		ASSERT_EQ(0, vfio_cxl_region_info(&self->dev, i, &r));
		EXPECT_NE(0, r.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
		type = vfio_cxl_region_cap(&r, VFIO_REGION_INFO_CAP_TYPE);
		ASSERT_NE(NULL, type);
		EXPECT_EQ(VFIO_REGION_TYPE_CXL, type->type);
		r.info.flags &= ~VFIO_REGION_INFO_FLAG_CAPS;
		switch (type->subtype) {
		case VFIO_REGION_SUBTYPE_CXL:
			dpa++;
			EXPECT_EQ(RW | VFIO_REGION_INFO_FLAG_MMAP, r.info.flags);
			EXPECT_NE(0, r.info.size);
			EXPECT_EQ(0, r.info.size % SZ_256M);
			break;
		case VFIO_REGION_SUBTYPE_CXL_COMP_REGS:
			regs++;
			EXPECT_EQ(RW, r.info.flags);
			EXPECT_EQ(VFIO_CXL_PAGE_SIZE, r.info.size);
			break;
		default:
			ASSERT_EQ(0, type->subtype);
		}
	}
	EXPECT_EQ(1, dpa);
	EXPECT_EQ(1, regs);
	EXPECT_EQ(-EINVAL, vfio_cxl_region_info(&self->dev, i, &r));
}

/* Guards: region.c vfio_cxl_register_dpa(), the committed size */
TEST_F(cxl, dpa_size)
{
	__u32 page[VFIO_CXL_PAGE_SIZE / 4], *dec;

	vfio_cxl_xhost_page(&self->dev, page);
	dec = &page[self->dev.hdm / 4];
	EXPECT_EQ(dec[HDM_SIZE_LO(0) / 4] |
		  (__u64)dec[HDM_SIZE_HI(0) / 4] << 32,
		  self->dev.dpa.info.size);
	EXPECT_NE(0, dec[HDM_CTRL(0) / 4] & HDM_CTRL_COMMITTED);
}

/*
 * Guards: comp_regs.c comp_regs_add_capability(); probe.c find_comp_regs().
 * The Register Locator DVSEC and the capability array know it too.
 */
TEST_F(cxl, comp_regs_cap)
{
	struct vfio_region_info_cap_cxl_comp_regs *cap;
	__u32 hdr, len, pos, lo, hi, off, found = 0;
	struct vfio_cxl_dev *dev = &self->dev;

	cap = vfio_cxl_region_cap(&dev->regs, 6);
	ASSERT_NE(NULL, cap);
	EXPECT_EQ(1, cap->header.version);

	pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_REG_LOCATOR);
	ASSERT_NE(0, pos);
	hdr = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_DVSEC_HEADER1, 4);
	len = PCI_DVSEC_HEADER1_LEN(hdr);
	for (off = PCI_DVSEC_CXL_REG_LOCATOR_BLOCK1; off < len; off += 8) {
		lo = vfio_cxl_xget(dev, &dev->cfg, pos + off, 4);
		hi = vfio_cxl_xget(dev, &dev->cfg, pos + off + 4, 4);
		if ((lo >> 8 & 0xff) != 1)
			continue;
		found++;
		EXPECT_EQ(lo & 7, cap->bar);
		EXPECT_EQ(((__u64)hi << 32 | (lo & 0xffff0000)) + 0x1000,
			  cap->offset);
	}
	EXPECT_EQ(1, found);

	/* The page starts with the CXL.cache and CXL.mem capability itself. */
	EXPECT_EQ(1, vfio_cxl_xget(dev, &dev->regs, 0, 4) & 0xffff);
	EXPECT_EQ(cap->hdm_offset, vfio_cxl_cm_cap(dev, CM_CAP_HDM));
	EXPECT_NE(0, cap->hdm_offset);
	EXPECT_LE(cap->offset + VFIO_CXL_PAGE_SIZE, dev->bar.info.size);
}

/* Guards: comp_bar.c vfio_cxl_add_sparse_cap(), hole_start(), hole_end() */
TEST_F(cxl, sparse_areas)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 end = 0, hole = 0, off;
	unsigned int i;

	ASSERT_NE(0, dev->bar.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	sparse = vfio_cxl_region_cap(&dev->bar,
				     VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	EXPECT_EQ(1, sparse->header.version);
	for (i = 0; i <= sparse->nr_areas; i++) {
		off = i < sparse->nr_areas ? sparse->areas[i].offset :
					     dev->bar.info.size;
		ASSERT_LE(end, off);
		if (end < off) {
			hole++;
			EXPECT_EQ(hole_start(dev), end);
			EXPECT_EQ(hole_end(dev), off);
		}
		if (i < sparse->nr_areas) {
			EXPECT_NE(0, sparse->areas[i].size);
			end = off + sparse->areas[i].size;
		}
	}
	EXPECT_EQ(1, hole);
}

/* Guards: ops.c vfio_cxl_mmap(); comp_bar.c vfio_cxl_overlaps_comp_regs() */
TEST_F(cxl, hole_cannot_be_mapped)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 ps = sysconf(_SC_PAGESIZE), start = hole_start(dev);
	__u64 end = hole_end(dev);
	struct { __u64 off, len; } bad[] = {
		{ start, end - start },
		{ 0, dev->bar.info.size },
		{ start, dev->bar.info.size - start },
		{ 0, end },
		{ start - ps, 2 * ps },
		{ start, 2 * ps },
		{ start - ps, 3 * ps },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (bad[i].off + bad[i].len > dev->bar.info.size)
			continue;
		EXPECT_EQ(MAP_FAILED, vfio_cxl_mmap(dev, &dev->bar, bad[i].off,
						    bad[i].len)) {
			TH_LOG("mapped %#llx bytes at %#llx",
			       bad[i].len, bad[i].off);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(MAP_FAILED, vfio_cxl_mmap(dev, &dev->regs, 0, ps));
	EXPECT_EQ(EINVAL, errno);
}

/* The MSI-X table is not what a mapping and a read can agree on. */
static bool in_msix(struct vfio_cxl_dev *dev, __u64 off)
{
	__u16 pos = vfio_cxl_cap_pos(dev, PCI_CAP_ID_MSIX);
	__u32 table, nr;

	if (!pos)
		return false;
	table = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_MSIX_TABLE, 4);
	nr = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_MSIX_FLAGS, 2);
	nr = (nr & PCI_MSIX_FLAGS_QSIZE) + 1;
	if ((table & PCI_MSIX_TABLE_BIR) != dev->bar.info.index)
		return false;
	table &= PCI_MSIX_TABLE_OFFSET;
	return off + 4 > table && off < table + 16 * nr;
}

/*
 * Guards: comp_bar.c vfio_cxl_map_comp_bar(), without which the BAR can be
 * neither read nor mapped; vfio_cxl_bar_rw(), all that is not in the page
 */
TEST_F(cxl, areas_can_be_mapped)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int i, compared = 0;
	__u32 before, after, mapped;
	__u64 off;
	char *p;

	sparse = vfio_cxl_region_cap(&dev->bar,
				     VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	for (i = 0; i < sparse->nr_areas; i++) {
		p = vfio_cxl_mmap(dev, &dev->bar, sparse->areas[i].offset,
				  sparse->areas[i].size);
		ASSERT_NE(MAP_FAILED, p);
		for (off = 0; off < sparse->areas[i].size; off += SZ_4K) {
			__u64 at = sparse->areas[i].offset + off;

			if (in_msix(dev, at))
				continue;
			before = vfio_cxl_xget(dev, &dev->bar, at, 4);
			mapped = __atomic_load_n((__u32 *)(p + off),
						 __ATOMIC_RELAXED);
			after = vfio_cxl_xget(dev, &dev->bar, at, 4);
			if (before != after)
				continue;
			EXPECT_EQ(before, mapped) TH_LOG("at %#llx", at);
			compared++;
		}
		munmap(p, sparse->areas[i].size);
	}
	EXPECT_NE(0, compared);
}

/*
 * Guards: comp_bar.c vfio_cxl_bar_rw(), "if (off < cxl->page)": a read from
 * before the page stops at it
 */
TEST_F(cxl, bar_read_stops_at_page)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u8 buf[64];

	memset(buf, 0xa5, sizeof(buf));
	EXPECT_EQ(16, vfio_cxl_read(dev, &dev->bar, dev->page - 16, buf,
				    sizeof(buf)));
	EXPECT_EQ(0xa5, buf[16]);
	EXPECT_EQ(0xa5, buf[63]);
}

static int dma_buf(struct vfio_cxl_dev *dev, __u32 index, unsigned int nr,
		   __u64 off0, __u64 len0, __u64 off1, __u64 len1)
{
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_dma_buf d;
		struct vfio_region_dma_range r[2];
	} arg = {
		.f.argsz = sizeof(arg),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_DMA_BUF,
		.d.region_index = index,
		.d.open_flags = O_RDWR | O_CLOEXEC,
		.d.nr_ranges = nr,
		.r = { { off0, len0 }, { off1, len1 } },
	};
	int fd = ioctl(dev->fd, VFIO_DEVICE_FEATURE, &arg.f);

	return fd < 0 ? -errno : fd;
}

/* Guards: dmabuf.c vfio_cxl_get_dmabuf_phys() */
TEST_F(cxl, dma_buf_not_of_page)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 ps = sysconf(_SC_PAGESIZE), hole = hole_start(dev);
	__u64 good = hole ? 0 : hole_end(dev);
	__u32 bar = dev->bar.info.index;
	int fd;

	fd = dma_buf(dev, bar, 1, good, ps, 0, 0);
	if (fd == -EOPNOTSUPP || fd == -ENOTTY)
		SKIP(return, "no dma-buf export in this kernel");
	/* Or else what follows would prove nothing */
	ASSERT_LE(0, fd) TH_LOG("export of a good page: %d", fd);
	close(fd);

	EXPECT_EQ(-EINVAL, dma_buf(dev, bar, 1, hole, ps, 0, 0));
	EXPECT_EQ(-EINVAL, dma_buf(dev, bar, 1, 0, dev->bar.info.size, 0, 0));
	EXPECT_EQ(-EINVAL, dma_buf(dev, bar, 2, good, ps, hole, ps));
	EXPECT_EQ(-EINVAL, dma_buf(dev, bar, 1, hole, 2 * ps, 0, 0));
	EXPECT_EQ(-ENODEV, dma_buf(dev, dev->regs.info.index, 1, 0, ps, 0, 0));
}

/* Guards: ops.c vfio_cxl_ioctl(), VFIO_DEVICE_IOEVENTFD */
TEST_F(cxl, ioeventfd_not_on_page)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 width, page[VFIO_CXL_PAGE_SIZE / 4], now[VFIO_CXL_PAGE_SIZE / 4];
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg),
		.offset = dev->bar.info.offset + dev->page + dev->hdm +
			  HDM_BASE_LO(0),
		.data = 0xf0000000,
	};
	__u64 one = 1;

	vfio_cxl_xhost_page(dev, page);
	for (width = VFIO_DEVICE_IOEVENTFD_8;
	     width <= VFIO_DEVICE_IOEVENTFD_64; width <<= 1) {
		arg.flags = width;
		arg.fd = eventfd(0, EFD_CLOEXEC);
		ASSERT_LE(0, arg.fd);
		EXPECT_EQ(-1, ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD, &arg));
		EXPECT_EQ(ENOTTY, errno);
		ASSERT_EQ(sizeof(one), write(arg.fd, &one, sizeof(one)));
		close(arg.fd);
	}
	vfio_cxl_xhost_page(dev, now);
	EXPECT_EQ(0, memcmp(page, now, sizeof(page)));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
