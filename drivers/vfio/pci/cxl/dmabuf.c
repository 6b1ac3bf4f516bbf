// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: DMA to device memory
 *
 * Device memory is exported as dma-bufs, like a BAR, by
 * VFIO_DEVICE_FEATURE_DMA_BUF with the index of the DPA region. iommufd maps them
 * and drops the mapping permanently on revocation; user space must map them again
 * when the gate is open.
 *
 * The dma-bufs belong to the VFIO core, which only accepts indexes of BARs. During
 * the call the driver therefore substitutes the index of the component BAR, and
 * the core calls vfio_cxl_get_dmabuf_phys() for the physical ranges. If another
 * thread of the caller changes the argument meanwhile, the caller gets a dma-buf
 * of the device memory or an error.
 *
 * The core revokes dma-bufs on the events that it knows. For other events (sysfs
 * reset, AER, CXL Reset, a lost decoder) the driver revokes them: it holds a
 * reference to each dma-buf and has the importers drop their mappings. It cannot
 * prevent new mappings while the gate is closed; those are revoked before the
 * gate opens.
 *
 * Only iommufd is allowed to import the memory; see vfio_cxl_dmabuf_init().
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
 * vfio_cxl_dmabuf_init - initialize dma-buf support
 * @cxl: device, being allocated
 *
 * The provider's owner is the port above the device, which has no peer-to-peer
 * memory. pci_p2pdma_map_type() therefore rejects every importer; one behind a
 * common switch would otherwise be given a bus address that nothing decodes.
 * iommufd maps by host physical address and does not call it.
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

/* Drop dma-bufs that only the driver still references, and track @fd. */
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
	/* If this fails, the caller has unmapped its own argument. */
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
 * vfio_cxl_dmabuf_any - test whether user space has exported dma-bufs
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
 * vfio_cxl_dmabuf_revoke - revoke all mappings of the device's dma-bufs
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
 * vfio_cxl_dmabuf_close - drop the references to all dma-bufs
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
 * Return: 0, or -EINVAL, also for a range outside the region or one that contains
 * the register page: DMA by other devices must not write to that either.
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
						dma_ranges[i].length)) {
			pci_dbg(core->pdev, "dma-buf of BAR %u, %#llx bytes at %#llx: holds the component registers at %#llx\n",
				region_index, dma_ranges[i].length,
				dma_ranges[i].offset, cxl->comp.offset);
			return -EINVAL;
		}
	return vfio_pci_core_get_dmabuf_phys(core, provider, region_index,
					     phys_vec, dma_ranges, nr_ranges);
}
