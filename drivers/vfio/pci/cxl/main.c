// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO PCI variant driver for CXL accelerators
 */

/**
 * DOC: vfio-cxl-pci
 *
 * Passes a CXL device outside the memory class, such as a GPU with coherent
 * memory, to user space. Beyond vfio-pci it offers the memory that platform
 * firmware committed in HDM decoder 0 as a region of its own, virtualizes the
 * registers that a guest must not write, and keeps both safe across resets and
 * from one user to the next. Documentation/driver-api/vfio-cxl.rst has the
 * contract.
 *
 * Life of a device: probe lets the CXL core create memdev and region and
 * claims the memory (probe.c); open makes fresh virtual registers and opens
 * the gate to the memory (region.c); every reset passes through two callbacks
 * that close and open it (reset.c), whoever asked for it; close clears the
 * memory.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "priv.h"

static bool clear_on_close = true;
module_param(clear_on_close, bool, 0644);
MODULE_PARM_DESC(clear_on_close,
		 "Zero the device memory when its last user closes it; off leaves a tenant's data for the next one (default: on)");

/*
 * The device clears its memory, or else the CPU does. What cannot be cleared
 * now is tried once more by the next open.
 *
 * The core's own reset at close may be one of the bus, and passes no callback:
 * without a decoder the zeroes would go nowhere.
 */
static int clear_memory(struct vfio_cxl_device *cxl)
{
	bool clear = !vfio_cxl_reset_clear(cxl);
	int rc = -EIO;

	if (vfio_cxl_check_decoder(cxl))
		rc = clear ? 0 : vfio_cxl_clear_dpa(cxl);
	cxl->dirty = rc;
	if (rc)
		pci_err(cxl->core.pdev,
			"device memory could not be cleared: %d\n", rc);
	return rc;
}

static void vfio_cxl_close_memory(struct vfio_cxl_device *cxl)
{
	vfio_cxl_gate_close(cxl, VFIO_CXL_CLOSED);
	vfio_cxl_unregister_dpa(cxl);
}

static int vfio_cxl_open_memory(struct vfio_cxl_device *cxl)
{
	int rc;

	if (cxl->dirty && clear_on_close)
		rc = clear_memory(cxl);
	else
		rc = vfio_cxl_check_decoder(cxl) ? 0 : -EIO;
	if (rc)
		return rc;
	rc = vfio_cxl_register_dpa(cxl);
	if (!rc)
		rc = vfio_cxl_register_comp_regs(cxl);
	if (rc)
		return rc;

	rc = vfio_cxl_gate_open(cxl, VFIO_CXL_CLOSED | VFIO_CXL_POWER);
	if (rc)
		return rc;
	/* Whatever this user leaves behind, even if it is killed, is dirt. */
	cxl->dirty = true;
	return 0;
}

static int vfio_cxl_open_device(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);
	int rc;

	/* A device that the VFIO core enables now it would restore as lost. */
	if (READ_ONCE(cxl->closed) & VFIO_CXL_FROZEN)
		return -EAGAIN;
	vfio_cxl_restore_config(cxl);
	rc = vfio_pci_core_enable(&cxl->core);
	if (rc)
		return rc;
	rc = vfio_cxl_map_comp_bar(cxl);
	if (rc)
		goto err_disable;
	vfio_cxl_reset_shadow(cxl);
	if (cxl->committed) {
		rc = vfio_cxl_open_memory(cxl);
		if (rc)
			goto err_close;
	}
	vfio_pci_core_finish_enable(&cxl->core);
	return 0;

err_close:
	vfio_cxl_close_memory(cxl);
	vfio_cxl_unmap_comp_bar(cxl);
err_disable:
	vfio_pci_core_disable(&cxl->core);
	return rc;
}

static void vfio_cxl_close_device(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	vfio_cxl_close_memory(cxl);
	vfio_cxl_unmap_comp_bar(cxl);
	/* Stops DMA and resets, so nothing writes to the memory afterwards. */
	vfio_pci_core_close_device(core_vdev);
	vfio_cxl_restore_config(cxl);
	vfio_cxl_restore_ras(cxl);
	if (cxl->committed && clear_on_close)
		clear_memory(cxl);
}

static const struct vfio_pci_device_ops vfio_cxl_pci_ops = {
	.get_dmabuf_phys = vfio_cxl_get_dmabuf_phys,
};

static int vfio_cxl_init_dev(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	mutex_init(&cxl->config_lock);
	mutex_init(&cxl->shadow_lock);
	init_rwsem(&cxl->gate_lock);
	cxl->core.pci_ops = &vfio_cxl_pci_ops;
	/* A device that is powered down when idle loses its memory. */
	cxl->core.disable_idle_d3 = true;
	return vfio_pci_core_init_dev(core_vdev);
}

static void vfio_cxl_release_dev(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	mutex_destroy(&cxl->config_lock);
	mutex_destroy(&cxl->shadow_lock);
	kfree(cxl->config);
	vfio_pci_core_release_dev(core_vdev);
}

static const struct vfio_device_ops vfio_cxl_ops = {
	.name		= "vfio-cxl-pci",
	.init		= vfio_cxl_init_dev,
	.release	= vfio_cxl_release_dev,
	.open_device	= vfio_cxl_open_device,
	.close_device	= vfio_cxl_close_device,
	.ioctl		= vfio_cxl_ioctl,
	.get_region_info_caps = vfio_cxl_get_region_info_caps,
	.device_feature	= vfio_cxl_feature,
	.read		= vfio_cxl_read,
	.write		= vfio_cxl_write,
	.mmap		= vfio_cxl_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
	.match_token_uuid = vfio_pci_core_match_token_uuid,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
};

static int vfio_cxl_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfio_cxl_device *cxl;
	int rc;

	cxl = vfio_alloc_device(vfio_cxl_device, core.vdev, &pdev->dev,
				&vfio_cxl_ops);
	if (IS_ERR(cxl))
		return PTR_ERR(cxl);
	rc = vfio_cxl_probe_device(cxl);
	if (rc)
		goto err_put;

	cxl->closed = VFIO_CXL_CLOSED;
	/* By the host, before it was bound */
	cxl->dirty = true;
	dev_set_drvdata(&pdev->dev, cxl);
	rc = vfio_pci_core_register_device(&cxl->core);
	if (rc)
		goto err_put;
	return 0;

err_put:
	vfio_put_device(&cxl->core.vdev);
	return rc;
}

static void vfio_cxl_remove(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(&cxl->core);
	vfio_put_device(&cxl->core.vdev);
}

/* Bound by driver_override or new_id only: nothing tells a GPU from a NIC. */
static const struct pci_device_id vfio_cxl_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, vfio_cxl_ids);

static struct pci_driver vfio_cxl_driver = {
	.name			= "vfio-cxl-pci",
	.id_table		= vfio_cxl_ids,
	.probe			= vfio_cxl_probe,
	.remove			= vfio_cxl_remove,
	.err_handler		= &vfio_cxl_err_handlers,
	.driver_managed_dma	= true,
};
module_pci_driver(vfio_cxl_driver);

/* The window, and the ports below it, come from these two. */
MODULE_SOFTDEP("pre: cxl_acpi cxl_port");
MODULE_IMPORT_NS("CXL");
MODULE_IMPORT_NS("DEVMEM");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-cxl authors");
MODULE_DESCRIPTION("VFIO PCI driver for CXL accelerators");
