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
 *	vfio_cxl_device.config_lock	(config writes and VFIO_DEVICE_RESET)
 *	mmap_lock			(faults, and copies from user memory)
 *	vfio_pci_core_device.memory_lock
 *	device_lock			(resets; only tried when inside the above)
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
 * @skip: DPA skip
 * @ctrl: Control register
 * @global: Global Control register, of all decoders
 */
struct vfio_cxl_decoder {
	u64 base;
	u64 size;
	u64 skip;
	u32 ctrl;
	u32 global;
};

/*
 * Why the gate to the memory is closed; it is open when none of these is true.
 * Beside these the VFIO core has its own: Memory Space off, D3.
 */
#define VFIO_CXL_CLOSED		BIT(0)	/* nobody has the device open */
#define VFIO_CXL_IN_RESET	BIT(1)	/* a reset is under way, or failed */
#define VFIO_CXL_POWER		BIT(2)	/* asleep, or not looked at since */
#define VFIO_CXL_NO_DECODER	BIT(3)	/* decoder 0 is not as at bind */
#define VFIO_CXL_FROZEN		BIT(4)	/* the link is, AER recovers it */

/* CXL DVSECs of a function: those that are defined, and some room */
#define VFIO_CXL_MAX_DVSECS	16

/**
 * struct vfio_cxl_dvsec_pos - where a CXL DVSEC is in config space
 * @pos: offset of its header
 * @len: bytes, header included
 */
struct vfio_cxl_dvsec_pos {
	u16 pos;
	u16 len;
};

/* What to do in a reset of our own making, see vfio_cxl_reset() */
#define VFIO_CXL_RESET_KEEP	BIT(0)	/* the virtual registers stay */
#define VFIO_CXL_RESET_CXL	BIT(1)	/* CXL Reset before the function's */
#define VFIO_CXL_RESET_CLEAR	BIT(2)	/* with the former: Mem_Clr */

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
 * @dvsecs: all CXL DVSECs, lowest offset first. Found once: a device in reset
 *	reads as if it had none, and nothing would filter writes to them.
 * @nr_dvsecs: their number
 * @dvsec: offset of the Device DVSEC in config space
 * @dvsec_len: its length in bytes
 * @dvsec_hw: its registers at bind, what fresh virtual ones are made from
 * @dvsec_cap: its Capability register, without what cannot be passed on
 * @dvsec_ctrl: its Control register at bind, to restore after a reset
 * @dvsec_ctrl2: its Control2 register at bind, without doorbells
 * @config: config space at bind
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
 * @config_lock: serializes config space writes and VFIO_DEVICE_RESET; protects
 *	@reset_how, @reset_rc
 * @reset_task: the task that holds @config_lock and may run into a reset
 * @reset_how: what to do in that reset
 * @reset_rc: what came of it
 * @gate_lock: protects @closed, @reset_seq, @dpa
 * @closed: reasons for which the gate is closed
 * @reset_seq: odd while a reset is under way; changes with each
 * @dirty: somebody's data may be in device memory; only touched by probe,
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

	struct vfio_cxl_dvsec_pos dvsecs[VFIO_CXL_MAX_DVSECS];
	unsigned int nr_dvsecs;
	u16 dvsec;
	u16 dvsec_len;
	u32 dvsec_hw[CXL_DVSEC_DEVICE_SIZE / 4];
	u16 dvsec_ctrl;
	u16 dvsec_ctrl2;
	u32 dvsec_cap;
	struct pci_saved_state *config;
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
	struct task_struct *reset_task;
	unsigned int reset_how;
	int reset_rc;

	struct rw_semaphore gate_lock;
	unsigned int closed;
	unsigned int reset_seq;
	void *dpa;
	bool dirty;

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

/* probe.c: taking a device over */
int vfio_cxl_probe_device(struct vfio_cxl_device *cxl);

/* decoder.c: the physical decoder */
void vfio_cxl_decoder_read(struct vfio_cxl_device *cxl, unsigned int n,
			   struct vfio_cxl_decoder *d);
bool vfio_cxl_wait_mem_active(struct vfio_cxl_device *cxl);
int vfio_cxl_save_state(struct vfio_cxl_device *cxl);
void vfio_cxl_restore_config(struct vfio_cxl_device *cxl);
bool vfio_cxl_restore_decoder(struct vfio_cxl_device *cxl);

/* reset.c: resets, and what of them is CXL's */
extern const struct pci_error_handlers vfio_cxl_err_handlers;
int vfio_cxl_reset(struct vfio_cxl_device *cxl, unsigned int how);
int vfio_cxl_reset_clear(struct vfio_cxl_device *cxl);
int vfio_cxl_write_back(struct vfio_cxl_device *cxl);
bool vfio_cxl_check_decoder(struct vfio_cxl_device *cxl);
void vfio_cxl_power_settle(struct vfio_cxl_device *cxl);

/* region.c: the DPA region and its gate */
void vfio_cxl_gate_close(struct vfio_cxl_device *cxl, unsigned int why);
int vfio_cxl_gate_open(struct vfio_cxl_device *cxl, unsigned int why);
int vfio_cxl_register_dpa(struct vfio_cxl_device *cxl);
void vfio_cxl_unregister_dpa(struct vfio_cxl_device *cxl);
int vfio_cxl_clear_dpa(struct vfio_cxl_device *cxl);

/* comp_regs.c: the component register page */
void vfio_cxl_save_ras(struct vfio_cxl_device *cxl);
void vfio_cxl_restore_ras(struct vfio_cxl_device *cxl);
int vfio_cxl_register_comp_regs(struct vfio_cxl_device *cxl);
bool vfio_cxl_is_comp_regs(struct vfio_cxl_device *cxl, unsigned int index);
ssize_t vfio_cxl_comp_regs_rw(struct vfio_pci_core_device *core,
			      char __user *buf, size_t count, loff_t *ppos,
			      bool iswrite);
ssize_t vfio_cxl_comp_regs_user(struct vfio_cxl_device *cxl, char __user *buf,
				size_t count, u64 off, bool iswrite);

/* comp_bar.c: the BAR that the page is in */
int vfio_cxl_map_comp_bar(struct vfio_cxl_device *cxl);
void vfio_cxl_unmap_comp_bar(struct vfio_cxl_device *cxl);
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
int vfio_cxl_feature(struct vfio_device *core_vdev, u32 flags,
		     void __user *arg, size_t argsz);
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
