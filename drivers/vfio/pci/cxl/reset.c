// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Resets
 *
 * Whoever resets the function, the PCI core calls back before and after: the
 * gate is closed, and opens again once the physical decoder is known to be in
 * place. A reset that failed leaves it closed until another one succeeds.
 *
 * What CXL adds to a function's reset, CXL Reset (CXL r4.0 sec 9.7), runs in
 * the callback before it. So it has the VFIO core's locks, its zapping of
 * mappings and its saved config space for nothing, and the driver needs no way
 * of its own to do all that. It is asked for by vfio_cxl_reset() only; no
 * other reset of the function implies it.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/memregion.h>
#include <linux/pci.h>

#include "priv.h"

/* How often Status2 is looked at */
#define STATUS2_POLL_MS		10
/* The specification sets no limit to writing a cache back. */
#define WRITE_BACK_TIMEOUT_MS	1000

/* CXL Reset Timeout: 10 ms to 100 s, in powers of ten */
static unsigned int reset_timeout_ms(u32 cap)
{
	unsigned int ms = 10, n = FIELD_GET(CXL_DVSEC_CAP_RESET_TMO, cap);

	for (n = min(n, 4U); n; n--)
		ms *= 10;
	return ms;
}

static void write_ctrl2(struct vfio_cxl_device *cxl, u16 val)
{
	pci_write_config_word(cxl->core.pdev,
			      cxl->dvsec + CXL_DVSEC_CTRL2_STATUS2, val);
}

/* Wait for a bit of Status2; while in reset a device need not answer. */
static int wait_status2(struct vfio_cxl_device *cxl, const char *what,
			u32 done, u32 failed, unsigned int limit_ms)
{
	struct pci_dev *pdev = cxl->core.pdev;
	unsigned int waited;
	u32 val;

	for (waited = 0; ; waited += STATUS2_POLL_MS) {
		pci_read_config_dword(pdev,
				      cxl->dvsec + CXL_DVSEC_CTRL2_STATUS2,
				      &val);
		if (!PCI_POSSIBLE_ERROR(val)) {
			if (val & failed) {
				pci_err(pdev, "%s failed: Status2 is %#x\n",
					what, val >> 16);
				return -EIO;
			}
			if (val & done)
				return 0;
		}
		if (waited >= limit_ms)
			break;
		msleep(STATUS2_POLL_MS);
	}
	pci_err(pdev, "%s did not end in %u ms: Status2 is %#x\n", what,
		limit_ms, val >> 16);
	return -ETIMEDOUT;
}

/* The device keeps caching disabled. */
static int write_back(struct vfio_cxl_device *cxl)
{
	if (!(cxl->dvsec_cap & CXL_DVSEC_CAP_WBI))
		return 0;
	write_ctrl2(cxl, CXL_DVSEC_CTRL2_NO_CACHING);
	write_ctrl2(cxl, CXL_DVSEC_CTRL2_NO_CACHING | CXL_DVSEC_CTRL2_WBI);
	return wait_status2(cxl, "cache write-back",
			    CXL_DVSEC_STATUS2_CACHE_INV, 0,
			    WRITE_BACK_TIMEOUT_MS);
}

/**
 * vfio_cxl_write_back - have the device write back and invalidate its cache
 * @cxl: device
 *
 * What the guest asks for by the doorbell. Caching goes on afterwards as
 * firmware configured it.
 *
 * Return: 0 or an error, which has been logged.
 */
int vfio_cxl_write_back(struct vfio_cxl_device *cxl)
{
	int rc;

	/* Not during a reset, whoever does it */
	if (!pci_cfg_access_trylock(cxl->core.pdev))
		return -EAGAIN;
	rc = write_back(cxl);
	write_ctrl2(cxl, cxl->dvsec_ctrl2);
	pci_cfg_access_unlock(cxl->core.pdev);
	return rc;
}

/*
 * The CPU's caches hold lines of the memory, too. Those that are written back
 * after the device has cleared it would bring a tenant's data back. A virtual
 * machine cannot do this, and what it sees as a cache is its hypervisor's.
 */
static bool drop_cpu_caches(struct vfio_cxl_device *cxl)
{
	if (!cxl->committed || !cpu_cache_has_invalidate_memregion())
		return false;
	return !cpu_cache_invalidate_memregion(cxl->decoder.base,
					       cxl->decoder.size);
}

/*
 * The function is ours, awake, and its memory out of reach for CPUs. Config
 * space is as before afterwards; the decoders may be lost.
 */
static int cxl_reset(struct vfio_cxl_device *cxl, bool mem_clr)
{
	u16 ctrl2 = CXL_DVSEC_CTRL2_NO_CACHING;
	struct pci_dev *pdev = cxl->core.pdev;
	int rc;

	rc = pci_save_state(pdev);
	if (rc)
		return rc;
	pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	if (!pci_wait_for_pending_transaction(pdev))
		pci_warn(pdev, "CXL Reset with transactions pending\n");
	rc = pci_dev_reset_iommu_prepare(pdev);
	if (rc) {
		pci_err(pdev, "cannot stop the IOMMU for CXL Reset: %d\n", rc);
		goto out_restore;
	}

	/* What cannot be written back is lost in the reset: logged, no more. */
	write_back(cxl);
	if (mem_clr)
		ctrl2 |= CXL_DVSEC_CTRL2_MEM_CLR;
	write_ctrl2(cxl, ctrl2);
	write_ctrl2(cxl, ctrl2 | CXL_DVSEC_CTRL2_RESET);
	rc = wait_status2(cxl, "CXL Reset", CXL_DVSEC_STATUS2_RESET_DONE,
			  CXL_DVSEC_STATUS2_RESET_ERR,
			  reset_timeout_ms(cxl->dvsec_cap));

	pci_dev_reset_iommu_done(pdev);
	write_ctrl2(cxl, cxl->dvsec_ctrl2);
out_restore:
	pci_restore_state(pdev);
	return rc;
}

/**
 * vfio_cxl_reset - reset the function for its user
 * @cxl: device, open; the caller holds config_lock
 * @how: %VFIO_CXL_RESET_CXL and so on. What the device is not capable of is
 *	left out.
 *
 * Return: 0 or an error; the gate stays closed after one.
 */
int vfio_cxl_reset(struct vfio_cxl_device *cxl, unsigned int how)
{
	int rc;

	lockdep_assert_held(&cxl->config_lock);

	if (!(cxl->dvsec_cap & CXL_DVSEC_CAP_RESET))
		how &= ~VFIO_CXL_RESET_CXL;
	if (!(cxl->dvsec_cap & CXL_DVSEC_CAP_RESET_MEM_CLR))
		how &= ~VFIO_CXL_RESET_CLEAR;
	cxl->reset_how = how;
	cxl->reset_rc = 0;
	WRITE_ONCE(cxl->reset_task, current);
	rc = vfio_pci_core_ioctl(&cxl->core.vdev, VFIO_DEVICE_RESET, 0);
	WRITE_ONCE(cxl->reset_task, NULL);
	vfio_cxl_power_settle(cxl);
	return cxl->reset_rc ?: rc;
}

/**
 * vfio_cxl_reset_clear - have the device clear its memory by CXL Reset
 * @cxl: device, closed, in D0
 *
 * Return: 0 when the memory is clear; an error when it may not be, also
 * because the device cannot do that, or somebody else holds the device.
 */
int vfio_cxl_reset_clear(struct vfio_cxl_device *cxl)
{
	const u32 caps = CXL_DVSEC_CAP_RESET | CXL_DVSEC_CAP_RESET_MEM_CLR;
	struct pci_dev *pdev = cxl->core.pdev;
	bool dropped;
	int rc;

	if ((cxl->dvsec_cap & caps) != caps)
		return -EOPNOTSUPP;
	/* Waiting could deadlock: an unbind waits for us with this lock held. */
	if (!pci_dev_trylock(pdev))
		return -EAGAIN;
	dropped = drop_cpu_caches(cxl);
	rc = cxl_reset(cxl, true);
	pci_dev_unlock(pdev);
	return rc ?: dropped ? 0 : -EOPNOTSUPP;
}

/**
 * vfio_cxl_check_decoder - see that the physical decoder is in place
 * @cxl: a firmware-committed device, out of reset
 *
 * The gate opens or closes accordingly.
 *
 * Return: whether the device decodes its memory.
 */
bool vfio_cxl_check_decoder(struct vfio_cxl_device *cxl)
{
	bool ok = vfio_cxl_restore_decoder(cxl);

	if (ok)
		vfio_cxl_gate_open(cxl, VFIO_CXL_NO_DECODER);
	else
		vfio_cxl_gate_close(cxl, VFIO_CXL_NO_DECODER);
	return ok;
}

static bool is_asleep(struct vfio_cxl_device *cxl)
{
	return cxl->core.pm_runtime_engaged ||
	       cxl->core.pdev->current_state == PCI_D3hot ||
	       cxl->core.pdev->current_state == PCI_D3cold;
}

/**
 * vfio_cxl_power_settle - close the gate of a device that sleeps, or open it
 * @cxl: device, open; the caller holds config_lock
 *
 * To be called before and after everything that may put the device to sleep or
 * wake it up: waking up, it may have lost its decoder.
 */
void vfio_cxl_power_settle(struct vfio_cxl_device *cxl)
{
	lockdep_assert_held(&cxl->config_lock);

	if (!cxl->committed ||
	    (!is_asleep(cxl) && !(READ_ONCE(cxl->closed) & VFIO_CXL_POWER)))
		return;
	guard(rwsem_write)(&cxl->core.memory_lock);
	if (is_asleep(cxl))
		vfio_cxl_gate_close(cxl, VFIO_CXL_POWER);
	else if (vfio_cxl_check_decoder(cxl))
		vfio_cxl_gate_open(cxl, VFIO_CXL_POWER);
}

static void reset_begins(struct vfio_cxl_device *cxl, unsigned int why)
{
	scoped_guard(rwsem_write, &cxl->gate_lock)
		cxl->reset_seq |= 1;
	vfio_cxl_gate_close(cxl, why);
}

static void reset_is_over(struct vfio_cxl_device *cxl)
{
	guard(rwsem_write)(&cxl->gate_lock);
	/* Not before recovery of the link is */
	if (!(cxl->closed & VFIO_CXL_FROZEN))
		cxl->reset_seq = (cxl->reset_seq | 1) + 1;
}

/* A reset that this task asked for, or 0 */
static unsigned int reset_how(struct vfio_cxl_device *cxl)
{
	return READ_ONCE(cxl->reset_task) == current ? cxl->reset_how : 0;
}

static void vfio_cxl_reset_prepare(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);
	unsigned int how = reset_how(cxl);

	if (cxl->committed)
		reset_begins(cxl, VFIO_CXL_IN_RESET);
	if (!(how & VFIO_CXL_RESET_CXL))
		return;
	if (how & VFIO_CXL_RESET_CLEAR)
		drop_cpu_caches(cxl);
	cxl->reset_rc = cxl_reset(cxl, how & VFIO_CXL_RESET_CLEAR);
}

static void vfio_cxl_reset_done(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);
	unsigned int how = reset_how(cxl);

	if (!(how & VFIO_CXL_RESET_KEEP))
		vfio_cxl_reset_shadow(cxl);
	if (!cxl->committed)
		return;
	reset_is_over(cxl);
	if (!vfio_cxl_check_decoder(cxl))
		return;
	if (how & VFIO_CXL_RESET_CXL && cxl->reset_rc) {
		pci_err(pdev, "memory stays closed until a reset succeeds\n");
		return;
	}
	vfio_cxl_gate_open(cxl, VFIO_CXL_IN_RESET);
}

/*
 * A link that is frozen is reset next, which comes with no other callback
 * before recovery is over, and restores nothing. A reset of the function that
 * somebody fits in between does not make the link good.
 */
static pci_ers_result_t vfio_cxl_error_detected(struct pci_dev *pdev,
						pci_channel_state_t state)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	if (state == pci_channel_io_frozen)
		reset_begins(cxl, VFIO_CXL_FROZEN | VFIO_CXL_IN_RESET);
	/* Given up: it is for the next reset to open the gate. */
	if (state == pci_channel_io_perm_failure) {
		reset_begins(cxl, VFIO_CXL_IN_RESET);
		vfio_cxl_gate_open(cxl, VFIO_CXL_FROZEN);
	}
	return vfio_pci_core_aer_err_detected(pdev, state);
}

static void vfio_cxl_resume(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	if (!(READ_ONCE(cxl->closed) & VFIO_CXL_FROZEN))
		return;
	vfio_cxl_restore_config(cxl);
	vfio_cxl_gate_open(cxl, VFIO_CXL_FROZEN);
	vfio_cxl_reset_done(pdev);
}

const struct pci_error_handlers vfio_cxl_err_handlers = {
	.error_detected	= vfio_cxl_error_detected,
	.resume		= vfio_cxl_resume,
	.reset_prepare	= vfio_cxl_reset_prepare,
	.reset_done	= vfio_cxl_reset_done,
};
