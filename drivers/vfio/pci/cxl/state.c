// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: State at bind
 *
 * Saves the state in which firmware and the CXL core left the device (config
 * space, decoder 0, RAS policy), and restores it when a reset lost it. Nothing
 * here acts on behalf of a guest or waits for the device.
 */
#include <linux/bitfield.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

#include "priv.h"

/* CXL r4.0 sec 8.1.3.8.2: Mem_Info_Valid within one second of reset */
#define MEM_INFO_TIMEOUT_MS	1000
/* sec 8.2.4.20.13: a commit completes within 10 ms; be generous */
#define COMMIT_TIMEOUT_US	20000

/**
 * vfio_cxl_decoder_read - read a physical decoder
 * @cxl: device, with Memory Space on
 * @n: number of the decoder
 * @d: filled in
 */
void vfio_cxl_decoder_read(struct vfio_cxl_device *cxl, unsigned int n,
			   struct vfio_cxl_decoder *d)
{
	void __iomem *reg = cxl->comp.hdm + CXL_HDM_DECODER(n);

	d->global = readl(cxl->comp.hdm + CXL_HDM_GLOBAL);
	d->base = lo_hi_readq(reg + CXL_HDM_BASE_LO);
	d->size = lo_hi_readq(reg + CXL_HDM_SIZE_LO);
	d->skip = lo_hi_readq(reg + CXL_HDM_SKIP_LO);
	d->ctrl = readl(reg + CXL_HDM_CTRL);
}

/* Compare what decoder 0 maps. A lost LOCK bit needs no new commit. */
static bool decoder_maps(const struct vfio_cxl_decoder *now,
			 const struct vfio_cxl_decoder *want)
{
	return now->base == want->base && now->size == want->size &&
	       now->skip == want->skip &&
	       !((now->ctrl ^ want->ctrl) & ~CXL_HDM_CTRL_LOCK);
}

static bool decoder_same(const struct vfio_cxl_decoder *now,
			 const struct vfio_cxl_decoder *want)
{
	return decoder_maps(now, want) && now->global == want->global;
}

/* Mem_Active_Timeout of Range 1 Size Low: 1, 4, 16, 64 or 256 s */
static unsigned int mem_active_timeout_ms(u32 size_lo)
{
	u32 enc = FIELD_GET(PCI_DVSEC_CXL_MEM_ACTIVE_TIMEOUT, size_lo);

	return 1000 << 2 * min(enc, 4U);
}

/**
 * vfio_cxl_mem_active - test whether the device's memory can be used
 * @cxl: device
 * @size_lo: set to Range 1 Size Low
 *
 * Return: true if Memory_Info_Valid and Memory_Active are set.
 */
bool vfio_cxl_mem_active(struct vfio_cxl_device *cxl, u32 *size_lo)
{
	const u32 want = PCI_DVSEC_CXL_MEM_INFO_VALID | PCI_DVSEC_CXL_MEM_ACTIVE;

	pci_read_config_dword(cxl->core.pdev, cxl->dvsec.pos +
			      PCI_DVSEC_CXL_RANGE_SIZE_LOW(0), size_lo);
	return !PCI_POSSIBLE_ERROR(*size_lo) && (*size_lo & want) == want;
}

/**
 * vfio_cxl_mem_active_limit_ms - how long the memory may take after a reset
 * @cxl: device
 *
 * Return: one second for Mem_Info_Valid, plus the device's Mem_Active_Timeout as
 * it was at bind; a device in reset does not report it.
 */
unsigned int vfio_cxl_mem_active_limit_ms(struct vfio_cxl_device *cxl)
{
	u32 size_lo = cxl->dvsec.hw[CXL_DVSEC_RANGE1_SIZE_LO / 4];

	return MEM_INFO_TIMEOUT_MS + mem_active_timeout_ms(size_lo);
}

static void decoder_commit(struct vfio_cxl_device *cxl)
{
	const struct vfio_cxl_decoder *want = &cxl->decoder;
	void __iomem *reg = cxl->comp.hdm + CXL_HDM_DECODER(0);
	u32 val;

	writel(0, reg + CXL_HDM_CTRL);
	lo_hi_writeq(want->base, reg + CXL_HDM_BASE_LO);
	lo_hi_writeq(want->size, reg + CXL_HDM_SIZE_LO);
	lo_hi_writeq(want->skip, reg + CXL_HDM_SKIP_LO);
	writel(want->ctrl & ~(CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR),
	       reg + CXL_HDM_CTRL);
	read_poll_timeout(readl, val,
			  val & (CXL_HDM_CTRL_COMMITTED | CXL_HDM_CTRL_ERR),
			  100, COMMIT_TIMEOUT_US, false, reg + CXL_HDM_CTRL);
}

/*
 * Compare decoder 0 with its state at bind and commit it again if needed. CXL
 * Reset preserves a locked decoder but clears HDM Decoder Enable.
 */
static bool decoder_restore(struct vfio_cxl_device *cxl)
{
	const struct vfio_cxl_decoder *want = &cxl->decoder;
	struct pci_dev *pdev = cxl->core.pdev;
	struct vfio_cxl_decoder now;

	vfio_cxl_decoder_read(cxl, 0, &now);
	if (decoder_same(&now, want))
		return true;

	if (!decoder_maps(&now, want)) {
		/* Expected after a CXL Reset or a bus reset */
		pci_dbg(pdev, "decoder 0 lost in reset (Control %#x), committing it again\n",
			now.ctrl);
		atomic_long_inc(&cxl->stats.recommits);
		decoder_commit(cxl);
	}
	writel(want->global, cxl->comp.hdm + CXL_HDM_GLOBAL);

	vfio_cxl_decoder_read(cxl, 0, &now);
	if (decoder_same(&now, want))
		return true;
	pci_err(pdev, "decoder 0 cannot be restored: base %s, size %#llx, Control %#x, Global Control %#x; expected size %#llx, Control %#x, Global Control %#x; memory stays inaccessible\n",
		now.base == want->base ? "as at bind" : "lost", now.size,
		now.ctrl, now.global, want->size, want->ctrl, want->global);
	return false;
}

static const u32 ras_policy[CXL_RAS_NR_POLICY] = {
	CXL_RAS_UNC_MASK, CXL_RAS_UNC_SEVERITY, CXL_RAS_COR_MASK,
};

/**
 * vfio_cxl_state_read_dvsec - read the physical Device DVSEC
 * @cxl: device, being bound
 */
void vfio_cxl_state_read_dvsec(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u32 *hw = cxl->dvsec.hw;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cxl->dvsec.hw) && 4 * i < cxl->dvsec.len; i++)
		pci_read_config_dword(pdev, cxl->dvsec.pos + 4 * i, &hw[i]);

	cxl->dvsec.cap = hw[CXL_DVSEC_CAP / 4];
	/* CXL Reset would also reset the other functions, which are not ours. */
	if (pdev->multifunction)
		cxl->dvsec.cap &= ~CXL_DVSEC_CAP_RESET_ANY;
	cxl->dvsec.ctrl = hw[CXL_DVSEC_CTRL_STATUS / 4];
	cxl->dvsec.ctrl2 = hw[CXL_DVSEC_CTRL2_STATUS2 / 4] &
			   (u16)~(CXL_DVSEC_CTRL2_WBI | CXL_DVSEC_CTRL2_RESET |
				  CXL_DVSEC_CTRL2_MEM_CLR);
}

/**
 * vfio_cxl_state_save - save the state of the device at bind
 * @cxl: device, being bound; its memory is active if there is any
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_cxl_state_save(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	unsigned int i;

	vfio_cxl_state_read_dvsec(cxl);
	if (cxl->committed)
		vfio_cxl_decoder_read(cxl, 0, &cxl->decoder);
	for (i = 0; cxl->comp.ras_offset && i < ARRAY_SIZE(ras_policy); i++)
		cxl->comp.ras_policy[i] = readl(cxl->comp.base +
						cxl->comp.ras_offset +
						ras_policy[i]);
	pci_save_state(pdev);
	cxl->saved = pci_store_saved_state(pdev);
	return cxl->saved ? 0 : -ENOMEM;
}

/* Before MMIO, the BAR must hold the assigned address. */
static bool bar_is_set(struct vfio_cxl_device *cxl)
{
	unsigned int bar = cxl->comp.bar;
	struct pci_dev *pdev = cxl->core.pdev;
	u64 want = pci_bus_address(pdev, bar);
	u32 lo, hi = 0;

	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &lo);
	if (pci_resource_flags(pdev, bar) & IORESOURCE_MEM_64)
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar + 4,
				      &hi);
	lo &= PCI_BASE_ADDRESS_MEM_MASK;
	return ((u64)hi << 32 | lo) == want;
}

/* Restore the state at bind. The caller has locked config access. */
static void config_restore(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;

	pci_info(pdev, "config space was lost, restoring it\n");
	if (!pci_load_saved_state(pdev, cxl->saved))
		pci_restore_state(pdev);
}

/**
 * vfio_cxl_state_restore_config - restore config space if it was lost
 * @cxl: device, out of reset
 *
 * After a fatal error the PCI core resets the link and expects drivers to restore
 * config space; the VFIO core only saves what it finds at open. In addition, the
 * VFIO core disables Memory Space without a lock while it closes a device, and a
 * concurrent reset may save and restore that.
 *
 * The state at bind is safe to restore: the BARs are the host's, and after an
 * error the user must enable bus mastering and interrupts again anyway.
 */
void vfio_cxl_state_restore_config(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u16 cmd;

	/* A concurrent reset saves and restores config space itself. */
	if (!pci_cfg_access_trylock(pdev))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!PCI_POSSIBLE_ERROR(cmd) &&
	    !(cmd & PCI_COMMAND_MEMORY && bar_is_set(cxl)))
		config_restore(cxl);
	pci_cfg_access_unlock(pdev);
}

/**
 * vfio_cxl_state_restore_ras - restore the RAS registers between tenants
 * @cxl: device, closed and out of reset
 *
 * FLR does not reset these registers: the next tenant would inherit the masks of
 * the last one, and its error status.
 */
void vfio_cxl_state_restore_ras(struct vfio_cxl_device *cxl)
{
	void __iomem *ras = cxl->comp.base + cxl->comp.ras_offset;
	struct pci_dev *pdev = cxl->core.pdev;
	unsigned int i;
	u16 cmd;

	if (!cxl->comp.ras_offset || !pci_cfg_access_trylock(pdev))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!PCI_POSSIBLE_ERROR(cmd) && cmd & PCI_COMMAND_MEMORY &&
	    bar_is_set(cxl)) {
		for (i = 0; i < ARRAY_SIZE(ras_policy); i++)
			writel(cxl->comp.ras_policy[i], ras + ras_policy[i]);
		writel(~0, ras + CXL_RAS_UNC_STATUS);
		writel(~0, ras + CXL_RAS_COR_STATUS);
	}
	pci_cfg_access_unlock(pdev);
}

/**
 * vfio_cxl_state_restore_decoder - restore decoder 0 if it was lost
 * @cxl: a firmware-committed device, out of reset, its memory active, the gate
 *	closed; the caller has locked config access
 *
 * Restores config space, CXL.mem enable and decoder 0 to their state at bind
 * where they differ. Config space can be lost when a reset by the PCI core runs
 * concurrently with a CXL Reset and saves what that has cleared.
 *
 * Return: true if the device decodes its memory.
 */
bool vfio_cxl_state_restore_decoder(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u16 ctrl, cmd;
	bool ok;

	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(cmd)) {
		pci_err(pdev, "device does not respond; memory stays inaccessible\n");
		return false;
	}
	if (!bar_is_set(cxl)) {
		config_restore(cxl);
		pci_read_config_word(pdev, PCI_COMMAND, &cmd);
		if (!bar_is_set(cxl)) {
			pci_err(pdev, "config space cannot be restored: BAR %u does not hold %#llx; memory stays inaccessible\n",
				cxl->comp.bar,
				(u64)pci_bus_address(pdev, cxl->comp.bar));
			return false;
		}
	}
	pci_read_config_word(pdev, cxl->dvsec.pos + PCI_DVSEC_CXL_CTRL, &ctrl);
	if (ctrl != cxl->dvsec.ctrl) {
		pci_write_config_word(pdev, cxl->dvsec.pos + PCI_DVSEC_CXL_CTRL,
				      cxl->dvsec.ctrl);
		pci_read_config_word(pdev, cxl->dvsec.pos + PCI_DVSEC_CXL_CTRL,
				     &ctrl);
	}
	if (ctrl != cxl->dvsec.ctrl) {
		pci_err(pdev, "DVSEC Control is %#x, expected %#x; memory stays inaccessible\n",
			ctrl, cxl->dvsec.ctrl);
		return false;
	}
	/* The decoders are in a BAR, and the user may have disabled it. */
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND,
				      cmd | PCI_COMMAND_MEMORY);
	ok = decoder_restore(cxl);
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, cmd);
	return ok;
}
