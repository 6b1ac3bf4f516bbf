// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Recovery of the memory after a reset or a suspend
 *
 * Device memory may take minutes to become active, and the decoder may be lost.
 * Until both have been verified the gate stays closed with
 * %VFIO_CXL_GATE_SETTLING. If the memory is active at once the check is done
 * synchronously, otherwise by a work item: no lock is held while waiting.
 */
#include <linux/pci.h>

#include "priv.h"

#define SETTLE_POLL_MS	20

/**
 * vfio_cxl_is_asleep - test whether the device is suspended
 * @cxl: device
 *
 * Return: true if it is in D3hot, D3cold or VFIO low power.
 */
bool vfio_cxl_is_asleep(struct vfio_cxl_device *cxl)
{
	return cxl->core.pm_runtime_engaged ||
	       cxl->core.pdev->current_state == PCI_D3hot ||
	       cxl->core.pdev->current_state == PCI_D3cold;
}

/* The caller has locked config access. @active is false after a timeout. */
static void settle_finish(struct vfio_cxl_device *cxl, bool active)
{
	if (active && vfio_cxl_state_restore_decoder(cxl)) {
		vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_SETTLING |
				      VFIO_CXL_GATE_NO_DECODER);
		return;
	}
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_NO_DECODER);
	vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_SETTLING);
}

static bool settle_timed_out(struct vfio_cxl_device *cxl, u32 size_lo)
{
	unsigned int limit = vfio_cxl_mem_active_limit_ms(cxl);

	if (time_before(jiffies, cxl->gate.settle_from +
			msecs_to_jiffies(limit)))
		return false;
	pci_err(cxl->core.pdev, "memory not active after %u ms, stays inaccessible: Range 1 Size Low is %#x\n",
		limit, size_lo);
	return true;
}

static void settle_again(struct vfio_cxl_device *cxl)
{
	mod_delayed_work(system_long_wq, &cxl->gate.settle,
			 msecs_to_jiffies(SETTLE_POLL_MS));
}

static void settle_work(struct work_struct *work)
{
	struct vfio_cxl_device *cxl = container_of(to_delayed_work(work),
						   struct vfio_cxl_device,
						   gate.settle);
	struct pci_dev *pdev = cxl->core.pdev;
	bool active, resetting;
	u32 size_lo;

	if (!(READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_SETTLING))
		return;
	active = vfio_cxl_mem_active(cxl, &size_lo);
	if (!active && pdev->error_state != pci_channel_io_perm_failure &&
	    !settle_timed_out(cxl, size_lo)) {
		settle_again(cxl);
		return;
	}
	/* Exclude the user's config writes and other resets. */
	if (!mutex_trylock(&cxl->own.lock)) {
		settle_again(cxl);
		return;
	}
	if (!pci_cfg_access_trylock(pdev)) {
		mutex_unlock(&cxl->own.lock);
		settle_again(cxl);
		return;
	}
	vfio_cxl_reset_seq(cxl, &resetting);
	if (resetting)
		settle_again(cxl);
	else if (vfio_cxl_is_asleep(cxl))	/* SUSPENDED keeps it closed. */
		vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_SETTLING);
	else
		settle_finish(cxl, active);
	pci_cfg_access_unlock(pdev);
	mutex_unlock(&cxl->own.lock);
}

/**
 * vfio_cxl_settle_init - set up the work item
 * @cxl: device, being allocated
 */
void vfio_cxl_settle_init(struct vfio_cxl_device *cxl)
{
	INIT_DELAYED_WORK(&cxl->gate.settle, settle_work);
}

/**
 * vfio_cxl_settle_later - schedule the check of memory and decoder
 * @cxl: a firmware-committed device, out of reset
 * @reasons: reasons to drop
 *
 * Returns at once. The gate stays closed until the work item has verified memory
 * and decoder.
 */
void vfio_cxl_settle_later(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SETTLING);
	vfio_cxl_gate_unblock(cxl, reasons);
	cxl->gate.settle_from = jiffies;
	mod_delayed_work(system_long_wq, &cxl->gate.settle, 0);
}

/**
 * vfio_cxl_settle_stop - cancel the work item
 * @cxl: device
 *
 * Needed before a reset that only tries to lock config access, which the work
 * item locks briefly. Does not change the gate. May sleep.
 */
void vfio_cxl_settle_stop(struct vfio_cxl_device *cxl)
{
	cancel_delayed_work_sync(&cxl->gate.settle);
}

/**
 * vfio_cxl_settle - check memory and decoder, and open the gate
 * @cxl: a firmware-committed device, out of reset. The caller holds the device
 *	lock and config access, as in the callback after a reset.
 * @reasons: reasons to drop
 *
 * Does not wait: if the memory is not active yet, the work item takes over.
 */
void vfio_cxl_settle(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	u32 size_lo;

	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SETTLING);
	vfio_cxl_gate_unblock(cxl, reasons);
	if (vfio_cxl_mem_active(cxl, &size_lo)) {
		settle_finish(cxl, true);
		return;
	}
	cxl->gate.settle_from = jiffies;
	settle_again(cxl);
}

/* A link that is frozen may thaw only once the waiting task is gone. */
static bool is_settled(struct vfio_cxl_device *cxl)
{
	unsigned int reasons = READ_ONCE(cxl->gate.reasons);

	return reasons & VFIO_CXL_GATE_LINK_FROZEN ||
	       !(reasons & (VFIO_CXL_GATE_SETTLING | VFIO_CXL_GATE_IN_RESET));
}

/**
 * vfio_cxl_settle_wait - wait until the memory is usable or recovery has failed
 * @cxl: device; the caller holds no lock that a fault or a reset takes
 *
 * The device's own timeouts limit the wait. A task can be killed while it waits,
 * unless it is exiting already.
 *
 * Return: 0, -EIO if the memory stays inaccessible, or -EINTR if killed.
 */
int vfio_cxl_settle_wait(struct vfio_cxl_device *cxl)
{
	if (current->flags & PF_EXITING)
		wait_event_idle(cxl->gate.wait, is_settled(cxl));
	else if (wait_event_killable(cxl->gate.wait, is_settled(cxl)))
		return -EINTR;
	return READ_ONCE(cxl->gate.reasons) & ~VFIO_CXL_GATE_NOT_OPEN ? -EIO : 0;
}

/**
 * vfio_cxl_update_power - update the gate after a change of power state
 * @cxl: device, open; the caller holds own.lock
 *
 * To be called after everything that may suspend or resume the device. Before a
 * suspend the caller must close the gate itself.
 */
void vfio_cxl_update_power(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;

	lockdep_assert_held(&cxl->own.lock);

	if (!cxl->committed)
		return;
	if (vfio_cxl_is_asleep(cxl)) {
		vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SUSPENDED);
		return;
	}
	if (!(READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_SUSPENDED))
		return;
	/* The decoder may be lost on resume. */
	if (!pci_cfg_access_trylock(pdev)) {
		vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_SUSPENDED);
		return;
	}
	vfio_cxl_settle(cxl, VFIO_CXL_GATE_SUSPENDED);
	pci_cfg_access_unlock(pdev);
}
