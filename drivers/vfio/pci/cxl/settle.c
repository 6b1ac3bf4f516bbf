// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: After a reset, and after a sleep
 *
 * The memory of a device may take minutes to become active, and its decoder may
 * be lost. Until it is known to be in place the gate stays closed for
 * %VFIO_CXL_GATE_SETTLING. Nobody waits for that under a lock: what can be done
 * at once is done at once, the rest by a work item.
 */
#include <linux/pci.h>

#include "priv.h"

#define SETTLE_POLL_MS	20

/**
 * vfio_cxl_is_asleep - whether the device is in D3 or low power
 * @cxl: device
 *
 * Return: true if it is.
 */
bool vfio_cxl_is_asleep(struct vfio_cxl_device *cxl)
{
	return cxl->core.pm_runtime_engaged ||
	       cxl->core.pdev->current_state == PCI_D3hot ||
	       cxl->core.pdev->current_state == PCI_D3cold;
}

/*
 * The memory is active, or will not be. Nobody else resets the device or writes
 * to its config space.
 */
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
	if (!active && !settle_timed_out(cxl, size_lo)) {
		settle_again(cxl);
		return;
	}
	/* Against the user's config writes, and against other resets. */
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
	else if (vfio_cxl_is_asleep(cxl))	/* It is not over by that. */
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
 * vfio_cxl_settle_later - have the memory checked, and the gate opened
 * @cxl: a firmware-committed device, out of reset
 * @reasons: that are no more
 *
 * Returns at once; the gate stays closed until a work item found all in place.
 */
void vfio_cxl_settle_later(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_SETTLING);
	vfio_cxl_gate_unblock(cxl, reasons);
	cxl->gate.settle_from = jiffies;
	mod_delayed_work(system_long_wq, &cxl->gate.settle, 0);
}

/**
 * vfio_cxl_settle_stop - keep the work item off the device
 * @cxl: device
 *
 * To be called before a reset that does not wait for config access: the work
 * item has it locked for a moment. The gate stays as it is. May sleep.
 */
void vfio_cxl_settle_stop(struct vfio_cxl_device *cxl)
{
	cancel_delayed_work_sync(&cxl->gate.settle);
}

/**
 * vfio_cxl_settle - check the memory, and open the gate if it is in place
 * @cxl: a firmware-committed device, out of reset. The caller keeps others from
 *	resetting it and from writing to its config space: it holds the device's
 *	lock and config access (as in the callback after a reset).
 * @reasons: that are no more
 *
 * Does not wait: as long as the memory is not active a work item goes on.
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

static bool is_settled(struct vfio_cxl_device *cxl)
{
	return !(READ_ONCE(cxl->gate.reasons) &
		 (VFIO_CXL_GATE_SETTLING | VFIO_CXL_GATE_IN_RESET));
}

/**
 * vfio_cxl_settle_wait - wait until the memory is in place, or will not be
 * @cxl: device; the caller holds no lock that a fault or a reset takes
 *
 * As long as the device itself says that it may take. A task that exits, and closes
 * the device by that, waits to the end.
 *
 * Return: 0, -EIO when the memory stays out of reach, -EINTR when killed.
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
 * vfio_cxl_update_power - close the gate of a device that sleeps, or open it
 * @cxl: device, open; the caller holds own.lock
 *
 * To be called after everything that may put the device to sleep or wake it up.
 * What puts it to sleep closes the gate before.
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
	/* Waking up it may have lost its decoder. */
	if (!pci_cfg_access_trylock(pdev)) {
		vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_SUSPENDED);
		return;
	}
	vfio_cxl_settle(cxl, VFIO_CXL_GATE_SUSPENDED);
	pci_cfg_access_unlock(pdev);
}
