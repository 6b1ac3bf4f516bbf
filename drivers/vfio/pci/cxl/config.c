// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Config space
 *
 * The VFIO core passes writes to DVSECs raw to hardware. Here the body of the
 * Device DVSEC is replaced by the model in dvsec.c, and every other CXL DVSEC
 * is made read-only. All else, the capability headers with their virtual
 * next pointers included, is the core's.
 */
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include "priv.h"

enum cfg_kind { CFG_CORE, CFG_READ_ONLY, CFG_DVSEC };

/* Headers of a DVSEC: the core virtualizes the first dword of each */
#define DVSEC_HDR_SIZE	(PCI_DVSEC_HEADER2 + 2)

/* What config space is at @pos, and how far it stays so */
static enum cfg_kind cfg_kind(struct vfio_cxl_device *cxl, unsigned int pos,
			      unsigned int *end)
{
	unsigned int i;

	*end = cxl->core.pdev->cfg_size;
	for (i = 0; i < cxl->nr_dvsecs; i++) {
		unsigned int dvsec = cxl->dvsecs[i].pos;
		unsigned int len = cxl->dvsecs[i].len, body = dvsec;

		if (dvsec == cxl->dvsec.pos)
			body += DVSEC_HDR_SIZE;
		if (pos < dvsec) {
			*end = min(*end, dvsec);
			continue;
		}
		if (pos >= dvsec + len)
			continue;
		if (pos < body) {
			*end = body;
			return CFG_READ_ONLY;
		}
		*end = dvsec + len;
		return dvsec == cxl->dvsec.pos ? CFG_DVSEC : CFG_READ_ONLY;
	}
	return CFG_CORE;
}

static void doorbell_done(struct vfio_cxl_device *cxl, unsigned int effect,
			  int rc)
{
	guard(mutex)(&cxl->virt.lock);
	vfio_cxl_dvsec_done(&cxl->virt.dvsec, effect, !rc);
}

/*
 * A write, and what it starts. Status2 tells of the write-back when this returns,
 * and of the reset later. A reset that cannot be started has failed.
 */
static void dvsec_write(struct vfio_cxl_device *cxl, unsigned int off,
			size_t count, u64 val)
{
	unsigned int effect, flags = VFIO_CXL_RESET_KEEP;
	bool disabled;
	int rc;

	guard(mutex)(&cxl->own.lock);
	scoped_guard(mutex, &cxl->virt.lock) {
		effect = vfio_cxl_dvsec_write(&cxl->virt.dvsec, off, count,
					      val);
		disabled = vfio_cxl_dvsec_caching_disabled(&cxl->virt.dvsec);
	}
	if (effect & VFIO_CXL_DVSEC_CACHING)
		vfio_cxl_set_caching(cxl, disabled);
	if (effect & VFIO_CXL_DVSEC_WBI)
		doorbell_done(cxl, VFIO_CXL_DVSEC_WBI,
			      vfio_cxl_guest_write_back(cxl));
	if (effect & VFIO_CXL_DVSEC_MEM_CLR)
		flags |= VFIO_CXL_RESET_CLEAR;
	if (!(effect & VFIO_CXL_DVSEC_RESET))
		return;
	rc = vfio_cxl_cxl_reset_start(cxl, flags);
	if (rc)
		doorbell_done(cxl, VFIO_CXL_DVSEC_RESET, rc);
}

static ssize_t dvsec_move(struct vfio_cxl_device *cxl, char __user *buf,
			  size_t count, unsigned int off, bool iswrite)
{
	__le64 raw = 0;
	u32 size_lo;

	count = min(count, sizeof(raw));
	if (iswrite) {
		if (copy_from_user(&raw, buf, count))
			return -EFAULT;
		dvsec_write(cxl, off, count, le64_to_cpu(raw));
		return count;
	}

	/* Waits for a reset to end; a device that is gone reads as not active. */
	pci_user_read_config_dword(cxl->core.pdev, cxl->dvsec.pos +
				   PCI_DVSEC_CXL_RANGE_SIZE_LOW(0), &size_lo);
	if (PCI_POSSIBLE_ERROR(size_lo))
		size_lo = 0;
	scoped_guard(mutex, &cxl->virt.lock) {
		vfio_cxl_dvsec_set_mem_status(&cxl->virt.dvsec, size_lo);
		raw = cpu_to_le64(vfio_cxl_dvsec_read(&cxl->virt.dvsec, off,
						      count));
	}
	return copy_to_user(buf, &raw, count) ? -EFAULT : count;
}

static ssize_t dvsec_rw(struct vfio_cxl_device *cxl, char __user *buf,
			size_t count, unsigned int off, bool iswrite)
{
	struct device *dev = &cxl->core.pdev->dev;
	ssize_t done;

	/* Like the core's own accesses, not while suspended */
	if (pm_runtime_resume_and_get(dev))
		return -EIO;
	done = dvsec_move(cxl, buf, count, off, iswrite);
	pm_runtime_put(dev);
	return done;
}

/* Whether a write may suspend the device; the core alone reads the value. */
static bool hits_power_state(struct vfio_cxl_device *cxl, u64 pos, size_t count)
{
	u64 reg = cxl->core.pdev->pm_cap + PCI_PM_CTRL;

	return cxl->core.pdev->pm_cap && pos <= reg && pos + count > reg;
}

/*
 * Forward a piece to the core. A write may trigger the guest's own FLR, which runs
 * synchronously in this task and preserves the CXL registers (CXL r4.0 sec 9.5).
 */
static ssize_t core_rw(struct vfio_cxl_device *cxl, char __user *buf,
		       size_t count, loff_t *ppos, bool iswrite)
{
	struct vfio_device *core_vdev = &cxl->core.vdev;
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	bool was_enabled;
	ssize_t done;

	if (!iswrite)
		return vfio_pci_core_read(core_vdev, buf, count, ppos);

	guard(mutex)(&cxl->own.lock);
	/* A device in reset drops writes. */
	if (READ_ONCE(cxl->cxl_reset.busy)) {
		*ppos += count;
		return count;
	}
	if (cxl->committed && hits_power_state(cxl, pos, count))
		vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SUSPENDED);
	was_enabled = __vfio_pci_memory_enabled(&cxl->core);
	vfio_cxl_own_begin(cxl, VFIO_CXL_RESET_KEEP);
	done = vfio_pci_core_write(core_vdev, buf, count, ppos);
	vfio_cxl_own_end(cxl);
	vfio_cxl_update_power(cxl);
	if (cxl->committed && !was_enabled &&
	    __vfio_pci_memory_enabled(&cxl->core) && vfio_cxl_dmabuf_any(cxl))
		vfio_cxl_gate_tell_revoked(cxl);
	return done;
}

/**
 * vfio_cxl_config_rw - read or write config space
 * @cxl: device
 * @buf: user memory
 * @count: number of bytes
 * @ppos: offset in the device file; advanced by what was moved
 * @iswrite: direction
 *
 * An access of any length that spans several capabilities is split at their
 * borders.
 *
 * Return: bytes moved, or an error if there are none.
 */
ssize_t vfio_cxl_config_rw(struct vfio_cxl_device *cxl, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite)
{
	size_t done = 0;

	/* As the core: all of it, or nothing */
	if (count > cxl->core.pdev->cfg_size ||
	    (*ppos & VFIO_PCI_OFFSET_MASK) > cxl->core.pdev->cfg_size - count)
		return -EFAULT;

	while (done < count) {
		u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
		size_t len = count - done;
		enum cfg_kind kind = CFG_CORE;
		unsigned int end;
		ssize_t rc;

		if (pos < cxl->core.pdev->cfg_size) {
			kind = cfg_kind(cxl, pos, &end);
			len = min_t(size_t, len, end - pos);
		}
		if (kind == CFG_DVSEC) {
			rc = dvsec_rw(cxl, buf + done, len, pos - cxl->dvsec.pos,
				      iswrite);
			if (rc > 0)
				*ppos += rc;
		} else if (kind == CFG_READ_ONLY && iswrite) {
			rc = len;
			*ppos += rc;
		} else {
			rc = core_rw(cxl, buf + done, len, ppos, iswrite);
		}
		if (rc <= 0)
			return done ?: rc;
		done += rc;
	}
	return done;
}
