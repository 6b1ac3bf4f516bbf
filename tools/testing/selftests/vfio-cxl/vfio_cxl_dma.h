/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA to device memory: dma-bufs, iommufd's address spaces, and the engine of the
 * emulated device, which moves the bytes. After vfio_cxl_lib.h.
 */
#ifndef VFIO_CXL_DMA_H
#define VFIO_CXL_DMA_H

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>

/* The engine's registers: docs/system/devices/cxl-type2.rst of QEMU */
#define ENGINE_BAR		2
#define ENGINE_SRC		0x20
#define ENGINE_DST		0x28
#define ENGINE_LENGTH		0x30
#define ENGINE_VALUE		0x38
#define ENGINE_COMMAND		0x40
#define  ENGINE_FILL		1
#define  ENGINE_COPY_OUT	2
#define  ENGINE_COPY_IN		3
#define ENGINE_STATUS		0x48
#define  ENGINE_DONE		2
#define  ENGINE_ERROR		4

static inline int make_ioas(struct vfio_cxl_dev *dev, __u32 *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

	if (ioctl(dev->iommu, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	*ioas = alloc.out_ioas_id;
	attach.pt_id = *ioas;
	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

/* A dma-buf of one or two pieces of a region; or -errno */
static inline int export(struct vfio_cxl_dev *dev, __u32 index, __u64 off, __u64 len,
			 __u64 off2, __u64 len2)
{
	__u64 buf[16] = {};
	struct vfio_device_feature *feature = (void *)buf;
	struct vfio_device_feature_dma_buf *get = (void *)feature->data;
	int fd;

	get->region_index = index;
	get->open_flags = O_RDWR | O_CLOEXEC;
	get->nr_ranges = len2 ? 2 : 1;
	get->dma_ranges[0].offset = off;
	get->dma_ranges[0].length = len;
	get->dma_ranges[1].offset = off2;
	get->dma_ranges[1].length = len2;
	feature->argsz = sizeof(*feature) + sizeof(*get) +
			 get->nr_ranges * sizeof(get->dma_ranges[0]);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	fd = ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature);
	if (fd < 0)
		fd = -errno;
	/* The argument is the caller's, and unchanged. */
	return get->region_index == index ? fd : -ENOTRECOVERABLE;
}

static inline int map_file(struct vfio_cxl_dev *dev, __u32 ioas, int fd, __u64 off,
			   __u64 len, __u64 iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = fd,
		.start = off,
		.length = len,
		.iova = iova,
	};

	return ioctl(dev->iommu, IOMMU_IOAS_MAP_FILE, &map) ? -errno : 0;
}

static inline int unmap(struct vfio_cxl_dev *dev, __u32 ioas, __u64 len, __u64 iova)
{
	struct iommu_ioas_unmap u = {
		.size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = len,
	};

	return ioctl(dev->iommu, IOMMU_IOAS_UNMAP, &u) ? -errno : 0;
}

/* Have the engine copy between DPA and bus; whether it could */
static inline bool engine_copy(struct vfio_cxl_dev *dev, struct vfio_cxl_region *bar,
			       __u32 command, __u64 src, __u64 dst, __u64 len)
{
	__u32 status = 0;
	unsigned int i;

	vfio_cxl_xput(dev, bar, ENGINE_SRC, 8, src);
	vfio_cxl_xput(dev, bar, ENGINE_DST, 8, dst);
	vfio_cxl_xput(dev, bar, ENGINE_LENGTH, 8, len);
	vfio_cxl_xput(dev, bar, ENGINE_COMMAND, 4, command);
	for (i = 0; i < 3000; i++) {
		status = vfio_cxl_xget(dev, bar, ENGINE_STATUS, 4);
		if (status & (ENGINE_DONE | ENGINE_ERROR))
			break;
		usleep(10000);
	}
	return status & ENGINE_DONE && !(status & ENGINE_ERROR);
}

static inline void bus_master(struct vfio_cxl_dev *dev)
{
	__u16 cmd = vfio_cxl_xget(dev, &dev->cfg, PCI_COMMAND, 2);

	vfio_cxl_xput(dev, &dev->cfg, PCI_COMMAND, 2,
		      cmd | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
}

#endif /* VFIO_CXL_DMA_H */
