// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO PCI variant driver for CXL accelerators
 */

/**
 * DOC: vfio-cxl-pci
 *
 * Passes through a CXL device that is not a memory expander, such as a GPU with
 * coherent memory. In addition to what vfio-pci does, the driver exposes the
 * memory that platform firmware committed in HDM decoder 0 as a region,
 * virtualizes the registers that a guest must not write, and protects both across
 * resets and between users. Documentation/driver-api/vfio-cxl.rst describes the
 * user interface.
 *
 * Life of a device: probe has the CXL core create memdev and region, and claims
 * the memory (probe.c). Open initializes the virtual registers and opens the gate
 * to the memory (gate.c). Every reset, whoever requested it, closes and reopens
 * the gate in two callbacks (reset.c). Close clears the memory.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "priv.h"

static bool clear_on_close = true;
module_param(clear_on_close, bool, 0644);
MODULE_PARM_DESC(clear_on_close,
		 "Clear the device memory when its last user closes it; off leaves a tenant's data for the next one (default: on)");

bool vfio_cxl_unsafe_type1_dma;
module_param_named(unsafe_type1_dma, vfio_cxl_unsafe_type1_dma, bool, 0644);
MODULE_PARM_DESC(unsafe_type1_dma,
		 "Let VFIO type1 map device memory for DMA; such a mapping may outlive its user and reach the next one's data (default: off)");

bool vfio_cxl_allow_no_reset;
module_param_named(allow_no_reset, vfio_cxl_allow_no_reset, bool, 0644);
MODULE_PARM_DESC(allow_no_reset,
		 "Bind a device that no reset stops; what one user started may work on the memory of the next (default: off)");

/* Make sure that the device no longer writes to its memory. */
static bool make_quiet(struct vfio_cxl_device *cxl, bool quiet)
{
	/* After a failed CXL Reset the state of the device is unknown. */
	if (quiet && !(READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_RESET_FAILED))
		return true;
	vfio_cxl_settle_stop(cxl);
	if (!pci_try_reset_function(cxl->core.pdev))
		return true;
	vfio_cxl_settle_later(cxl, 0);
	return !vfio_cxl_cxl_reset_now(cxl, false);
}

/*
 * Clear the memory by CXL Reset, which also stops the device, or by the CPU once
 * the device is quiet (@quiet: it has just been reset). If that fails, or the
 * task is killed, the next open clears it.
 */
static int clear_memory(struct vfio_cxl_device *cxl, bool quiet)
{
	bool reset = !vfio_cxl_cxl_reset_now(cxl, true);
	bool cleared = reset && vfio_cxl_caches_dropped(cxl);
	int rc = cxl->cxl_reset.left ? -EINTR : 0;

	if (reset)
		quiet = true;
	else if (!rc)
		quiet = make_quiet(cxl, quiet) || vfio_cxl_allow_no_reset;
	/* Without a committed decoder, writes would be dropped. */
	if (!rc)
		rc = vfio_cxl_settle_wait(cxl);
	if (!rc && !cleared)
		rc = quiet ? vfio_cxl_clear_by_cpu(cxl) : -EAGAIN;
	cxl->needs_clear = rc;
	if (rc == -EINTR)
		pci_info(cxl->core.pdev, "killed while clearing device memory; the next open clears it\n");
	else if (rc)
		pci_err(cxl->core.pdev, "cannot clear device memory (%d)%s\n",
			rc, cleared || quiet ? "" :
			": cannot reset the device");
	return rc;
}

/* Between users, with clear_on_close or without; @quiet: it has just been reset */
static int prepare_memory(struct vfio_cxl_device *cxl, bool quiet)
{
	if (clear_on_close)
		return clear_memory(cxl, quiet);
	if (!cxl->cxl_reset.left)
		(void)make_quiet(cxl, quiet);
	return vfio_cxl_settle_wait(cxl);
}

static void close_memory(struct vfio_cxl_device *cxl)
{
	vfio_cxl_gate_block(cxl, VFIO_CXL_GATE_NOT_OPEN);
	vfio_cxl_unregister_dpa(cxl);
}

/* vfio_pci_core_enable() has already reset the device if it could. */
static int open_memory(struct vfio_cxl_device *cxl)
{
	bool quiet = cxl->core.reset_works;
	int rc;

	if (!quiet && !vfio_cxl_allow_no_reset &&
	    !vfio_cxl_can_cxl_reset(cxl, false)) {
		pci_err(cxl->core.pdev, "cannot reset the device, it may still be working for its last user; set allow_no_reset=1 if all users trust each other\n");
		return -EIO;
	}
	vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_SUSPENDED);
	rc = cxl->needs_clear ? prepare_memory(cxl, quiet) :
				vfio_cxl_settle_wait(cxl);
	if (rc)
		return rc;
	rc = vfio_cxl_register_dpa(cxl);
	if (!rc)
		rc = vfio_cxl_register_comp_regs(cxl);
	if (rc)
		goto err_close;

	/* From here on the memory may hold user data. */
	cxl->needs_clear = true;
	vfio_cxl_gate_opened(cxl);
	vfio_cxl_gate_unblock(cxl, VFIO_CXL_GATE_NOT_OPEN);
	if (!READ_ONCE(cxl->gate.reasons))
		return 0;
	rc = -EIO;

err_close:
	close_memory(cxl);
	return rc;
}

static int vfio_cxl_open_device(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);
	int rc;

	/* vfio_pci_core_enable() would save config space before it is recovered. */
	if (READ_ONCE(cxl->gate.reasons) & VFIO_CXL_GATE_LINK_FROZEN)
		return -EAGAIN;
	rc = vfio_cxl_cxl_reset_outlast(cxl);
	if (rc)
		return rc;
	vfio_cxl_state_restore_config(cxl);
	/* The VFIO core fails the open if config access is locked. */
	vfio_cxl_settle_stop(cxl);
	rc = vfio_pci_core_enable(&cxl->core);
	if (rc)
		return rc;
	rc = vfio_cxl_map_comp_bar(cxl);
	if (rc)
		goto err_disable;
	vfio_cxl_virt_init(cxl);
	if (cxl->committed) {
		rc = open_memory(cxl);
		if (rc)
			goto err_unmap;
	}
	vfio_pci_core_finish_enable(&cxl->core);
	return 0;

err_unmap:
	vfio_cxl_cxl_reset_cancel(cxl);
	vfio_cxl_unmap_comp_bar(cxl);
err_disable:
	vfio_pci_core_disable(&cxl->core);
	return rc;
}

static void vfio_cxl_close_device(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	vfio_cxl_cxl_reset_cancel(cxl);
	if (cxl->committed)
		close_memory(cxl);
	(void)vfio_cxl_cxl_reset_outlast(cxl);
	vfio_cxl_unmap_comp_bar(cxl);
	/* Revokes all dma-bufs, disables bus mastering and resets the device. */
	vfio_pci_core_close_device(core_vdev);
	vfio_cxl_dmabuf_close(cxl);
	vfio_cxl_state_restore_config(cxl);
	vfio_cxl_state_restore_ras(cxl);
	vfio_cxl_gate_opened(cxl);
	if (!cxl->committed)
		return;
	/* The reset in there invokes no callback. */
	vfio_cxl_settle_later(cxl, VFIO_CXL_GATE_SUSPENDED);
	(void)prepare_memory(cxl, !cxl->core.needs_reset);
}

static const struct vfio_pci_device_ops vfio_cxl_pci_ops = {
	.get_dmabuf_phys = vfio_cxl_get_dmabuf_phys,
};

static int vfio_cxl_init_dev(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	mutex_init(&cxl->own.lock);
	mutex_init(&cxl->virt.lock);
	vfio_cxl_gate_init(cxl);
	vfio_cxl_settle_init(cxl);
	vfio_cxl_cxl_reset_init(cxl);
	cxl->core.pci_ops = &vfio_cxl_pci_ops;
	/* Powering down an idle device would lose its memory. */
	cxl->core.disable_idle_d3 = true;
	return vfio_pci_core_init_dev(core_vdev);
}

static void vfio_cxl_release_dev(struct vfio_device *core_vdev)
{
	struct vfio_cxl_device *cxl = to_vfio_cxl(core_vdev);

	mutex_destroy(&cxl->own.lock);
	mutex_destroy(&cxl->virt.lock);
	kfree(cxl->saved);
	kvfree(cxl->gate.touched);
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

	/* Work queued by an earlier unbind would undo this bind. */
	if (vfio_cxl_bind_must_wait(&pdev->dev))
		return -EPROBE_DEFER;

	cxl = vfio_alloc_device(vfio_cxl_device, core.vdev, &pdev->dev,
				&vfio_cxl_ops);
	if (IS_ERR(cxl))
		return PTR_ERR(cxl);
	vfio_cxl_dmabuf_init(cxl);
	rc = vfio_cxl_probe_device(cxl);
	if (rc)
		goto err_put;

	/* The host may have used the memory before. */
	cxl->needs_clear = true;
	dev_set_drvdata(&pdev->dev, cxl);
	rc = vfio_pci_core_register_device(&cxl->core);
	if (rc)
		goto err_put;
	vfio_cxl_debugfs_add(cxl);
	return 0;

err_put:
	vfio_put_device(&cxl->core.vdev);
	return rc;
}

static void vfio_cxl_remove(struct pci_dev *pdev)
{
	struct vfio_cxl_device *cxl = dev_get_drvdata(&pdev->dev);

	vfio_cxl_debugfs_remove(cxl);
	vfio_pci_core_unregister_device(&cxl->core);
	vfio_cxl_cxl_reset_cancel(cxl);
	vfio_put_device(&cxl->core.vdev);
}

/*
 * No class code identifies CXL accelerators, so match by driver_override or
 * new_id only. There is no MODULE_DEVICE_TABLE(): with a catch-all "vfio_pci:"
 * alias libvirt would choose this driver for every PCI device of the host.
 */
static const struct pci_device_id vfio_cxl_ids[] = {
	{}
};

static struct pci_driver vfio_cxl_driver = {
	.name			= "vfio-cxl-pci",
	.id_table		= vfio_cxl_ids,
	.probe			= vfio_cxl_probe,
	.remove			= vfio_cxl_remove,
	.err_handler		= &vfio_cxl_err_handlers,
	.driver_managed_dma	= true,
};

static int __init vfio_cxl_init(void)
{
	int rc;

	rc = vfio_cxl_bind_init();
	if (rc)
		return rc;
	vfio_cxl_debugfs_init();
	rc = pci_register_driver(&vfio_cxl_driver);
	if (rc) {
		vfio_cxl_debugfs_exit();
		vfio_cxl_bind_exit();
	}
	return rc;
}
module_init(vfio_cxl_init);

static void __exit vfio_cxl_exit(void)
{
	pci_unregister_driver(&vfio_cxl_driver);
	vfio_cxl_debugfs_exit();
	vfio_cxl_bind_exit();
}
module_exit(vfio_cxl_exit);

/* These two create the root decoders and the ports below them. */
MODULE_SOFTDEP("pre: cxl_acpi cxl_port");
MODULE_IMPORT_NS("CXL");
MODULE_IMPORT_NS("DEVMEM");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-cxl authors");
MODULE_DESCRIPTION("VFIO PCI driver for CXL accelerators");
