// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The component BAR
 *
 * The BAR that contains the component register page is passed through except for
 * that page, which can be neither mapped nor exported as a dma-buf. read() and
 * write() behave as in the COMP_REGS region.
 */
#include <linux/pci.h>

#include "priv.h"

/**
 * vfio_cxl_map_comp_bar - map the component BAR for the VFIO core
 * @cxl: device, being opened, after vfio_pci_core_enable()
 *
 * The CXL core has requested the HDM decoder block in the BAR, so that the VFIO
 * core failed to request the BAR and stored an error pointer as its mapping. No
 * other driver can own the BAR, as the device is bound to this one.
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_cxl_map_comp_bar(struct vfio_cxl_device *cxl)
{
	struct vfio_pci_core_device *core = &cxl->core;
	void __iomem *io;

	if (core->barmap[cxl->comp.bar] != IOMEM_ERR_PTR(-EBUSY))
		return 0;
	io = pci_iomap(core->pdev, cxl->comp.bar, 0);
	if (!io)
		return -ENOMEM;
	core->barmap[cxl->comp.bar] = io;
	cxl->comp.iomap_owned = true;
	return 0;
}

/**
 * vfio_cxl_unmap_comp_bar - undo vfio_cxl_map_comp_bar()
 * @cxl: device, before vfio_pci_core_disable(), which would release a region that
 *	it did not request
 */
void vfio_cxl_unmap_comp_bar(struct vfio_cxl_device *cxl)
{
	struct vfio_pci_core_device *core = &cxl->core;

	if (!cxl->comp.iomap_owned)
		return;
	pci_iounmap(core->pdev, core->barmap[cxl->comp.bar]);
	core->barmap[cxl->comp.bar] = IOMEM_ERR_PTR(-EBUSY);
	cxl->comp.iomap_owned = false;
}

/* Offsets in the BAR of the pages that user space must not map */
static u64 hole_start(struct vfio_cxl_device *cxl)
{
	return PAGE_ALIGN_DOWN(cxl->comp.offset);
}

static u64 hole_end(struct vfio_cxl_device *cxl)
{
	return PAGE_ALIGN(cxl->comp.offset + CXL_CM_PAGE_SIZE);
}

/**
 * vfio_cxl_overlaps_comp_regs - test whether a range contains the register page
 * @cxl: device
 * @index: VFIO region index
 * @start: offset in that region
 * @len: length in bytes
 *
 * The register page is extended to whole pages of the CPU, the unit of mappings.
 */
bool vfio_cxl_overlaps_comp_regs(struct vfio_cxl_device *cxl,
				 unsigned int index, u64 start, u64 len)
{
	return index == cxl->comp.bar && start < hole_end(cxl) &&
	       len > (start < hole_start(cxl) ? hole_start(cxl) - start : 0);
}

/**
 * vfio_cxl_add_sparse_cap - add the sparse mmap capability of the component BAR
 * @cxl: device
 * @caps: capability chain of the BAR's region info
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_cxl_add_sparse_cap(struct vfio_cxl_device *cxl,
			    struct vfio_info_cap *caps)
{
	DEFINE_RAW_FLEX(struct vfio_region_info_cap_sparse_mmap, sparse, areas,
			2);
	u64 len = PAGE_ALIGN(pci_resource_len(cxl->core.pdev, cxl->comp.bar));
	unsigned int nr = 0;

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	if (hole_start(cxl))
		sparse->areas[nr++].size = hole_start(cxl);
	if (hole_end(cxl) < len) {
		sparse->areas[nr].offset = hole_end(cxl);
		sparse->areas[nr++].size = len - hole_end(cxl);
	}
	sparse->nr_areas = nr;
	return vfio_info_add_capability(caps, &sparse->header,
					struct_size(sparse, areas, nr));
}

/**
 * vfio_cxl_bar_rw - read or write the component BAR
 * @cxl: device
 * @buf: user memory
 * @count: number of bytes
 * @ppos: offset in the device file; advanced by what was moved
 * @iswrite: direction
 *
 * The register page behaves as the COMP_REGS region. An access that begins before
 * the page ends there, with a short count.
 *
 * Return: bytes moved, or an error.
 */
ssize_t vfio_cxl_bar_rw(struct vfio_cxl_device *cxl, char __user *buf,
			size_t count, loff_t *ppos, bool iswrite)
{
	struct vfio_device *core_vdev = &cxl->core.vdev;
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;

	if (off >= cxl->comp.offset && off < cxl->comp.offset + CXL_CM_PAGE_SIZE)
		return vfio_cxl_comp_regs_user(cxl, buf, count,
					       off - cxl->comp.offset, ppos,
					       iswrite);
	if (off < cxl->comp.offset)
		count = min_t(u64, count, cxl->comp.offset - off);
	return iswrite ? vfio_pci_core_write(core_vdev, buf, count, ppos) :
			 vfio_pci_core_read(core_vdev, buf, count, ppos);
}
