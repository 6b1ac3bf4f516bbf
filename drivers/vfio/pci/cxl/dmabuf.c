// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: DMA to device memory
 *
 * The memory leaves by dma-buf, like a BAR: VFIO_DEVICE_FEATURE_DMA_BUF with the
 * index of the DPA region. iommufd maps it, and drops the mapping for good when
 * it is revoked; user space maps it again when the gate is open.
 *
 * The dma-bufs are the VFIO core's, which knows regions below the ROM only. So
 * the core is shown the component BAR's index for the length of the call, and
 * asks this driver where that is (vfio_cxl_get_dmabuf_phys()). Should another
 * thread of the caller change the argument meanwhile, it gets a dma-buf of the
 * device memory or an error, and nothing else.
 *
 * The core revokes them on the events that it knows, which the gate is none of.
 * What it does not (a reset by sysfs, AER, CXL Reset, a decoder that is lost),
 * the driver does: it keeps a reference to each dma-buf and has the importers
 * drop their mappings. It cannot keep them from mapping anew while the gate is
 * closed; such a mapping is revoked before the gate opens.
 *
 * As long as importers can only be given an address of the host or one on a PCI
 * bus, only iommufd may have the memory: see @p2p below.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

struct vfio_cxl_dmabuf {
	struct list_head node;
	struct dma_buf *dmabuf;
};

/**
 * vfio_cxl_dmabuf_init - set up what dma-bufs need
 * @cxl: device, being allocated
 *
 * The provider's owner is the port above the device. It provides no peer-to-peer
 * memory of its own, so pci_p2pdma_map_type() finds no way to it for any
 * importer: behind a common switch one would otherwise be given a bus address
 * that nobody decodes. iommufd, which maps by host address, does not ask.
 */
void vfio_cxl_dmabuf_init(struct vfio_cxl_device *cxl)
{
	struct pci_dev *port = pci_upstream_bridge(cxl->core.pdev);

	mutex_init(&cxl->dmabuf.lock);
	INIT_LIST_HEAD(&cxl->dmabuf.bufs);
	cxl->p2p.owner = port ? &port->dev : cxl->core.pdev->dev.parent;
}

static void dmabuf_drop(struct vfio_cxl_dmabuf *buf)
{
	list_del(&buf->node);
	dma_buf_put(buf->dmabuf);
	kfree(buf);
}

/* Forget those that only we hold, and remember the one that @fd is. */
static int dmabuf_track(struct vfio_cxl_device *cxl, int fd,
			struct vfio_cxl_dmabuf *buf)
{
	struct vfio_cxl_dmabuf *old, *next;

	buf->dmabuf = dma_buf_get(fd);
	if (IS_ERR(buf->dmabuf))
		return PTR_ERR(buf->dmabuf);

	guard(mutex)(&cxl->dmabuf.lock);
	list_for_each_entry_safe(old, next, &cxl->dmabuf.bufs, node)
		if (file_count(old->dmabuf->file) == 1)
			dmabuf_drop(old);
	list_add(&buf->node, &cxl->dmabuf.bufs);
	return 0;
}

static int dmabuf_make(struct vfio_cxl_device *cxl, u32 flags,
		       struct vfio_device_feature_dma_buf __user *arg,
		       size_t argsz)
{
	u32 index;
	int rc;

	if (get_user(index, &arg->region_index))
		return -EFAULT;
	if (!vfio_cxl_is_dpa(cxl, index))
		return vfio_pci_core_ioctl_feature(&cxl->core.vdev, flags, arg,
						   argsz);

	guard(mutex)(&cxl->own.lock);
	if (put_user((u32)cxl->comp.bar, &arg->region_index))
		return -EFAULT;
	WRITE_ONCE(cxl->dmabuf.task, current);
	rc = vfio_pci_core_ioctl_feature(&cxl->core.vdev, flags, arg, argsz);
	WRITE_ONCE(cxl->dmabuf.task, NULL);
	/* What cannot be put back is the caller's own doing. */
	(void)put_user(index, &arg->region_index);
	return rc;
}

/**
 * vfio_cxl_dmabuf_feature - %VFIO_DEVICE_FEATURE_DMA_BUF
 * @cxl: device
 * @flags: feature, and what to do with it
 * @arg: &struct vfio_device_feature_dma_buf; for the DPA region it must be
 *	writable, and is unchanged on return
 * @argsz: its size
 *
 * Return: as ioctl(2).
 */
int vfio_cxl_dmabuf_feature(struct vfio_cxl_device *cxl, u32 flags,
			    void __user *arg, size_t argsz)
{
	struct vfio_cxl_dmabuf *buf;
	int fd, rc;

	if (!(flags & VFIO_DEVICE_FEATURE_GET) ||
	    flags & VFIO_DEVICE_FEATURE_PROBE ||
	    argsz < sizeof(struct vfio_device_feature_dma_buf))
		return vfio_pci_core_ioctl_feature(&cxl->core.vdev, flags, arg,
						   argsz);
	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	fd = dmabuf_make(cxl, flags, arg, argsz);
	if (fd < 0) {
		kfree(buf);
		return fd;
	}
	/* Another thread may have closed it, or put another file there. */
	rc = dmabuf_track(cxl, fd, buf);
	if (rc)
		kfree(buf);
	return fd;
}

/**
 * vfio_cxl_dmabuf_any - whether user space made dma-bufs
 * @cxl: device, open
 *
 * Return: true if so.
 */
bool vfio_cxl_dmabuf_any(struct vfio_cxl_device *cxl)
{
	guard(mutex)(&cxl->dmabuf.lock);
	return !list_empty(&cxl->dmabuf.bufs);
}

/**
 * vfio_cxl_dmabuf_revoke - have all importers drop their mappings
 * @cxl: device
 */
void vfio_cxl_dmabuf_revoke(struct vfio_cxl_device *cxl)
{
	struct vfio_cxl_dmabuf *buf;

	guard(mutex)(&cxl->dmabuf.lock);
	list_for_each_entry(buf, &cxl->dmabuf.bufs, node) {
		dma_resv_lock(buf->dmabuf->resv, NULL);
		dma_buf_invalidate_mappings(buf->dmabuf);
		dma_resv_wait_timeout(buf->dmabuf->resv,
				      DMA_RESV_USAGE_BOOKKEEP, false,
				      MAX_SCHEDULE_TIMEOUT);
		dma_resv_unlock(buf->dmabuf->resv);
	}
}

/**
 * vfio_cxl_dmabuf_close - let go of all dma-bufs
 * @cxl: device, closed: the VFIO core has revoked them for good
 */
void vfio_cxl_dmabuf_close(struct vfio_cxl_device *cxl)
{
	struct vfio_cxl_dmabuf *buf, *next;

	guard(mutex)(&cxl->dmabuf.lock);
	list_for_each_entry_safe(buf, next, &cxl->dmabuf.bufs, node)
		dmabuf_drop(buf);
}

/**
 * vfio_cxl_get_dmabuf_phys - &vfio_pci_device_ops.get_dmabuf_phys
 * @core: device
 * @provider: set to the source of peer-to-peer memory
 * @region_index: region that is exported
 * @phys_vec: set to the physical ranges, one for each of @dma_ranges
 * @dma_ranges: pieces of the region
 * @nr_ranges: their number
 *
 * Return: 0; -EINVAL also for a piece that is not in the region or holds the
 * register page, which another device's DMA must not write to either.
 */
int vfio_cxl_get_dmabuf_phys(struct vfio_pci_core_device *core,
			     struct p2pdma_provider **provider,
			     unsigned int region_index,
			     struct phys_vec *phys_vec,
			     struct vfio_region_dma_range *dma_ranges,
			     size_t nr_ranges)
{
	struct vfio_cxl_device *cxl = core_to_vfio_cxl(core);
	size_t i;

	if (READ_ONCE(cxl->dmabuf.task) == current) {
		*provider = &cxl->p2p;
		return vfio_pci_core_fill_phys_vec(phys_vec, dma_ranges,
						   nr_ranges,
						   cxl->mem->hpa.start,
						   cxl->decoder.size);
	}
	for (i = 0; i < nr_ranges; i++)
		if (vfio_cxl_overlaps_comp_regs(cxl, region_index,
						dma_ranges[i].offset,
						dma_ranges[i].length))
			return -EINVAL;
	return vfio_pci_core_get_dmabuf_phys(core, provider, region_index,
					     phys_vec, dma_ranges, nr_ranges);
}
