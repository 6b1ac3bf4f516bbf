// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Probe
 *
 * Examines how firmware has configured the device, rejects unsupported
 * configurations, has the CXL core create memdev and region, and claims the
 * memory. All resources are held while the driver is bound.
 */
#include <linux/bitfield.h>
#include <linux/ioport.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <cxl/pci.h>

#include "priv.h"

/* One region covers at most what one VFIO region index can address. */
#define DPA_SIZE_MAX	BIT_ULL(VFIO_PCI_OFFSET_SHIFT)

/* Locate the CXL DVSECs; the Device DVSEC is known to exist. */
static int find_dvsecs(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	u16 pos = 0;
	u32 hdr;

	while ((pos = pci_find_next_ext_capability(pdev, pos,
						   PCI_EXT_CAP_ID_DVSEC))) {
		struct vfio_cxl_dvsec_pos *d;

		pci_read_config_dword(pdev, pos + PCI_DVSEC_HEADER1, &hdr);
		if (PCI_DVSEC_HEADER1_VID(hdr) != PCI_VENDOR_ID_CXL)
			continue;
		if (cxl->nr_dvsecs == ARRAY_SIZE(cxl->dvsecs))
			return dev_err_probe(&pdev->dev, -EOPNOTSUPP,
					     "more than %zu CXL DVSECs are not supported\n",
					     ARRAY_SIZE(cxl->dvsecs));
		d = &cxl->dvsecs[cxl->nr_dvsecs++];
		d->pos = pos;
		d->len = PCI_DVSEC_HEADER1_LEN(hdr);
		if (pos == cxl->dvsec.pos)
			cxl->dvsec.len = d->len;
	}
	if (cxl->dvsec.len < CXL_DVSEC_RANGE2)
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "Device DVSEC is %u bytes long, expected at least %u\n",
				     cxl->dvsec.len, CXL_DVSEC_RANGE2);
	return 0;
}

/* Locate the component registers and read their capability array. */
static int find_comp_regs(struct vfio_cxl_device *cxl,
			  const struct cxl_register_map *map)
{
	const struct cxl_component_reg_map *comp = &map->component_map;
	struct pci_dev *pdev = cxl->core.pdev;
	void __iomem *page;
	unsigned int i, nr;
	u32 hdr;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (pci_resource_len(pdev, i) &&
		    map->resource >= pci_resource_start(pdev, i) &&
		    map->resource + CXL_CM_PAGE_OFFSET + CXL_CM_PAGE_SIZE - 1 <=
		    pci_resource_end(pdev, i))
			break;
	if (i == PCI_STD_NUM_BARS)
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "component registers at %pa are not in any BAR\n",
				     &map->resource);
	if (!comp->hdm_decoder.valid)
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "no HDM decoder capability\n");

	cxl->comp.bar = i;
	cxl->comp.offset = map->resource - pci_resource_start(pdev, i) +
		    CXL_CM_PAGE_OFFSET;
	cxl->comp.hdm_offset = comp->hdm_decoder.offset - CXL_CM_PAGE_OFFSET;
	cxl->comp.hdm_len = comp->hdm_decoder.size;
	page = devm_ioremap(&pdev->dev, map->resource + CXL_CM_PAGE_OFFSET,
			    CXL_CM_PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	cxl->comp.base = page;
	cxl->comp.hdm = page + cxl->comp.hdm_offset;

	hdr = readl(page);
	nr = FIELD_GET(CXL_CM_CAP_ARRAY_SIZE, hdr) + 1;
	for (i = 0; i < nr && i < ARRAY_SIZE(cxl->comp.cap_array); i++)
		cxl->comp.cap_array[i] = cpu_to_le32(readl(page + 4 * i));

	if (comp->hdm_decoder.offset + comp->hdm_decoder.size >
	    CXL_CM_PAGE_OFFSET + CXL_CM_PAGE_SIZE ||
	    cxl->comp.hdm_offset < 4 * nr || cxl->comp.hdm_offset % 4)
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "HDM decoders at %#x, %lu bytes, exceed the component register page\n",
				     cxl->comp.hdm_offset, comp->hdm_decoder.size);

	if (comp->ras.valid &&
	    comp->ras.offset >= CXL_CM_PAGE_OFFSET + 4 * nr &&
	    comp->ras.offset % 4 == 0 &&
	    comp->ras.offset + CXL_RAS_SIZE <=
	    CXL_CM_PAGE_OFFSET + CXL_CM_PAGE_SIZE) {
		cxl->comp.ras_offset = comp->ras.offset - CXL_CM_PAGE_OFFSET;
	}
	return 0;
}

/*
 * Supported are devices with no committed decoder, or with decoder 0 alone
 * committed, without interleave.
 */
static int check_decoders(struct vfio_cxl_device *cxl)
{
	struct device *dev = &cxl->core.pdev->dev;
	const u32 cap = readl(cxl->comp.hdm + CXL_HDM_CAP);
	struct vfio_cxl_decoder d;
	unsigned int i, nr = vfio_cxl_hdm_count(cap), committed = 0;

	if (!nr)
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "HDM Decoder Capability is %#x, expected at most %u decoders\n",
				     cap, CXL_HDM_DECODER_MAX);

	for (i = 0; i < nr; i++) {
		vfio_cxl_decoder_read(cxl, i, &d);
		committed += !!(d.ctrl & CXL_HDM_CTRL_COMMITTED);
	}
	if (!committed)
		return 0;
	if (committed > 1)
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "%u HDM decoders are committed, only one is supported\n",
				     committed);

	vfio_cxl_decoder_read(cxl, 0, &cxl->decoder);
	d = cxl->decoder;
	if (!(d.ctrl & CXL_HDM_CTRL_COMMITTED))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "an HDM decoder is committed, but not decoder 0\n");
	if (FIELD_GET(CXL_HDM_CTRL_IW, d.ctrl))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "decoder 0 is interleaved (Control %#x), only one device per region is supported\n",
				     d.ctrl);
	if (d.skip)
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "decoder 0 skips %#llx bytes of DPA, only 0 is supported\n",
				     d.skip);
	if (d.size > DPA_SIZE_MAX)
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "decoder 0 maps %#llx bytes, at most %#llx are supported\n",
				     d.size, DPA_SIZE_MAX);

	/* The VMM maps the memory of decoder 0 only, so announce just that one. */
	cxl->comp.hdm_hw = (struct vfio_cxl_hdm_hw) {
		.cap = cap & ~CXL_HDM_CAP_COUNT,
		.global = d.global,
		.ctrl = d.ctrl,
		.size = d.size,
	};
	if (!vfio_cxl_hdm_init(&cxl->virt.hdm, &cxl->comp.hdm_hw))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "decoder 0 maps %#llx bytes, not a multiple of 256 MiB\n",
				     d.size);
	cxl->committed = true;
	return 0;
}

/*
 * Without a reset, work that one tenant started could access the memory of the
 * next.
 */
static int check_resets(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;

	if (pdev->reset_methods[0] || vfio_cxl_can_cxl_reset(cxl, false))
		return 0;
	if (!vfio_cxl_allow_no_reset)
		return dev_err_probe(&pdev->dev, -EOPNOTSUPP,
				     "no reset can stop the device between users, neither one of the kernel's nor CXL Reset; set allow_no_reset=1 if all users trust each other\n");
	pci_warn(pdev, "allow_no_reset: work started by one user may access the memory of the next\n");
	return 0;
}

static void release_hpa(void *data)
{
	struct range *hpa = data;

	release_mem_region(hpa->start, range_len(hpa));
}

/* Wait as long as the device may take after a reset. */
static int wait_mem_active(struct vfio_cxl_device *cxl)
{
	unsigned int limit = vfio_cxl_mem_active_limit_ms(cxl), waited;
	u32 size_lo;

	for (waited = 0; !vfio_cxl_mem_active(cxl, &size_lo); waited += 20) {
		if (waited >= limit)
			return dev_err_probe(&cxl->core.pdev->dev, -ENODEV,
					     "memory not active after %u ms: Range 1 Size Low is %#x\n",
					     limit, size_lo);
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(msecs_to_jiffies(20));
	}
	return 0;
}

/* Guess the owner of the range for the error message. */
static const char *suspect(const struct range *hpa)
{
	if (region_intersects(hpa->start, range_len(hpa), IORESOURCE_MEM,
			      IORES_DESC_SOFT_RESERVED) != REGION_DISJOINT)
		return "probably by dax_hmem (Soft Reserved), which must be unbound or blocklisted";
	if (region_intersects(hpa->start, range_len(hpa), IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return "it is system RAM; if dax_hmem made it that, blocklist dax_hmem";
	return "see /proc/iomem";
}

/* Have the CXL core create the region, and claim its range exclusively. */
static int claim_memory(struct vfio_cxl_device *cxl)
{
	struct vfio_cxl_mem *mem = cxl->mem;
	struct device *dev = &cxl->core.pdev->dev;
	struct cxl_memdev *cxlmd;
	int rc;

	if (!vfio_cxl_bind_has_root())
		return dev_err_probe(dev, -EPROBE_DEFER,
				     "waiting for cxl_acpi to find the CXL root\n");
	rc = wait_mem_active(cxl);
	if (rc)
		return rc;
	/*
	 * The CXL core gets this from the mailbox or the memory device registers.
	 * A Type-2 device may have neither.
	 */
	mem->cxlds.media_ready = true;

	rc = cxl_set_capacity(&mem->cxlds, cxl->decoder.size);
	if (rc)
		return dev_err_probe(dev, rc, "cannot set the capacity to %#llx bytes\n",
				     cxl->decoder.size);

	cxlmd = devm_cxl_probe_mem(&mem->cxlds, &mem->hpa);
	if (IS_ERR(cxlmd))
		return dev_err_probe(dev, PTR_ERR(cxlmd),
				     "the CXL core has no region for decoder 0: check that cxl_acpi and cxl_port are loaded, all upstream decoders are committed and the region was not deleted\n");

	if (mem->hpa.start != cxl->decoder.base ||
	    range_len(&mem->hpa) != cxl->decoder.size)
		return dev_err_probe(dev, -ENXIO,
				     "CXL region %pra does not match decoder 0, %#llx bytes at %#llx\n",
				     &mem->hpa, cxl->decoder.size,
				     cxl->decoder.base);

	if (!request_mem_region_exclusive(mem->hpa.start, range_len(&mem->hpa),
					  KBUILD_MODNAME))
		return dev_err_probe(dev, -EBUSY, "%pra is in use: %s\n",
				     &mem->hpa, suspect(&mem->hpa));
	return devm_add_action_or_reset(dev, release_hpa, &mem->hpa);
}

/**
 * vfio_cxl_probe_device - examine a device and claim its memory
 * @cxl: not yet registered with VFIO; its core.pdev is valid
 *
 * All resources are device-managed.
 *
 * Return: 0 if the device can be passed through, firmware-committed or not;
 * -ENODEV if it is no CXL accelerator; -EOPNOTSUPP if its configuration is not
 * supported; or another error. Every failure has been logged.
 */
int vfio_cxl_probe_device(struct vfio_cxl_device *cxl)
{
	struct pci_dev *pdev = cxl->core.pdev;
	struct device *dev = &pdev->dev;
	u16 cap;
	int rc;

	/* Devices that are no CXL accelerators are logged, but not as an error. */
	if (pdev->class >> 8 == PCI_CLASS_MEMORY_CXL) {
		pci_info(pdev, "CXL memory devices (Type 3) are not supported, use cxl_pci\n");
		return -ENODEV;
	}
	cxl->dvsec.pos = pci_find_dvsec_capability(pdev, PCI_VENDOR_ID_CXL,
						   PCI_DVSEC_CXL_DEVICE);
	if (!cxl->dvsec.pos) {
		pci_info(pdev, "not a CXL device: no Device DVSEC\n");
		return -ENODEV;
	}
	pci_read_config_word(pdev, cxl->dvsec.pos + PCI_DVSEC_CXL_CAP, &cap);
	if (!(cap & PCI_DVSEC_CXL_MEM_CAPABLE)) {
		pci_info(pdev, "not capable of CXL.mem: DVSEC Capability is %#x\n", cap);
		return -ENODEV;
	}
	if (!pcie_is_cxl(pdev)) {
		pci_info(pdev, "link is not in CXL mode\n");
		return -ENODEV;
	}

	rc = find_dvsecs(cxl);
	if (rc)
		return rc;
	rc = pcim_enable_device(pdev);
	if (rc)
		return dev_err_probe(dev, rc, "cannot enable the device\n");

	cxl->mem = devm_cxl_dev_state_create(dev, CXL_DEVTYPE_DEVMEM,
					     pci_get_dsn(pdev), cxl->dvsec.pos,
					     struct vfio_cxl_mem, cxlds, false);
	if (!cxl->mem)
		return -ENOMEM;

	rc = cxl_pci_setup_regs(pdev, CXL_REGLOC_RBI_COMPONENT,
				&cxl->mem->cxlds.reg_map);
	if (rc)
		return dev_err_probe(dev, rc, "no component registers\n");
	rc = find_comp_regs(cxl, &cxl->mem->cxlds.reg_map);
	if (rc)
		return rc;
	rc = check_decoders(cxl);
	if (rc)
		return rc;
	/* Read it again in vfio_cxl_state_save(): the CXL core may enable CXL.mem. */
	vfio_cxl_state_read_dvsec(cxl);
	if (!cxl->committed) {
		pci_info(pdev, "no HDM decoder committed by firmware, no memory region\n");
		return vfio_cxl_state_save(cxl);
	}
	rc = check_resets(cxl);
	if (rc)
		return rc;
	rc = claim_memory(cxl);
	if (!rc)
		rc = vfio_cxl_pages_init(cxl);
	if (!rc)
		rc = vfio_cxl_cache_init(cxl);
	if (rc)
		return rc;
	rc = vfio_cxl_state_save(cxl);
	if (rc)
		return rc;
	pci_info(pdev, "decoder 0 committed by firmware, %#llx bytes at %pra\n",
		 cxl->decoder.size, &cxl->mem->hpa);
	return 0;
}
