// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA to device memory: dma-bufs of the DPA region in an iommufd IOAS, when they
 * are revoked, and that what was mapped for one tenant reaches nothing of the
 * next. What moves bytes is the engine of the emulated device.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"
#include "vfio_cxl_dma.h"

#define IOVA			0x40000000ULL
#define LEN			SZ_2M

FIXTURE(dma) {
	struct vfio_cxl_dev dev;
	__u32 ioas;
	struct vfio_cxl_region engine;
};

/* Open the device, with an IOAS; a reason why the test cannot be, or NULL */
static const char *prepare(struct vfio_cxl_dev *dev, __u32 *ioas,
			   struct vfio_cxl_region *engine)
{
	int fd;

	if (vfio_cxl_open(dev, vfio_cxl_bdf) || !dev->dpa.info.size)
		ksft_exit_fail_msg("%s cannot be opened, or has no memory\n", vfio_cxl_bdf);
	if (make_ioas(dev, ioas))
		ksft_exit_fail_msg("no IOAS: %s\n", strerror(errno));
	fd = export(dev, dev->dpa.info.index, 0, LEN, 0, 0);
	if (fd == -EOPNOTSUPP || fd == -ENOTTY)
		return "kernel without CONFIG_VFIO_PCI_DMABUF";
	if (fd < 0)
		ksft_exit_fail_msg("no dma-buf of the memory: %s\n", strerror(-fd));
	close(fd);
	if (vfio_cxl_region_info(dev, ENGINE_BAR, engine) || !engine->info.size)
		return "device has no engine";
	bus_master(dev);
	return NULL;
}

FIXTURE_SETUP(dma)
{
	const char *why = prepare(&self->dev, &self->ioas, &self->engine);

	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN(dma)
{
	vfio_cxl_close(&self->dev);
}

/* Guards: dmabuf.c dmabuf_make(), vfio_cxl_get_dmabuf_phys() */
TEST_F(dma, ranges)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 dpa = dev->dpa.info.index, regs = dev->regs.info.index;
	__u64 size = dev->dpa.info.size;
	int fd;

	fd = export(dev, dpa, 0, size, 0, 0);
	EXPECT_LE(0, fd);
	EXPECT_EQ(size, lseek(fd, 0, SEEK_END));
	close(fd);
	fd = export(dev, dpa, size - SZ_4K, SZ_4K, 0, SZ_4K);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EINVAL, export(dev, dpa, 0, size + SZ_4K, 0, 0));
	EXPECT_EQ(-EINVAL, export(dev, dpa, size, SZ_4K, 0, 0));
	EXPECT_EQ(-EINVAL, export(dev, dpa, 0, SZ_4K, size, SZ_4K));
	EXPECT_EQ(-EINVAL, export(dev, dpa, 8, SZ_4K, 0, 0));
	EXPECT_EQ(-EINVAL, export(dev, dpa, 0, 8, 0, 0));
	EXPECT_GT(0, export(dev, dpa, -SZ_4K, 2 * SZ_4K, 0, 0));
	EXPECT_GT(0, export(dev, dpa, 1ULL << 40, SZ_4K, 0, 0));
	/* The register page leaves by no index. */
	EXPECT_EQ(-ENODEV, export(dev, regs, 0, SZ_4K, 0, 0));
	EXPECT_EQ(-EINVAL, export(dev, dev->bar.info.index, dev->page, SZ_4K, 0, 0));
	EXPECT_EQ(-ENODEV, export(dev, 200, 0, SZ_4K, 0, 0));
}

/*
 * The device reads and writes its own memory by the address in the IOAS. By the
 * user's address the memory is not to be mapped.
 *
 * Guards: dmabuf.c vfio_cxl_get_dmabuf_phys(); region.c dpa_vm_flags()
 */
TEST_F(dma, content)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, 4 * LEN, SZ_2M, 0);
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = self->ioas, .user_va = (__u64)p, .length = LEN,
		.iova = 2 * IOVA,
	};
	int fd = export(dev, dev->dpa.info.index, 0, 4 * LEN, 0, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_file(dev, self->ioas, fd, 0, 4 * LEN, IOVA));
	vfio_cxl_fill(p, LEN, 61);
	/* out by DMA to DPA LEN, and in by DMA from there to 2 * LEN */
	EXPECT_TRUE(engine_copy(dev, &self->engine, ENGINE_COPY_OUT, 0, IOVA + LEN, LEN));
	EXPECT_TRUE(vfio_cxl_same(p + LEN, LEN, 61));
	EXPECT_TRUE(engine_copy(dev, &self->engine, ENGINE_COPY_IN, IOVA + LEN, 2 * LEN, LEN));
	EXPECT_TRUE(vfio_cxl_same(p + 2 * LEN, LEN, 61));

	EXPECT_EQ(-1, ioctl(dev->iommu, IOMMU_IOAS_MAP, &map));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

enum cause {
	BY_DEVICE_RESET, BY_CXL_RESET, BY_FLR, BY_D3HOT, BY_SYSFS, BY_MEMORY_SPACE,
};

FIXTURE(event) {
	struct vfio_cxl_dev dev;
	__u32 ioas;
	struct vfio_cxl_region engine;
};

FIXTURE_VARIANT(event) {
	enum cause by;
};

FIXTURE_VARIANT_ADD(event, device_reset) { .by = BY_DEVICE_RESET };
FIXTURE_VARIANT_ADD(event, cxl_reset) { .by = BY_CXL_RESET };
FIXTURE_VARIANT_ADD(event, flr) { .by = BY_FLR };
FIXTURE_VARIANT_ADD(event, d3hot) { .by = BY_D3HOT };
FIXTURE_VARIANT_ADD(event, sysfs) { .by = BY_SYSFS };
FIXTURE_VARIANT_ADD(event, memory_space) { .by = BY_MEMORY_SPACE };

FIXTURE_SETUP(event)
{
	const char *why;

	why = prepare(&self->dev, &self->ioas, &self->engine);
	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN(event)
{
	vfio_cxl_close(&self->dev);
}

static bool cause(struct vfio_cxl_dev *dev, enum cause by)
{
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);
	__u16 pm = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM);
	bool ok;
	int fd;

	switch (by) {
	case BY_DEVICE_RESET:
		return !ioctl(dev->fd, VFIO_DEVICE_RESET);
	case BY_CXL_RESET:
		if (!(vfio_cxl_xget(dev, &dev->cfg, dvsec + DVSEC_CAP, 2) & DVSEC_CAP_RESET))
			return false;
		vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_CTRL2, 2, DVSEC_CTRL2_RESET);
		return !vfio_cxl_mem_wait(dev);
	case BY_FLR:
		return vfio_cxl_guest_flr(dev);
	case BY_D3HOT:
		if (!pm)
			return false;
		vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 3);
		vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 0);
		return !vfio_cxl_mem_wait(dev);
	case BY_SYSFS:
		fd = vfio_cxl_xhost_open(dev->bdf, "reset", O_WRONLY);
		ok = write(fd, "1", 1) == 1;
		close(fd);
		return ok;
	case BY_MEMORY_SPACE:
		vfio_cxl_memory_space(dev, false);
		vfio_cxl_memory_space(dev, true);
		return true;
	}
	return false;
}

/*
 * Each event takes the mapping away, for good; after it the memory can be mapped
 * again, by the same dma-buf.
 *
 * Guards: gate.c vfio_cxl_gate_flush(), vfio_cxl_gate_tell_revoked(); dmabuf.c
 * vfio_cxl_dmabuf_revoke()
 */
TEST_F(event, revokes)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, 2 * LEN, SZ_2M, 0);
	int fd = export(dev, dev->dpa.info.index, LEN, LEN, 0, 0);
	struct vfio_device_feature_cxl_mem before, after;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &before));
	ASSERT_EQ(0, map_file(dev, self->ioas, fd, 0, LEN, IOVA));
	vfio_cxl_fill(p, LEN, 63);
	ASSERT_TRUE(engine_copy(dev, &self->engine, ENGINE_COPY_OUT, 0, IOVA, LEN));
	EXPECT_TRUE(vfio_cxl_same(p + LEN, LEN, 63));

	if (!cause(dev, variant->by))
		SKIP(return, "device cannot do that");
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &after));
	EXPECT_LT(before.closures, after.closures);
	bus_master(dev);
	vfio_cxl_fill(p, LEN, 64);
	vfio_cxl_fill(p + LEN, LEN, 65);
	EXPECT_FALSE(engine_copy(dev, &self->engine, ENGINE_COPY_OUT, 0, IOVA, LEN));
	EXPECT_TRUE(vfio_cxl_same(p + LEN, LEN, 65));

	EXPECT_EQ(0, unmap(dev, self->ioas, LEN, IOVA));
	ASSERT_EQ(0, map_file(dev, self->ioas, fd, 0, LEN, IOVA));
	EXPECT_TRUE(engine_copy(dev, &self->engine, ENGINE_COPY_OUT, 0, IOVA, LEN));
	EXPECT_TRUE(vfio_cxl_same(p + LEN, LEN, 64));
	close(fd);
}

/*
 * Closing the device ends it: neither the mapping nor the dma-buf that is left
 * lead anywhere for the next user.
 *
 * Guards: dmabuf.c vfio_cxl_dmabuf_close(); main.c vfio_cxl_close_device()
 */
TEST_F(dma, not_past_close)
{
	struct vfio_cxl_dev *dev = &self->dev;
	int fd = export(dev, dev->dpa.info.index, 0, LEN, 0, 0);
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_file(dev, self->ioas, fd, 0, LEN, IOVA));
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	ASSERT_EQ(0, make_ioas(dev, &self->ioas));
	p = vfio_cxl_xmap_dpa(dev, 0, LEN, SZ_2M, 0);
	vfio_cxl_fill(p, LEN, 67);
	EXPECT_GT(0, map_file(dev, self->ioas, fd, 0, LEN, IOVA));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 67));
	close(fd);
}

/* How many dma-bufs the host has, whoever made them; -1 when it does not tell */
static long nr_dmabufs(void)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256];
	long nr = -1;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Total %ld objects", &nr);
	if (f)
		fclose(f);
	return nr;
}

/*
 * The driver lets go of a dma-buf that the user has closed when it next makes
 * one, and of all when the device is closed.
 *
 * Guards: dmabuf.c dmabuf_track(), vfio_cxl_dmabuf_close()
 */
TEST_F(dma, none_is_left_behind)
{
	struct vfio_cxl_dev *dev = &self->dev;
	long nr = nr_dmabufs();
	unsigned int i;
	int fd;

	if (nr < 0)
		SKIP(return, "kernel does not list its dma-bufs");
	for (i = 0; i < 10; i++) {
		fd = export(dev, dev->dpa.info.index, 0, LEN, 0, 0);
		ASSERT_LE(0, fd);
		/* It replaces the one that the fixture made, or the last turn. */
		EXPECT_EQ(nr, nr_dmabufs());
		close(fd);
	}
	vfio_cxl_close(dev);
	EXPECT_EQ(nr - 1, nr_dmabufs());
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
}

/*
 * An engine that still works at close, and that no FLR stops, writes nothing into
 * the next tenancy.
 *
 * Guards: main.c clear_memory(), vfio_cxl_close_device()
 */
TEST_F(dma, engine_across_close)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	char *p;

	if (!vfio_cxl_emulate("x-engine-survives-flr", "on"))
		SKIP(return, "needs an emulated device");
	ASSERT_TRUE(vfio_cxl_emulate("x-engine-delay", "20"));
	vfio_cxl_xput(dev, &self->engine, ENGINE_VALUE, 8, ~0ULL);
	vfio_cxl_xput(dev, &self->engine, ENGINE_DST, 8, 0);
	vfio_cxl_xput(dev, &self->engine, ENGINE_LENGTH, 8, size);
	vfio_cxl_xput(dev, &self->engine, ENGINE_COMMAND, 4, ENGINE_FILL);
	usleep(200000);
	ASSERT_EQ(0, vfio_cxl_xget(dev, &self->engine, ENGINE_STATUS, 4) &
		     (ENGINE_DONE | ENGINE_ERROR));
	vfio_cxl_close(dev);

	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
	usleep(500000);
	EXPECT_TRUE(vfio_cxl_zero(p, size));
	vfio_cxl_emulate("x-engine-survives-flr", "off");
	vfio_cxl_emulate("x-engine-delay", "0");
}

struct race {
	struct vfio_cxl_dev *dev;
	__u32 ioas;
	bool stop;
	unsigned long maps;
};

static void *map_and_unmap(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		int fd = export(r->dev, r->dev->dpa.info.index, 0, LEN, 0, 0);

		if (fd >= 0 && !map_file(r->dev, r->ioas, fd, 0, LEN, IOVA))
			r->maps++;
		unmap(r->dev, r->ioas, LEN, IOVA);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

/* Guards: the lock order in priv.h, of memory_lock, dmabuf.lock and dma_resv */
TEST_F_TIMEOUT(event, races_with_maps, 300)
{
	struct race r = { .dev = &self->dev, .ioas = self->ioas };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, map_and_unmap, &r));
	for (i = 0; i < 5; i++) {
		cause(&self->dev, variant->by);
		usleep(20000);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%lu maps", r.maps);
	EXPECT_NE(0, r.maps);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
