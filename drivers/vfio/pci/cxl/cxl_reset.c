// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: CXL Reset
 *
 * The Device DVSEC offers a reset in addition to function level reset (CXL r4.0
 * sec 9.7). It also resets CXL.cache and CXL.mem, and can clear the memory. The
 * driver combines it with no other reset of the function or the link.
 *
 * A device may take up to 100 seconds. A work item performs the reset and holds
 * no lock while it waits. The guest polls Status2 for completion, and a VMM that
 * is waiting in VFIO_DEVICE_RESET can be killed. User writes to config space are
 * dropped until the reset completes, as a device in reset would drop them.
 *
 * Beforehand the driver closes the gate, flushes CPU caches, revokes dma-bufs,
 * waits for pending transactions, blocks DMA in the IOMMU and has the device
 * write back its own cache.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/pci.h>

#include "priv.h"

#define LOCK_POLL_MS		10
/* How long another reset may hold the device before this one gives up */
#define DEVICE_LOCK_TIMEOUT_MS	1000

/* CXL Reset Timeout: 10 ms to 100 s, in powers of ten */
static unsigned int reset_timeout_ms(u32 cap)
{
	unsigned int ms = 10, n = FIELD_GET(CXL_DVSEC_CAP_RESET_TMO, cap);

	for (n = min(n, 4U); n; n--)
		ms *= 10;
	return ms;
}

/*
 * Take config access, which every other reset holds. Not the device lock: an
 * unbind holds that while it waits for this work item.
 */
static int lock_device(struct vfio_cxl_device *cxl)
{
	unsigned long end = jiffies + msecs_to_jiffies(DEVICE_LOCK_TIMEOUT_MS);

	while (!pci_cfg_access_trylock(cxl->core.pdev)) {
		if (READ_ONCE(cxl->cxl_reset.cancel))
			return -ECANCELED;
		if (time_after(jiffies, end)) {
			dev_err_ratelimited(&cxl->core.pdev->dev, "CXL Reset not started: device busy with other resets for %u ms\n",
					    DEVICE_LOCK_TIMEOUT_MS);
			return -EAGAIN;
		}
		msleep(LOCK_POLL_MS);
	}
	return 0;
}

/*
 * The function must be in D0 and the gate closed. Config space is restored on
 * return; decoders and Mem_Enable may be lost.
 */
static int issue_cxl_reset(struct vfio_cxl_device *cxl, bool mem_clr)
{
	u16 ctrl2 = CXL_DVSEC_CTRL2_NO_CACHING;
	struct pci_dev *pdev = cxl->core.pdev;
	struct pci_saved_state *saved;
	int rc;

	rc = lock_device(cxl);
	if (rc)
		return rc;
	rc = pci_save_state(pdev);
	saved = rc ? NULL : pci_store_saved_state(pdev);
	if (!saved) {
		pci_cfg_access_unlock(pdev);
		return rc ?: -ENOMEM;
	}
	pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	pci_cfg_access_unlock(pdev);

	if (!pci_wait_for_pending_transaction(pdev))
		pci_warn(pdev, "starting CXL Reset with transactions pending\n");
	rc = pci_dev_reset_iommu_prepare(pdev);
	if (rc) {
		pci_err(pdev, "cannot block DMA for CXL Reset: %d\n", rc);
		goto out_restore;
	}

	/* A failed write-back has been logged; the reset goes ahead. */
	(void)vfio_cxl_write_back_disable(cxl);
	if (mem_clr)
		ctrl2 |= CXL_DVSEC_CTRL2_MEM_CLR;
	vfio_cxl_write_ctrl2(cxl, ctrl2);
	vfio_cxl_write_ctrl2(cxl, ctrl2 | CXL_DVSEC_CTRL2_RESET);
	cxl->cxl_reset.ends = jiffies +
		msecs_to_jiffies(reset_timeout_ms(cxl->dvsec.cap));
	rc = vfio_cxl_wait_status2(cxl, "CXL Reset",
				   CXL_DVSEC_STATUS2_RESET_DONE,
				   CXL_DVSEC_STATUS2_RESET_ERR,
				   reset_timeout_ms(cxl->dvsec.cap), true);
	cxl->cxl_reset.left = rc == -EINTR || rc == -ECANCELED;
	pci_dev_reset_iommu_done(pdev);

out_restore:
	/*
	 * A concurrent reset may have saved the cleared Command register and
	 * restore it: wait for its end, however long that takes. Holders of config
	 * access never wait for this work item.
	 */
	pci_cfg_access_lock(pdev);
	vfio_cxl_write_ctrl2(cxl, cxl->dvsec.ctrl2);
	if (!pci_load_and_free_saved_state(pdev, &saved))
		pci_restore_state(pdev);
	pci_cfg_access_unlock(pdev);
	return rc;
}

/* -EAGAIN: overtaken by another reset, which left the device in order */
static int do_cxl_reset(struct vfio_cxl_device *cxl, bool clear)
{
	unsigned int seq;
	bool active;
	int rc;

	vfio_cxl_reset_begin(cxl);
	seq = vfio_cxl_reset_seq(cxl, &active);
	if (cxl->committed)
		vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_IN_RESET);
	rc = issue_cxl_reset(cxl, clear);
	/* Another reset came in between and undid the effect of this one. */
	if (!rc && seq != vfio_cxl_reset_seq(cxl, &active))
		rc = -EAGAIN;
	vfio_cxl_reset_end(cxl);

	atomic_long_inc(&cxl->stats.cxl_resets);
	if (rc)
		atomic_long_inc(&cxl->stats.cxl_resets_failed);
	return rc;
}

/* Update the gate after a CXL Reset that returned @rc. */
static void reset_over(struct vfio_cxl_device *cxl, int rc)
{
	if (!cxl->committed)
		return;
	if (!rc || rc == -EAGAIN) {
		vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_IN_RESET |
				      (rc ? 0 : VFIO_CXL_GATE_RESET_FAILED));
		return;
	}
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_RESET_FAILED);
	vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_IN_RESET);
	dev_err_ratelimited(&cxl->core.pdev->dev, "CXL Reset failed (%d); memory stays inaccessible until a reset succeeds\n",
			    rc);
}

/* After a guest's CXL Reset, keep the registers that Table 8-1 lists. */
static void update_virt(struct vfio_cxl_device *cxl, int rc)
{
	bool disabled;

	scoped_guard(mutex, &cxl->virt.lock) {
		if (!rc && cxl->committed)
			(void)vfio_cxl_hdm_cxl_reset(&cxl->virt.hdm);
		if (!rc)
			vfio_cxl_dvsec_cxl_reset(&cxl->virt.dvsec);
		vfio_cxl_dvsec_done(&cxl->virt.dvsec, VFIO_CXL_DVSEC_RESET, !rc);
		disabled = vfio_cxl_dvsec_caching_disabled(&cxl->virt.dvsec);
	}
	/* The guest may have changed Disable_Caching during the reset. */
	vfio_cxl_set_caching(cxl, disabled);
}

static void cxl_reset_work(struct work_struct *work)
{
	struct vfio_cxl_device *cxl = container_of(work, struct vfio_cxl_device,
						   cxl_reset.work);
	unsigned int flags = cxl->cxl_reset.flags;
	bool resetting;
	int rc;

	rc = do_cxl_reset(cxl, flags & VFIO_CXL_RESET_CLEAR);
	cxl->cxl_reset.rc = rc;
	reset_over(cxl, rc);
	if (!rc)
		flush_delayed_work(&cxl->gate.settle);
	/* Once Status2 reports completion, no config write is dropped any more. */
	guard(mutex)(&cxl->own.lock);
	if (flags & VFIO_CXL_RESET_KEEP)
		update_virt(cxl, rc);
	else
		vfio_cxl_virt_init(cxl);
	WRITE_ONCE(cxl->cxl_reset.busy, false);
	/* Another reset, over meanwhile, may have left IN_RESET to this one. */
	vfio_cxl_reset_seq(cxl, &resetting);
	if (!resetting && READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_IN_RESET)
		vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_IN_RESET);
	complete_all(&cxl->cxl_reset.done);
}

/**
 * vfio_cxl_cxl_reset_init - set up the work item
 * @cxl: device, being allocated
 */
void vfio_cxl_cxl_reset_init(struct vfio_cxl_device *cxl)
{
	INIT_WORK(&cxl->cxl_reset.work, cxl_reset_work);
	init_completion(&cxl->cxl_reset.done);
	complete_all(&cxl->cxl_reset.done);
}

/**
 * vfio_cxl_can_cxl_reset - test whether the device supports CXL Reset
 * @cxl: device
 * @clear: whether it must clear the memory, which the specification guarantees
 *	for volatile memory only
 *
 * Return: true if it can.
 */
bool vfio_cxl_can_cxl_reset(struct vfio_cxl_device *cxl, bool clear)
{
	u32 size_lo = cxl->dvsec.hw[CXL_DVSEC_RANGE1_SIZE_LO / 4];

	if (!(cxl->dvsec.cap & CXL_DVSEC_CAP_RESET))
		return false;
	return !clear ||
	       (cxl->dvsec.cap & CXL_DVSEC_CAP_RESET_MEM_CLR &&
		FIELD_GET(CXL_DVSEC_MEDIA_TYPE, size_lo) ==
		CXL_DVSEC_MEDIA_VOLATILE);
}

/**
 * vfio_cxl_cxl_reset_start - start a CXL Reset
 * @cxl: device, open; the caller holds own.lock
 * @flags: %VFIO_CXL_RESET_KEEP and so on
 *
 * On return the memory is unreachable. Status2 of the virtual DVSEC reports
 * completion; vfio_cxl_cxl_reset_wait() waits for it.
 *
 * Return: 0, -EBUSY if a CXL Reset is already in progress, or -EIO if the device
 * is suspended.
 */
int vfio_cxl_cxl_reset_start(struct vfio_cxl_device *cxl, unsigned int flags)
{
	lockdep_assert_held(&cxl->own.lock);

	if (READ_ONCE(cxl->cxl_reset.busy))
		return -EBUSY;
	if (vfio_cxl_is_asleep(cxl))
		return -EIO;
	if (cxl->committed)
		vfio_cxl_gate_shut(cxl, VFIO_CXL_GATE_IN_RESET);
	cxl->cxl_reset.flags = flags;
	reinit_completion(&cxl->cxl_reset.done);
	WRITE_ONCE(cxl->cxl_reset.busy, true);
	queue_work(system_long_wq, &cxl->cxl_reset.work);
	return 0;
}

/**
 * vfio_cxl_cxl_reset_wait - wait until no CXL Reset is in progress
 * @cxl: device; the caller holds no lock
 *
 * Return: result of the last CXL Reset, or -EINTR if the task was killed.
 */
int vfio_cxl_cxl_reset_wait(struct vfio_cxl_device *cxl)
{
	if (wait_for_completion_killable(&cxl->cxl_reset.done))
		return -EINTR;
	return cxl->cxl_reset.rc;
}

/**
 * vfio_cxl_cxl_reset_cancel - stop the work items
 * @cxl: device, being closed
 *
 * On return no work item touches the device. A CXL Reset in progress is abandoned
 * and counts as failed.
 */
void vfio_cxl_cxl_reset_cancel(struct vfio_cxl_device *cxl)
{
	WRITE_ONCE(cxl->cxl_reset.cancel, true);
	flush_work(&cxl->cxl_reset.work);
	vfio_cxl_settle_stop(cxl);
	WRITE_ONCE(cxl->cxl_reset.cancel, false);
}

/**
 * vfio_cxl_cxl_reset_outlast - wait for an abandoned CXL Reset to complete
 * @cxl: device, being opened or closed
 *
 * The specification does not define what another reset does to a device that is
 * still in CXL Reset. It may ignore a second CXL Reset, and with it Mem_Clr, and
 * the completion of the first one would be taken for that of the second.
 *
 * Return: 0 whether or not the reset succeeded, or -EINTR if the task was killed.
 */
int vfio_cxl_cxl_reset_outlast(struct vfio_cxl_device *cxl)
{
	unsigned long ends = cxl->cxl_reset.ends;

	if (!cxl->cxl_reset.left)
		return 0;
	if (time_before(jiffies, ends) &&
	    vfio_cxl_wait_status2(cxl, "CXL Reset", CXL_DVSEC_STATUS2_RESET_DONE,
				  CXL_DVSEC_STATUS2_RESET_ERR,
				  jiffies_to_msecs(ends - jiffies),
				  true) == -EINTR)
		return -EINTR;
	cxl->cxl_reset.left = false;
	return 0;
}

/**
 * vfio_cxl_cxl_reset_now - perform a CXL Reset and wait for it
 * @cxl: device, in D0, with no user
 * @clear: also clear the memory
 *
 * Return: 0 if the device was reset and, with @clear, its memory cleared; or an
 * error.
 */
int vfio_cxl_cxl_reset_now(struct vfio_cxl_device *cxl, bool clear)
{
	int rc;

	if (!vfio_cxl_can_cxl_reset(cxl, clear))
		return -EOPNOTSUPP;
	if (cxl->cxl_reset.left)
		return -EBUSY;
	rc = do_cxl_reset(cxl, clear);
	reset_over(cxl, rc);
	return rc;
}
