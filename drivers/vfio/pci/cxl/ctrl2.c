// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Control2 and Status2, and the device's own cache
 *
 * Accesses to these registers of the physical Device DVSEC (CXL r4.0 sec 8.1.3.4,
 * 8.1.3.5). The guest controls Disable_Caching; the driver has the device write
 * back its cache of host memory before resets.
 */
#include <linux/delay.h>
#include <linux/pci.h>

#include "priv.h"

/* Polling interval of Status2 */
#define STATUS2_POLL_MS		10
/* The specification defines no timeout for a cache write-back. */
#define WRITE_BACK_TIMEOUT_MS	1000

/**
 * vfio_cxl_write_ctrl2 - write to the physical Control2
 * @cxl: device
 * @val: all of the register
 */
void vfio_cxl_write_ctrl2(struct vfio_cxl_device *cxl, u16 val)
{
	pci_write_config_word(cxl->core.pdev,
			      cxl->dvsec.pos + CXL_DVSEC_CTRL2_STATUS2, val);
}

/**
 * vfio_cxl_wait_status2 - wait for a bit of the physical Status2
 * @cxl: device; it need not respond while it is in reset
 * @what: name of the operation for log messages
 * @done: bits that report success, as in the dword with Control2
 * @failed: bits that report failure
 * @limit_ms: timeout
 * @killable: return early if the task is killed
 *
 * Return: 0; -EIO if the device reported failure or is gone; -ETIMEDOUT;
 * -ECANCELED if the device is being closed; or -EINTR if the task was killed.
 */
int vfio_cxl_wait_status2(struct vfio_cxl_device *cxl, const char *what,
			  u32 done, u32 failed, unsigned int limit_ms,
			  bool killable)
{
	unsigned long end = jiffies + msecs_to_jiffies(limit_ms);
	struct pci_dev *pdev = cxl->core.pdev;
	bool late;
	u32 val;

	do {
		late = time_after(jiffies, end);
		pci_read_config_dword(pdev, cxl->dvsec.pos +
				      CXL_DVSEC_CTRL2_STATUS2, &val);
		if (!PCI_POSSIBLE_ERROR(val)) {
			if (val & failed) {
				dev_err_ratelimited(&pdev->dev, "%s failed: Status2 is %#x\n",
						    what, val >> 16);
				return -EIO;
			}
			if (val & done)
				return 0;
		}
		if (pdev->error_state == pci_channel_io_perm_failure)
			return -EIO;
		if (READ_ONCE(cxl->cxl_reset.cancel))
			return -ECANCELED;
		if (killable && vfio_cxl_killed())
			return -EINTR;
		msleep(STATUS2_POLL_MS);
	} while (!late);
	dev_err_ratelimited(&pdev->dev, "%s timed out after %u ms: Status2 is %#x\n",
			    what, limit_ms, val >> 16);
	return -ETIMEDOUT;
}

/**
 * vfio_cxl_write_back_disable - write back the device's cache and disable it
 * @cxl: device, in D0; the caller serializes accesses to Control2
 *
 * Return: 0 or an error, which has been logged.
 */
int vfio_cxl_write_back_disable(struct vfio_cxl_device *cxl)
{
	if (!(cxl->dvsec.cap & CXL_DVSEC_CAP_WBI))
		return 0;
	vfio_cxl_write_ctrl2(cxl, CXL_DVSEC_CTRL2_NO_CACHING);
	vfio_cxl_write_ctrl2(cxl, CXL_DVSEC_CTRL2_NO_CACHING |
			     CXL_DVSEC_CTRL2_WBI);
	return vfio_cxl_wait_status2(cxl, "cache write-back",
				     CXL_DVSEC_STATUS2_CACHE_INV, 0,
				     WRITE_BACK_TIMEOUT_MS, false);
}

static u16 idle_ctrl2(struct vfio_cxl_device *cxl, bool caching_disabled)
{
	return cxl->dvsec.ctrl2 |
	       (caching_disabled ? CXL_DVSEC_CTRL2_NO_CACHING : 0);
}

/**
 * vfio_cxl_set_caching - enable or disable the device's cache
 * @cxl: device
 * @disabled: Disable_Caching as the guest wrote it
 *
 * The guest controls the physical bit, so that its view of the cache is true.
 */
void vfio_cxl_set_caching(struct vfio_cxl_device *cxl, bool disabled)
{
	/* Not during a reset */
	if (!pci_cfg_access_trylock(cxl->core.pdev))
		return;
	vfio_cxl_write_ctrl2(cxl, idle_ctrl2(cxl, disabled));
	pci_cfg_access_unlock(cxl->core.pdev);
}

/**
 * vfio_cxl_write_back - have the device write back and invalidate its cache
 * @cxl: device, awake; the caller holds its config access
 *
 * What must be done before a reset that may drop it. Caching goes on afterwards
 * as the guest, or else firmware, configured it.
 *
 * Return: 0 or an error, which has been logged.
 */
int vfio_cxl_write_back(struct vfio_cxl_device *cxl)
{
	bool disabled;
	int rc;

	if (!(cxl->dvsec.cap & CXL_DVSEC_CAP_WBI))
		return 0;
	scoped_guard(mutex, &cxl->virt.lock)
		disabled = vfio_cxl_dvsec_caching_disabled(&cxl->virt.dvsec);
	rc = vfio_cxl_write_back_disable(cxl);
	vfio_cxl_write_ctrl2(cxl, idle_ctrl2(cxl, disabled));
	return rc;
}

/**
 * vfio_cxl_guest_write_back - the same, asked for by the guest's doorbell
 * @cxl: device
 *
 * Return: 0 or an error; -EAGAIN during a reset, whoever does it.
 */
int vfio_cxl_guest_write_back(struct vfio_cxl_device *cxl)
{
	int rc;

	if (!pci_cfg_access_trylock(cxl->core.pdev))
		return -EAGAIN;
	rc = vfio_cxl_write_back(cxl);
	pci_cfg_access_unlock(cxl->core.pdev);
	return rc;
}
