/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_CXL_PRIV_H
#define VFIO_CXL_PRIV_H

/* Decides whether vfio_pci_core.h declares its 64-bit accessors */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/memory-failure.h>
#include <linux/mutex.h>
#include <linux/range.h>
#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>
#include <cxl/cxl.h>

#include "dvsec.h"
#include "hdm.h"

/*
 * Lock order, outermost first:
 *
 *	mmap_lock			(faults only)
 *	vfio_cxl_device.config_lock	(config writes only)
 *	vfio_pci_core_device.memory_lock
 *	vfio_cxl_device.gate_lock
 *	vfio_cxl_device.shadow_lock
 *
 * The fault path takes memory_lock and gate_lock, both for read, so neither
 * may be held while user memory is touched. The reset callbacks run with
 * memory_lock held for write when the VFIO core asked for the reset, and
 * without it when somebody else did (AER, sysfs): gate_lock is what closes
 * the gate against both.
 */

/**
 * struct vfio_cxl_decoder - a physical HDM decoder, as firmware left it
 * @base: host physical address, never shown to the user
 * @size: bytes
 * @ctrl: Control register
 * @skip: DPA skip
 */
struct vfio_cxl_decoder {
	u64 base;
	u64 size;
	u64 skip;
	u32 ctrl;
};

/**
 * struct vfio_cxl_mem - what the CXL core keeps for the device, and we with it
 * @cxlds: must come first, see devm_cxl_dev_state_create()
 * @hpa: the claimed range
 *
 * Lives as long as the driver is bound.
 */
struct vfio_cxl_mem {
	struct cxl_dev_state cxlds;
	struct range hpa;
};

/**
 * struct vfio_cxl_device - a CXL device bound to vfio-cxl-pci
 * @core: the VFIO PCI device; must come first, see vfio_alloc_device()
 * @mem: set at bind, constant afterwards
 * @dvsec: offset of the Device DVSEC in config space
 * @dvsec_ctrl: its Control register at bind, to restore after a reset
 * @committed: firmware committed decoder 0
 * @decoder: decoder 0 at bind
 * @hdm_hw: the facts that the virtual decoders are made from
 * @regs: the physical register page, mapped
 * @hdm: the physical HDM decoder capability structure, in @regs
 * @ras: masks and severity of the RAS structure at bind
 * @bar: BAR that holds the component registers
 * @page: offset in @bar of the CXL.cache and CXL.mem register page
 * @hdm_offset: offset in that page of the HDM structure
 * @hdm_len: length of the HDM structure in bytes
 * @ras_offset: offset in that page of the RAS structure, 0 if there is none
 * @own_iomap: the iomap of @bar is ours and not the VFIO core's
 * @cap_array: the register page's capability array, constant while bound
 * @config_lock: serializes config space writes
 * @flr_task: the task that holds @config_lock; a reset that it runs into is
 *	one that the guest asked for
 * @gate_lock: protects @opened, @in_reset, @decoder_ok, @dpa
 * @opened: between open_device and close_device
 * @in_reset: between the callbacks around a reset
 * @decoder_ok: the physical decoder was last found, or made, to be as at bind
 * @dirty: a tenant's data may still be in device memory; only touched by
 *	open_device and close_device
 * @dpa: kernel mapping of the device memory. Set while the gate is open, and
 *	only then: no CPU can reach, or speculate into, the memory otherwise.
 * @shadow_lock: protects @virt_hdm and @virt_dvsec
 * @virt_hdm: the HDM decoders that the user sees
 * @virt_dvsec: the Device DVSEC that the user sees
 * @pfn_space: registration with memory_failure()
 * @pfn_registered: @pfn_space is registered
 */
struct vfio_cxl_device {
	struct vfio_pci_core_device core;
	struct vfio_cxl_mem *mem;

	u16 dvsec;
	u16 dvsec_ctrl;
	bool committed;
	struct vfio_cxl_decoder decoder;
	struct vfio_cxl_hdm_hw hdm_hw;
	void __iomem *regs;
	void __iomem *hdm;
	u32 ras[CXL_RAS_NR_POLICY];

	unsigned int bar;
	u64 page;
	u32 hdm_offset;
	u32 hdm_len;
	u32 ras_offset;
	bool own_iomap;
	__le32 cap_array[CXL_CM_CAP_ARRAY_MAX];

	struct mutex config_lock;	/* config writes, one at a time */
	struct task_struct *flr_task;

	struct rw_semaphore gate_lock;
	bool opened;
	bool in_reset;
	bool decoder_ok;
	bool dirty;
	void *dpa;

	struct mutex shadow_lock;	/* the virtual registers */
	struct vfio_cxl_hdm virt_hdm;
	struct vfio_cxl_dvsec virt_dvsec;

	struct pfn_address_space pfn_space;
	bool pfn_registered;
};

static inline struct vfio_cxl_device *to_vfio_cxl(struct vfio_device *core_vdev)
{
	return container_of(core_vdev, struct vfio_cxl_device, core.vdev);
}

static inline struct vfio_cxl_device *
core_to_vfio_cxl(struct vfio_pci_core_device *core)
{
	return container_of(core, struct vfio_cxl_device, core);
}

/* decoder.c: the physical device */
int vfio_cxl_probe_device(struct vfio_cxl_device *cxl);
bool vfio_cxl_restore_decoder(struct vfio_cxl_device *cxl);

/* region.c: the DPA region and its gate */
void vfio_cxl_gate_close(struct vfio_cxl_device *cxl);
void vfio_cxl_gate_sync(struct vfio_cxl_device *cxl);
int vfio_cxl_register_dpa(struct vfio_cxl_device *cxl);
void vfio_cxl_unregister_dpa(struct vfio_cxl_device *cxl);
int vfio_cxl_clear_dpa(struct vfio_cxl_device *cxl);

/* comp_regs.c: the component register page, as a region and in its BAR */
int vfio_cxl_map_comp_bar(struct vfio_cxl_device *cxl);
void vfio_cxl_unmap_comp_bar(struct vfio_cxl_device *cxl);
void vfio_cxl_save_ras(struct vfio_cxl_device *cxl);
void vfio_cxl_restore_ras(struct vfio_cxl_device *cxl);
int vfio_cxl_register_comp_regs(struct vfio_cxl_device *cxl);
bool vfio_cxl_hits_page(struct vfio_cxl_device *cxl, unsigned int index,
			u64 start, u64 len);
int vfio_cxl_add_sparse_cap(struct vfio_cxl_device *cxl,
			    struct vfio_info_cap *caps);
ssize_t vfio_cxl_bar_rw(struct vfio_cxl_device *cxl, char __user *buf,
			size_t count, loff_t *ppos, bool iswrite);

/* config.c: config space */
void vfio_cxl_reset_shadow(struct vfio_cxl_device *cxl);
ssize_t vfio_cxl_config_rw(struct vfio_cxl_device *cxl, char __user *buf,
			   size_t count, loff_t *ppos, bool iswrite);

/* ops.c: the vfio_device_ops that are neither life cycle nor the core's */
long vfio_cxl_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
		    unsigned long arg);
int vfio_cxl_get_region_info_caps(struct vfio_device *core_vdev,
				  struct vfio_region_info *info,
				  struct vfio_info_cap *caps);
ssize_t vfio_cxl_read(struct vfio_device *core_vdev, char __user *buf,
		      size_t count, loff_t *ppos);
ssize_t vfio_cxl_write(struct vfio_device *core_vdev, const char __user *buf,
		       size_t count, loff_t *ppos);
int vfio_cxl_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma);
int vfio_cxl_get_dmabuf_phys(struct vfio_pci_core_device *core,
			     struct p2pdma_provider **provider,
			     unsigned int region_index,
			     struct phys_vec *phys_vec,
			     struct vfio_region_dma_range *dma_ranges,
			     size_t nr_ranges);

#endif /* VFIO_CXL_PRIV_H */
