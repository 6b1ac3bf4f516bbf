// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Resets
 *
 * The PCI core calls the driver before and after every reset of the function,
 * whoever requested it. The gate is closed before, and reopened once the physical
 * decoder has been verified (settle.c). After a failed reset it stays closed until
 * a later one succeeds. The PCI core does not know CXL Reset: see cxl_reset.c.
 */
#include <linux/pci.h>

#include "priv.h"

/**
 * vfio_cxl_virt_init - initialize the virtual registers
 * @cxl: device
 */
void vfio_cxl_virt_init(struct vfio_cxl_device *cxl)
{
	u32 hw[CXL_DVSEC_DEVICE_SIZE / 4];

	memcpy(hw, cxl->dvsec.hw, sizeof(hw));
	hw[CXL_DVSEC_CAP / 4] = cxl->dvsec.cap;

	guard(mutex)(&cxl->virt.lock);
	vfio_cxl_dvsec_init(&cxl->virt.dvsec, hw, cxl->dvsec.len);
	if (cxl->committed)
		vfio_cxl_hdm_reset(&cxl->virt.hdm);
}

/* Flags of the reset that this task requested, or 0 */
static unsigned int own_flags(struct vfio_cxl_device *cxl)
{
	return READ_ONCE(cxl->own.task) == current ? cxl->own.flags : 0;
}

/* Have the VFIO core reset the function */
static long function_reset(struct vfio_cxl_device *cxl)
{
	long rc;

	guard(mutex)(&cxl->own.lock);
	vfio_cxl_own_begin(cxl, 0);
	rc = vfio_pci_core_ioctl(&cxl->core.vdev, VFIO_DEVICE_RESET, 0);
	vfio_cxl_own_end(cxl);
	vfio_cxl_update_power(cxl);
	return rc;
}

/**
 * vfio_cxl_device_reset - VFIO_DEVICE_RESET
 * @cxl: device, open
 *
 * A VMM calls this for a system reset. Performs a CXL Reset that clears the memory
 * if the device supports that, or else a function reset. A function reset also
 * wakes a suspended device. Waits until the memory is usable again or the reset
 * has failed; the caller can be killed while it waits.
 *
 * Return: as ioctl(2).
 */
long vfio_cxl_device_reset(struct vfio_cxl_device *cxl)
{
	bool clear = cxl->committed && vfio_cxl_can_cxl_reset(cxl, true);
	bool asleep = vfio_cxl_is_asleep(cxl);
	long rc;

	if (!clear && !cxl->core.reset_works &&
	    !vfio_cxl_can_cxl_reset(cxl, false))
		return -EINVAL;
	do {
		rc = vfio_cxl_cxl_reset_wait(cxl);
		if (rc == -EINTR)
			return rc;
		if (asleep || !(clear || !cxl->core.reset_works)) {
			rc = function_reset(cxl);
			if (rc || !clear || vfio_cxl_is_asleep(cxl))
				break;
			asleep = false;
		}
		scoped_guard(mutex, &cxl->own.lock)
			rc = vfio_cxl_cxl_reset_start(cxl, clear ?
						      VFIO_CXL_RESET_CLEAR : 0);
		if (!rc)
			rc = vfio_cxl_cxl_reset_wait(cxl);
	} while (rc == -EBUSY);
	if (rc || !cxl->committed || vfio_cxl_is_asleep(cxl))
		return rc;
	return vfio_cxl_settle_wait(cxl);
}

static void vfio_cxl_reset_prepare(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	vfio_cxl_reset_begin(cxl);
	if (cxl->committed)
		vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_IN_RESET);
	/* A reset may drop what the device caches of host memory. */
	if (pdev->current_state == PCI_D0)
		(void)vfio_cxl_write_back(cxl);
}

static void reset_over(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	if (!(own_flags(cxl) & VFIO_CXL_RESET_KEEP))
		vfio_cxl_virt_init(cxl);
	if (!cxl->committed)
		return;
	/* A reset during AER recovery does not recover the link. */
	if (READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_LINK_FROZEN)
		return;
	/* A hot reset wakes all devices of the set. */
	if (!vfio_cxl_is_asleep(cxl))
		reasons |= VFIO_CXL_GATE_SUSPENDED;
	vfio_cxl_settle(cxl, reasons);
}

static void vfio_cxl_reset_done(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	vfio_cxl_reset_end(cxl);
	/* If a CXL Reset is in progress, its work item clears IN_RESET. */
	reset_over(cxl, (READ_ONCE(cxl->cxl_reset.busy) ? 0 :
			 VFIO_CXL_GATE_IN_RESET) | VFIO_CXL_GATE_RESET_FAILED);
}

/* Unlike reset_prepare(), for a reset that restores no config space */
static void link_lost(struct vfio_cxl_device *cxl)
{
	vfio_cxl_reset_begin(cxl);
	vfio_cxl_reset_end(cxl);
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_LINK_FROZEN);
}

static pci_ers_result_t vfio_cxl_error_detected(struct pci_dev *pdev,
						pci_channel_state_t state)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	/* The PCI core resets a frozen link next. */
	if (state != pci_channel_io_normal)
		link_lost(cxl);
	/* Recovery failed: the gate stays closed until a reset succeeds. */
	if (state == pci_channel_io_perm_failure) {
		if (cxl->committed)
			vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_RESET_FAILED);
		vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_LINK_FROZEN);
	}
	return vfio_pci_core_aer_err_detected(pdev, state);
}

/*
 * The PCI core has reset the bus. After an error of another function whose driver
 * asked for it, this is the first that the driver hears of the reset.
 */
static pci_ers_result_t vfio_cxl_slot_reset(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	if (!(READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_LINK_FROZEN))
		link_lost(cxl);
	return PCI_ERS_RESULT_RECOVERED;
}

static void vfio_cxl_resume(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	if (!(READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_LINK_FROZEN))
		return;
	vfio_cxl_state_restore_config(cxl);
	vfio_cxl_virt_init(cxl);
	if (cxl->committed)
		vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_LINK_FROZEN |
				      VFIO_CXL_GATE_RESET_FAILED);
	else
		vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_LINK_FROZEN);
}

const struct pci_error_handlers vfio_cxl_err_handlers = {
	.error_detected	= vfio_cxl_error_detected,
	.slot_reset	= vfio_cxl_slot_reset,
	.resume		= vfio_cxl_resume,
	.reset_prepare	= vfio_cxl_reset_prepare,
	.reset_done	= vfio_cxl_reset_done,
};
