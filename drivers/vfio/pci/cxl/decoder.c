// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The physical decoder
 *
 * Keeps what is needed to put decoder 0 back should a reset lose it, and does
 * so. Nothing here acts on behalf of a guest.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

#include "priv.h"

/* CXL r4.0 sec 8.1.3.8.2: Mem_Info_Valid within one second of reset */
#define MEM_INFO_TIMEOUT_MS	1000
/* sec 8.2.4.20.13: a commit completes within 10 ms */
#define COMMIT_TIMEOUT_US	10000

/**
 * vfio_cxl_decoder_read - read a physical decoder
 * @cxl: device, with Memory Space on
 * @n: number of the decoder
 * @d: filled in
 */
void vfio_cxl_decoder_read(struct vfio_cxl_device *cxl, unsigned int n,
			   struct vfio_cxl_decoder *d)
{
	void __iomem *reg = cxl->hdm + CXL_HDM_DECODER(n);

	d->global = readl(cxl->hdm + CXL_HDM_GLOBAL);
	d->base = lo_hi_readq(reg + CXL_HDM_BASE_LO);
	d->size = lo_hi_readq(reg + CXL_HDM_SIZE_LO);
	d->skip = lo_hi_readq(reg + CXL_HDM_SKIP_LO);
	d->ctrl = readl(reg + CXL_HDM_CTRL);
}

static bool decoder_same(const struct vfio_cxl_decoder *a,
			 const struct vfio_cxl_decoder *b)
{
	return a->base == b->base && a->size == b->size &&
	       a->skip == b->skip && a->ctrl == b->ctrl &&
	       a->global == b->global;
}

/* Mem_Active_Timeout of Range 1 Size Low: 1, 4, 16, 64 or 256 s */
static unsigned int mem_active_timeout_ms(u32 size_lo)
{
	u32 enc = FIELD_GET(PCI_DVSEC_CXL_MEM_ACTIVE_TIMEOUT, size_lo);

	return 1000 << 2 * min(enc, 4U);
}

/**
 * vfio_cxl_wait_mem_active - wait until the device's memory can be used
 * @cxl: device
 *
 * As long as the device itself says that it may take: one second for the
 * range, and Mem_Active_Timeout for the memory.
 *
 * Return: whether it can be; when not, that has been logged.
 */
bool vfio_cxl_wait_mem_active(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	unsigned int waited, limit = MEM_INFO_TIMEOUT_MS;
	u32 want = PCI_DVSEC_CXL_MEM_INFO_VALID, val = 0;

	for (waited = 0; waited <= limit; waited += 20) {
		pci_read_config_dword(pdev, cxl->dvsec +
				      PCI_DVSEC_CXL_RANGE_SIZE_LOW(0), &val);
		if (!PCI_POSSIBLE_ERROR(val) && (val & want) == want) {
			if (want & PCI_DVSEC_CXL_MEM_ACTIVE)
				return true;
			want |= PCI_DVSEC_CXL_MEM_ACTIVE;
			limit += mem_active_timeout_ms(val);
			continue;
		}
		msleep(20);
	}
	pci_err(pdev, "memory not active after %u ms: Range 1 Size Low is %#x\n",
		waited, val);
	return false;
}

/* Compare decoder 0 with what firmware left, and commit it again if needed. */
static bool decoder_recommit(struct vfio_cxl_device *cxl)
{
	const struct vfio_cxl_decoder *want = &cxl->decoder;
	void __iomem *reg = cxl->hdm + CXL_HDM_DECODER(0);
	struct pci_dev *pdev = cxl->core.pdev;
	struct vfio_cxl_decoder now;
	u32 val;

	vfio_cxl_decoder_read(cxl, 0, &now);
	if (decoder_same(&now, want))
		return true;

	/* A guest can have that as often as it likes, by CXL Reset. */
	pci_info_ratelimited(pdev, "decoder 0 lost in reset (Control %#x), committing it again\n",
			     now.ctrl);
	writel(0, reg + CXL_HDM_CTRL);
	lo_hi_writeq(want->base, reg + CXL_HDM_BASE_LO);
	lo_hi_writeq(want->size, reg + CXL_HDM_SIZE_LO);
	lo_hi_writeq(want->skip, reg + CXL_HDM_SKIP_LO);
	writel(want->global, cxl->hdm + CXL_HDM_GLOBAL);
	writel(want->ctrl & ~(CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR),
	       reg + CXL_HDM_CTRL);
	read_poll_timeout(readl, val,
			  val & (CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR),
			  100, COMMIT_TIMEOUT_US, false, reg + CXL_HDM_CTRL);

	vfio_cxl_decoder_read(cxl, 0, &now);
	if (decoder_same(&now, want))
		return true;
	pci_err(pdev, "decoder 0 cannot be committed again: Control %#x, expected %#x; memory stays closed\n",
		now.ctrl, want->ctrl);
	return false;
}

/**
 * vfio_cxl_save_state - remember how firmware and the CXL core left the device
 * @cxl: device, being bound; its memory is active if there is any
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_cxl_save_state(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u32 *hw = cxl->dvsec_hw;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cxl->dvsec_hw) && 4 * i < cxl->dvsec_len; i++)
		pci_read_config_dword(pdev, cxl->dvsec + 4 * i, &hw[i]);

	/* It would reset the other functions, and those are somebody else's. */
	if (pdev->multifunction)
		hw[CXL_DVSEC_CAP / 4] &= ~CXL_DVSEC_CAP_RESET_ANY;
	cxl->dvsec_cap = hw[CXL_DVSEC_CAP / 4];
	cxl->dvsec_ctrl = hw[CXL_DVSEC_CTRL_STATUS / 4];
	cxl->dvsec_ctrl2 = hw[CXL_DVSEC_CTRL2_STATUS2 / 4] &
			   (u16)~(CXL_DVSEC_CTRL2_WBI | CXL_DVSEC_CTRL2_RESET |
				  CXL_DVSEC_CTRL2_MEM_CLR);
	if (cxl->committed)
		vfio_cxl_decoder_read(cxl, 0, &cxl->decoder);
	pci_save_state(pdev);
	cxl->config = pci_store_saved_state(pdev);
	return cxl->config ? 0 : -ENOMEM;
}

/* Registers would be looked for where the BAR is not. */
static bool bar_is_set(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u32 want = lower_32_bits(pci_bus_address(pdev, cxl->bar)), bar;

	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * cxl->bar, &bar);
	return (bar & PCI_BASE_ADDRESS_MEM_MASK) == want;
}

/**
 * vfio_cxl_restore_config - put back config space that was lost
 * @cxl: device, out of reset
 *
 * Recovery from a fatal error resets the link, and leaves it to drivers to
 * restore what that takes; the VFIO core restores what it finds at open. And
 * while it closes a device it switches Memory Space off, with no lock: somebody
 * else's reset may save that, and restore it for good.
 *
 * As it was at bind is good for whoever has the device: BARs are the host's, and
 * with bus mastering and interrupts the user begins anew after an error.
 */
void vfio_cxl_restore_config(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u16 cmd;

	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(cmd) ||
	    (cmd & PCI_COMMAND_MEMORY && bar_is_set(cxl)))
		return;
	pci_info(pdev, "config space was lost, restoring it\n");
	if (!pci_load_saved_state(pdev, cxl->config))
		pci_restore_state(pdev);
}

/**
 * vfio_cxl_restore_decoder - see that decoder 0 is as it was at bind
 * @cxl: a firmware-committed device, out of reset, its config space restored
 *
 * Programs and commits it again from the saved values when it is not, enables
 * CXL.mem again when that was lost, and waits for the memory. The caller keeps
 * the gate closed.
 *
 * Return: whether the device decodes its memory.
 */
bool vfio_cxl_restore_decoder(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u16 ctrl, cmd;
	bool ok;

	pci_read_config_word(pdev, cxl->dvsec + PCI_DVSEC_CXL_CTRL, &ctrl);
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(ctrl) || PCI_POSSIBLE_ERROR(cmd)) {
		pci_err(pdev, "device does not answer; memory stays closed\n");
		return false;
	}
	if (!bar_is_set(cxl)) {
		pci_err(pdev, "config space was lost; memory stays closed\n");
		return false;
	}
	if (ctrl != cxl->dvsec_ctrl) {
		pci_write_config_word(pdev, cxl->dvsec + PCI_DVSEC_CXL_CTRL,
				      cxl->dvsec_ctrl);
		pci_read_config_word(pdev, cxl->dvsec + PCI_DVSEC_CXL_CTRL,
				     &ctrl);
	}
	if (ctrl != cxl->dvsec_ctrl) {
		pci_err(pdev, "DVSEC Control is %#x, expected %#x; memory stays closed\n",
			ctrl, cxl->dvsec_ctrl);
		return false;
	}
	if (!vfio_cxl_wait_mem_active(cxl))
		return false;

	/* The decoders are in a BAR, which the user may have turned off. */
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND,
				      cmd | PCI_COMMAND_MEMORY);
	ok = decoder_recommit(cxl);
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, cmd);
	return ok;
}
