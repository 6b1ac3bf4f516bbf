// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The component register page
 *
 * The 4 KiB of CXL.cache and CXL.mem registers are a region of their own, and
 * lie in a BAR that is otherwise passed through (comp_bar.c). Both views end in
 * comp_regs_access(), so they cannot differ:
 *
 *	capability array	as in hardware, read-only
 *	HDM decoders		the model in hdm.c; hardware is not asked
 *	RAS			hardware, with the width of the access; but the
 *				Header Log reads as zero: the header of a
 *				CXL.mem request holds a host address
 *	the rest		reads from hardware, writes dropped
 *
 * The page cannot be mapped, and neither ioeventfd nor dma-buf reach it.
 */
#include <linux/bitfield.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

enum comp_regs_kind { CR_HDM, CR_CAP_ARRAY, CR_RAS, CR_HEADER_LOG, CR_OTHER };

static enum comp_regs_kind comp_regs_kind(struct vfio_cxl_device *cxl, u32 off)
{
	u32 hdr = le32_to_cpu(cxl->comp.cap_array[0]);

	/* The length follows from the count in the HDM Decoder Capability. */
	if (off - cxl->comp.hdm_offset < cxl->comp.hdm_len)
		return CR_HDM;
	if (off / 4 <= FIELD_GET(CXL_CM_CAP_ARRAY_SIZE, hdr))
		return CR_CAP_ARRAY;
	if (cxl->comp.ras_offset && off >= cxl->comp.ras_offset &&
	    off < cxl->comp.ras_offset + CXL_RAS_SIZE)
		return off < cxl->comp.ras_offset + CXL_RAS_HEADER_LOG ?
		       CR_RAS : CR_HEADER_LOG;
	return CR_OTHER;
}

/*
 * @raw holds the bytes as in the register page, in little-endian order. Only this
 * part of the page accesses hardware, so only this function resumes the device.
 */
static int comp_regs_hw(struct vfio_cxl_device *cxl, u32 off, unsigned int len,
			__le64 *raw, bool iswrite)
{
	struct vfio_pci_core_device *core = &cxl->core;
	void __iomem *io = vfio_pci_core_get_iomap(core, cxl->comp.bar);
	u32 *dword = (u32 *)raw;
	u64 *qword = (u64 *)raw;
	int rc;

	if (IS_ERR(io))
		return PTR_ERR(io);
	if (pm_runtime_resume_and_get(&core->pdev->dev))
		return -EIO;
	io += cxl->comp.offset + off;
	/* The core's accessors do not convert the byte order. */
	if (len == 4)
		rc = iswrite ?
		     vfio_pci_core_iowrite32(core, true, *dword, io) :
		     vfio_pci_core_ioread32(core, true, dword, io);
	else
		rc = iswrite ?
		     vfio_pci_core_iowrite64(core, true, *qword, io) :
		     vfio_pci_core_ioread64(core, true, qword, io);
	pm_runtime_put(&core->pdev->dev);
	return rc;
}

static void comp_regs_hdm(struct vfio_cxl_device *cxl, u32 off,
			  unsigned int len, __le64 *raw, bool iswrite)
{
	guard(mutex)(&cxl->virt.lock);
	if (iswrite)
		/* The VMM follows the decoder by reading it back. */
		(void)vfio_cxl_hdm_write(&cxl->virt.hdm, off, len,
					 le64_to_cpu(*raw));
	else
		*raw = cpu_to_le64(vfio_cxl_hdm_read(&cxl->virt.hdm, off, len));
}

/* One access that lies in one part of the page; @len is 4 or 8. */
static int comp_regs_one(struct vfio_cxl_device *cxl, enum comp_regs_kind kind,
			 u32 off, unsigned int len, __le64 *raw, bool iswrite)
{
	__le32 *half = (__le32 *)raw;

	switch (kind) {
	case CR_HDM:
		comp_regs_hdm(cxl, off - cxl->comp.hdm_offset, len, raw, iswrite);
		return 0;
	case CR_CAP_ARRAY:
		if (!iswrite)
			half[0] = cxl->comp.cap_array[off / 4];
		if (!iswrite && len == 8)
			half[1] = cxl->comp.cap_array[off / 4 + 1];
		return 0;
	case CR_RAS:
		return comp_regs_hw(cxl, off, len, raw, iswrite);
	case CR_HEADER_LOG:
		if (!iswrite)
			*raw = 0;
		return 0;
	default:
		return iswrite ? 0 : comp_regs_hw(cxl, off, len, raw, false);
	}
}

static int comp_regs_access(struct vfio_cxl_device *cxl, u32 off,
			    unsigned int len, __le64 *raw, bool iswrite)
{
	enum comp_regs_kind kind[2] = { comp_regs_kind(cxl, off) };
	__le32 *half = (__le32 *)raw;
	unsigned int i;
	int rc;

	if (len == 8)
		kind[1] = comp_regs_kind(cxl, off + 4);
	if (len == 4 || kind[0] == kind[1])
		return comp_regs_one(cxl, kind[0], off, len, raw, iswrite);

	for (i = 0; i < 2; i++) {
		__le64 one = 0;

		memcpy(&one, &half[i], 4);
		rc = comp_regs_one(cxl, kind[i], off + 4 * i, 4, &one, iswrite);
		if (rc)
			return rc;
		memcpy(&half[i], &one, 4);
	}
	return 0;
}

/**
 * vfio_cxl_comp_regs_user - read or write the register page
 * @cxl: device
 * @buf: user memory; touched with no lock held
 * @count: 4 or 8
 * @off: offset in the page, a multiple of @count
 * @ppos: offset in the device file; advanced by what was moved
 * @iswrite: direction
 *
 * Return: @count, -EINVAL for any other access, or another error.
 */
ssize_t vfio_cxl_comp_regs_user(struct vfio_cxl_device *cxl, char __user *buf,
				size_t count, u64 off, loff_t *ppos,
				bool iswrite)
{
	__le64 raw = 0;
	u32 *dword = (u32 *)&raw;
	int rc;

	if ((count != 4 && count != 8) || off & (count - 1) ||
	    off + count > CXL_CM_PAGE_SIZE) {
		pci_dbg(cxl->core.pdev, "component registers: %zu bytes at %#llx: expected 4 or 8, aligned, below %#x\n",
			count, off, CXL_CM_PAGE_SIZE);
		return -EINVAL;
	}

	if (iswrite && copy_from_user(&raw, buf, count))
		return -EFAULT;
	rc = comp_regs_access(cxl, off, count, &raw, iswrite);
	if (!rc && !iswrite)
		rc = count == 4 ? put_user(*dword, (u32 __user *)buf) :
				  put_user(*(u64 *)&raw, (u64 __user *)buf);
	if (rc)
		return rc;
	*ppos += count;
	return count;
}

/**
 * vfio_cxl_comp_regs_rw - read or write the COMP_REGS region
 * @core: device
 * @buf: user memory
 * @count: number of bytes
 * @ppos: offset in the device file; advanced by what was moved
 * @iswrite: direction
 *
 * Return: as vfio_cxl_comp_regs_user().
 */
ssize_t vfio_cxl_comp_regs_rw(struct vfio_pci_core_device *core,
			      char __user *buf, size_t count, loff_t *ppos,
			      bool iswrite)
{
	return vfio_cxl_comp_regs_user(core_to_vfio_cxl(core), buf, count,
				       *ppos & VFIO_PCI_OFFSET_MASK, ppos,
				       iswrite);
}

static void comp_regs_release(struct vfio_pci_core_device *core,
			      struct vfio_pci_region *region)
{
}

static int comp_regs_add_capability(struct vfio_pci_core_device *core,
				    struct vfio_pci_region *region,
				    struct vfio_info_cap *caps)
{
	struct vfio_cxl_device *cxl = core_to_vfio_cxl(core);
	struct vfio_region_info_cap_cxl_comp_regs cap = {
		.header.id = VFIO_REGION_INFO_CAP_CXL_COMP_REGS,
		.header.version = 1,
		.bar = cxl->comp.bar,
		.hdm_offset = cxl->comp.hdm_offset,
		.offset = cxl->comp.offset,
	};

	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static const struct vfio_pci_regops comp_regs_regops = {
	.rw = vfio_cxl_comp_regs_rw,
	.release = comp_regs_release,
	.add_capability = comp_regs_add_capability,
};

/**
 * vfio_cxl_register_comp_regs - register the COMP_REGS region
 * @cxl: device, being opened
 *
 * Return: 0 or an error.
 */
int vfio_cxl_register_comp_regs(struct vfio_cxl_device *cxl)
{
	cxl->comp.index = VFIO_PCI_NUM_REGIONS + cxl->core.num_regions;
	return vfio_pci_core_register_dev_region(&cxl->core,
						 VFIO_REGION_TYPE_CXL,
						 VFIO_REGION_SUBTYPE_CXL_COMP_REGS,
						 &comp_regs_regops,
						 CXL_CM_PAGE_SIZE,
						 VFIO_REGION_INFO_FLAG_READ |
						 VFIO_REGION_INFO_FLAG_WRITE,
						 NULL);
}
