// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: VFIO device operations
 *
 * Each operation handles the bytes, the region or the command that this driver
 * virtualizes, and calls the VFIO core for everything else.
 */
#include <linux/pci.h>
#include <linux/uaccess.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

/* The layout of the ABI must not change. */
static_assert(sizeof(struct vfio_device_info_cap_cxl) == 16);
static_assert(offsetof(struct vfio_device_info_cap_cxl, flags) == 8);
static_assert(offsetof(struct vfio_device_info_cap_cxl, reserved) == 12);
static_assert(sizeof(struct vfio_region_info_cap_cxl_comp_regs) == 24);
static_assert(offsetof(struct vfio_region_info_cap_cxl_comp_regs, bar) == 8);
static_assert(offsetof(struct vfio_region_info_cap_cxl_comp_regs,
		       hdm_offset) == 12);
static_assert(offsetof(struct vfio_region_info_cap_cxl_comp_regs,
		       offset) == 16);
static_assert(sizeof(struct vfio_device_feature_cxl_mem) == 16);
static_assert(offsetof(struct vfio_device_feature_cxl_mem, reasons) == 0);
static_assert(offsetof(struct vfio_device_feature_cxl_mem, eventfd) == 4);
static_assert(offsetof(struct vfio_device_feature_cxl_mem, closures) == 8);

/*
 * VFIO_DEVICE_GET_INFO: append our capability to what the core returns. It is
 * placed behind the core's capabilities but first in the chain, so no capability
 * in user memory has to be read back and changed. The core has no hook for this,
 * and only a call without room reports the length that it needs; hence argsz is
 * changed temporarily, which another thread of the caller can see. All lengths
 * are used for user memory only.
 */
static long vfio_cxl_get_info(struct vfio_cxl_device *cxl,
			      struct vfio_device_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info_cap_cxl cap = {
		.header.id = VFIO_DEVICE_INFO_CAP_CXL,
		.header.version = 1,
	};
	struct vfio_device_info info = {};
	u32 argsz, end;
	long rc;

	if (get_user(argsz, &arg->argsz))
		return -EFAULT;
	if (argsz < minsz)
		return -EINVAL;

	/* Without room for capabilities the core reports the length it needs. */
	if (put_user((u32)minsz, &arg->argsz))
		return -EFAULT;
	rc = vfio_pci_core_ioctl(&cxl->core.vdev, VFIO_DEVICE_GET_INFO,
				 (unsigned long)arg);
	if (put_user(argsz, &arg->argsz))
		return -EFAULT;
	if (rc)
		return rc;
	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	end = info.flags & VFIO_DEVICE_FLAGS_CAPS ? info.argsz : sizeof(info);

	if (cxl->committed)
		cap.flags |= VFIO_CXL_CAP_FIRMWARE_COMMITTED;
	if (cxl->dvsec.cap & CXL_DVSEC_CAP_CACHE)
		cap.flags |= VFIO_CXL_CAP_CACHE_CAPABLE;

	if (argsz < end + sizeof(cap)) {
		info.argsz = end + sizeof(cap);
	} else {
		rc = vfio_pci_core_ioctl(&cxl->core.vdev, VFIO_DEVICE_GET_INFO,
					 (unsigned long)arg);
		if (rc)
			return rc;
		if (copy_from_user(&info, arg, sizeof(info)))
			return -EFAULT;
		cap.header.next = info.cap_offset;
		info.cap_offset = end;
		if (copy_to_user((void __user *)arg + end, &cap, sizeof(cap)))
			return -EFAULT;
	}
	info.flags |= VFIO_DEVICE_FLAGS_CXL | VFIO_DEVICE_FLAGS_CAPS;
	if (vfio_cxl_can_cxl_reset(cxl, false))
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	return copy_to_user(arg, &info, min_t(size_t, argsz, sizeof(info))) ?
	       -EFAULT : 0;
}

/**
 * vfio_cxl_ioctl - &vfio_device_ops.ioctl
 * @core_vdev: device
 * @cmd: command
 * @arg: its argument
 *
 * Return: as ioctl(2).
 */
long vfio_cxl_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
		    unsigned long arg)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return vfio_cxl_get_info(cxl, (void __user *)arg);
	case VFIO_DEVICE_RESET:
		return vfio_cxl_device_reset(cxl);
	case VFIO_DEVICE_PCI_HOT_RESET: {
		long rc = vfio_pci_core_ioctl(core_vdev, cmd, arg);

		guard(mutex)(&cxl->own.lock);
		vfio_cxl_update_power(cxl);
		return rc;
	}
	case VFIO_DEVICE_IOEVENTFD:
		/*
		 * An ioeventfd could write to the register page. The offset
		 * cannot be checked here because the core reads it again from
		 * user memory. The component BAR's iomap is also gone before
		 * the core removes ioeventfds.
		 */
		return -ENOTTY;
	default:
		return vfio_pci_core_ioctl(core_vdev, cmd, arg);
	}
}

/* A suspended device may lose its decoder. */
static int low_power(struct vfio_cxl_device *cxl, u32 flags, void __user *arg,
		     size_t argsz)
{
	int rc;

	guard(mutex)(&cxl->own.lock);
	if (READ_ONCE(cxl->cxl_reset.busy))
		return -EBUSY;
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SUSPENDED);
	rc = vfio_pci_core_ioctl_feature(&cxl->core.vdev, flags, arg, argsz);
	vfio_cxl_update_power(cxl);
	return rc;
}

/**
 * vfio_cxl_feature - &vfio_device_ops.device_feature
 * @core_vdev: device
 * @flags: feature, and what to do with it
 * @arg: its argument
 * @argsz: the argument's size
 *
 * The gate stays closed until the user exits low power, even if the device has
 * resumed earlier.
 *
 * Return: as ioctl(2).
 */
int vfio_cxl_feature(struct vfio_device *core_vdev, u32 flags,
		     void __user *arg, size_t argsz)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		if (cxl->committed && flags & VFIO_DEVICE_FEATURE_SET &&
		    !(flags & VFIO_DEVICE_FEATURE_PROBE))
			return low_power(cxl, flags, arg, argsz);
		break;
	case VFIO_DEVICE_FEATURE_DMA_BUF:
		return vfio_cxl_dmabuf_feature(cxl, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_CXL_MEM:
		return vfio_cxl_gate_feature(cxl, flags, arg, argsz);
	}
	return vfio_pci_core_ioctl_feature(core_vdev, flags, arg, argsz);
}

/**
 * vfio_cxl_get_region_info_caps - &vfio_device_ops.get_region_info_caps
 * @core_vdev: device
 * @info: region info, with the index asked for
 * @caps: capability chain to add to
 *
 * Return: 0 or an error.
 */
int vfio_cxl_get_region_info_caps(struct vfio_device *core_vdev,
				  struct vfio_region_info *info,
				  struct vfio_info_cap *caps)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);
	int rc;

	rc = vfio_pci_ioctl_get_region_info(core_vdev, info, caps);
	if (rc || info->index != cxl->comp.bar ||
	    !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return rc;
	return vfio_cxl_add_sparse_cap(cxl, caps);
}

enum access_kind { ACCESS_CORE, ACCESS_COMP_BAR, ACCESS_CONFIG };

/*
 * Who handles an access to config space. Reads of the Device DVSEC come from the
 * model. Writes pass through config.c, as they may reset or suspend the device,
 * except to the registers from BAR 0 on, which the core keeps to itself.
 */
static enum access_kind config_kind(struct vfio_cxl_device *cxl, u64 off,
				    u64 end, bool iswrite)
{
	if (iswrite)
		return off >= PCI_BASE_ADDRESS_0 && end <= PCI_STD_HEADER_SIZEOF ?
		       ACCESS_CORE : ACCESS_CONFIG;
	return end <= cxl->core.pdev->cfg_size &&
	       (end <= cxl->dvsec.pos || off >= cxl->dvsec.pos + cxl->dvsec.len) ?
	       ACCESS_CORE : ACCESS_CONFIG;
}

/* The core handles most of config space and of the component BAR. */
static enum access_kind access_kind(struct vfio_cxl_device *cxl, u64 pos,
				    size_t count, bool iswrite)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 off = pos & VFIO_PCI_OFFSET_MASK;

	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_kind(cxl, off, off + count, iswrite);
	return vfio_cxl_overlaps_comp_regs(cxl, index, off, count) ?
	       ACCESS_COMP_BAR : ACCESS_CORE;
}

/* The VFIO core would resume the device; most of these registers need none. */
static bool is_comp_regs(struct vfio_cxl_device *cxl, loff_t pos, size_t count)
{
	return count && cxl->comp.index &&
	       VFIO_PCI_OFFSET_TO_INDEX(pos) == cxl->comp.index;
}

static ssize_t dispatch_rw(struct vfio_cxl_device *cxl, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite)
{
	struct vfio_device *core_vdev = &cxl->core.vdev;

	if (!count)
		return 0;
	switch (access_kind(cxl, *ppos, count, iswrite)) {
	case ACCESS_COMP_BAR:
		return vfio_cxl_bar_rw(cxl, buf, count, ppos, iswrite);
	case ACCESS_CONFIG:
		return vfio_cxl_config_rw(cxl, buf, count, ppos, iswrite);
	default:
		return iswrite ?
		       vfio_pci_core_write(core_vdev, buf, count, ppos) :
		       vfio_pci_core_read(core_vdev, buf, count, ppos);
	}
}

/**
 * vfio_cxl_read - &vfio_device_ops.read
 * @core_vdev: device
 * @buf: user memory
 * @count: number of bytes
 * @ppos: offset in the device file; advanced by what was read
 *
 * Return: bytes read, or an error.
 */
ssize_t vfio_cxl_read(struct vfio_device *core_vdev, char __user *buf,
		      size_t count, loff_t *ppos)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	if (is_comp_regs(cxl, *ppos, count))
		return vfio_cxl_comp_regs_rw(&cxl->core, buf, count, ppos, false);
	return dispatch_rw(cxl, buf, count, ppos, false);
}

/**
 * vfio_cxl_write - &vfio_device_ops.write
 * @core_vdev: device
 * @buf: user memory
 * @count: number of bytes
 * @ppos: offset in the device file; advanced by what was written
 *
 * Return: bytes written, or an error.
 */
ssize_t vfio_cxl_write(struct vfio_device *core_vdev, const char __user *buf,
		       size_t count, loff_t *ppos)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);
	char __user *from = (char __user *)buf;

	if (is_comp_regs(cxl, *ppos, count))
		return vfio_cxl_comp_regs_rw(&cxl->core, from, count, ppos, true);
	return dispatch_rw(cxl, from, count, ppos, true);
}

/**
 * vfio_cxl_mmap - &vfio_device_ops.mmap
 * @core_vdev: device
 * @vma: mapping to set up
 *
 * Return: 0; -EINVAL also for a mapping that holds the register page.
 */
int vfio_cxl_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);
	u64 pos = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 off = pos & VFIO_PCI_OFFSET_MASK;
	u64 len = vma->vm_end - vma->vm_start;

	if (vfio_cxl_overlaps_comp_regs(cxl, VFIO_PCI_OFFSET_TO_INDEX(pos), off,
					len)) {
		pci_dbg(cxl->core.pdev, "mmap of BAR %u, %#llx bytes at %#llx: holds the component registers at %#llx\n",
			cxl->comp.bar, len, off, cxl->comp.offset);
		return -EINVAL;
	}
	return vfio_pci_core_mmap(core_vdev, vma);
}
