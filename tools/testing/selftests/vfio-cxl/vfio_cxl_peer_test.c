// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices of one user, of which one goes to another user: by what the first
 * user mapped, the device that stayed behind reaches nothing of the next one.
 * VFIO_CXL_PEER_BDF names the second device, which is the one that stays.
 */
#include <string.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"
#include "vfio_cxl_dma.h"

#define IOVA	0x40000000ULL
#define LEN	SZ_2M
#define UNSAFE	"/sys/module/vfio_cxl_pci/parameters/unsafe_type1_dma"

/* Contents: of the first user, of the next one, and what a DMA is to leave alone */
#define FIRST	81
#define NEXT	83
#define LEFT	85

FIXTURE(peer) {
	struct vfio_cxl_dev goes, stays;
	struct vfio_cxl_region engine;
	char *stays_mem;
};

FIXTURE_SETUP(peer)
{
	const char *bdf = getenv("VFIO_CXL_PEER_BDF");

	if (!bdf || !*bdf)
		SKIP(return, "VFIO_CXL_PEER_BDF names no device");
	self->stays.bdf = bdf;
	self->goes.bdf = vfio_cxl_bdf;
	self->goes.fd = -1;
	self->stays.fd = -1;
}

/* The parameter is the module's: put it back, whatever became of the test. */
FIXTURE_TEARDOWN_PARENT(peer)
{
	if (!access(UNSAFE, W_OK))
		vfio_cxl_write_file(UNSAFE, "0");
}

/* The device that stays has an engine, and memory that is mapped, at DPA 0. */
static const char *use_peer(struct vfio_cxl_dev *dev, struct vfio_cxl_region *engine,
			    char **mem)
{
	if (!dev->dpa.info.size)
		return "the device in VFIO_CXL_PEER_BDF has no memory";
	if (vfio_cxl_region_info(dev, ENGINE_BAR, engine) || !engine->info.size)
		return "device has no engine";
	bus_master(dev);
	*mem = vfio_cxl_xmap_dpa(dev, 0, LEN, SZ_2M, 0);
	return NULL;
}

/* By its mapping the device that stays reads and writes the other one's memory. */
static void expect_reached(struct __test_metadata *_metadata, struct vfio_cxl_dev *dev,
			   struct vfio_cxl_region *engine, char *mem, char *theirs)
{
	vfio_cxl_fill(theirs, LEN, FIRST);
	vfio_cxl_fill(mem, LEN, LEFT);
	EXPECT_TRUE(engine_copy(dev, engine, ENGINE_COPY_IN, IOVA, 0, LEN));
	EXPECT_TRUE(vfio_cxl_same(mem, LEN, FIRST));
	vfio_cxl_fill(mem, LEN, LEFT);
	EXPECT_TRUE(engine_copy(dev, engine, ENGINE_COPY_OUT, 0, IOVA, LEN));
	EXPECT_TRUE(vfio_cxl_same(theirs, LEN, LEFT));
}

/* It does neither. */
static void expect_unreached(struct __test_metadata *_metadata, struct vfio_cxl_dev *dev,
			     struct vfio_cxl_region *engine, char *mem, char *theirs)
{
	vfio_cxl_fill(theirs, LEN, NEXT);
	vfio_cxl_fill(mem, LEN, LEFT);
	EXPECT_FALSE(engine_copy(dev, engine, ENGINE_COPY_IN, IOVA, 0, LEN));
	EXPECT_TRUE(vfio_cxl_same(mem, LEN, LEFT));
	EXPECT_FALSE(engine_copy(dev, engine, ENGINE_COPY_OUT, 0, IOVA, LEN));
	EXPECT_TRUE(vfio_cxl_same(theirs, LEN, NEXT));
}

static int attach_ioas(struct vfio_cxl_dev *dev, __u32 ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = ioas,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

/*
 * One IOAS: the mapping ends with the close of the device whose memory it is, and
 * for a moment with each of its resets.
 *
 * Guards: gate.c vfio_cxl_gate_flush(); dmabuf.c; main.c vfio_cxl_close_device()
 */
TEST_F(peer, iommufd)
{
	struct vfio_cxl_dev *goes = &self->goes, *stays = &self->stays, next;
	const char *why;
	__u32 ioas = 0;
	char *p;
	int fd;

	ASSERT_EQ(0, vfio_cxl_open(goes, goes->bdf));
	ASSERT_EQ(0, vfio_cxl_open_with(stays, stays->bdf, dup(goes->iommu)));
	why = use_peer(stays, &self->engine, &self->stays_mem);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, make_ioas(stays, &ioas));
	ASSERT_EQ(0, attach_ioas(goes, ioas));
	fd = export(goes, goes->dpa.info.index, 0, LEN, 0, 0);
	if (fd == -EOPNOTSUPP || fd == -ENOTTY)
		SKIP(return, "kernel without CONFIG_VFIO_PCI_DMABUF");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_file(goes, ioas, fd, 0, LEN, IOVA));
	p = vfio_cxl_xmap_dpa(goes, 0, LEN, SZ_2M, 0);
	expect_reached(_metadata, stays, &self->engine, self->stays_mem, p);

	ASSERT_EQ(0, ioctl(goes->fd, VFIO_DEVICE_RESET));
	expect_unreached(_metadata, stays, &self->engine, self->stays_mem, p);
	EXPECT_EQ(0, unmap(stays, ioas, LEN, IOVA));
	ASSERT_EQ(0, map_file(goes, ioas, fd, 0, LEN, IOVA));
	expect_reached(_metadata, stays, &self->engine, self->stays_mem, p);

	/* To another user, who shares nothing with the first */
	munmap(p, LEN);
	vfio_cxl_close(goes);
	ASSERT_EQ(0, vfio_cxl_open(&next, goes->bdf));
	p = vfio_cxl_xmap_dpa(&next, 0, LEN, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, LEN));
	expect_unreached(_metadata, stays, &self->engine, self->stays_mem, p);

	/* Nor by the dma-buf that was left over */
	unmap(stays, ioas, LEN, IOVA);
	EXPECT_GT(0, map_file(stays, ioas, fd, 0, LEN, IOVA));
	expect_unreached(_metadata, stays, &self->engine, self->stays_mem, p);
	close(fd);
	munmap(p, LEN);
	vfio_cxl_close(&next);
}

static int type1_map(struct vfio_cxl_dev *dev, void *p)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (__u64)p, .iova = IOVA, .size = LEN,
	};

	return ioctl(dev->iommu, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int type1_unmap(struct vfio_cxl_dev *dev)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u), .iova = IOVA, .size = LEN,
	};

	return ioctl(dev->iommu, VFIO_IOMMU_UNMAP_DMA, &u) ? -errno : 0;
}

/*
 * One type1 container: it would keep what it maps past the close, so it is to be
 * refused, and then nothing leads anywhere. Where the host's administrator opted
 * in it works, which shows that the refusal is what keeps the peer out; what it
 * maps is then the user's to unmap.
 *
 * Guards: region.c dpa_vm_flags()
 */
TEST_F(peer, type1)
{
	struct vfio_cxl_dev *goes = &self->goes, *stays = &self->stays, next;
	const char *why;
	char *p;

	if (access("/dev/vfio/vfio", R_OK | W_OK))
		SKIP(return, "no VFIO container in this kernel");
	ASSERT_EQ(0, vfio_cxl_open_group(goes, goes->bdf));
	ASSERT_EQ(0, vfio_cxl_open_container(stays, stays->bdf, dup(goes->iommu), false));
	why = use_peer(stays, &self->engine, &self->stays_mem);
	if (why)
		SKIP(return, "%s", why);

	if (vfio_cxl_has_pages(goes->bdf))
		SKIP(return, "with struct pages the parameter is looked at by bind");
	ASSERT_TRUE(vfio_cxl_write_file(UNSAFE, "1"));
	p = vfio_cxl_xmap_dpa(goes, 0, LEN, SZ_2M, 0);
	ASSERT_EQ(0, type1_map(stays, p));
	expect_reached(_metadata, stays, &self->engine, self->stays_mem, p);
	EXPECT_EQ(0, type1_unmap(stays));
	expect_unreached(_metadata, stays, &self->engine, self->stays_mem, p);
	munmap(p, LEN);

	ASSERT_TRUE(vfio_cxl_write_file(UNSAFE, "0"));
	p = vfio_cxl_xmap_dpa(goes, 0, LEN, SZ_2M, 0);
	EXPECT_EQ(0, vfio_cxl_touch(p, true));
	EXPECT_EQ(-EFAULT, type1_map(stays, p));
	munmap(p, LEN);
	vfio_cxl_close(goes);
	ASSERT_EQ(0, vfio_cxl_open(&next, goes->bdf));
	p = vfio_cxl_xmap_dpa(&next, 0, LEN, SZ_2M, 0);
	expect_unreached(_metadata, stays, &self->engine, self->stays_mem, p);
	munmap(p, LEN);
	vfio_cxl_close(&next);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
