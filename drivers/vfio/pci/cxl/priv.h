/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_CXL_PRIV_H
#define VFIO_CXL_PRIV_H

/* Decides whether vfio_pci_core.h declares its 64-bit accessors */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/memory-failure.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/pci-p2pdma.h>
#include <linux/range.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/vfio_pci_core.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <cxl/cxl.h>

#include "dvsec.h"
#include "hdm.h"

/*
 * Lock order, outermost first:
 *
 *	vfio_cxl_device.own.lock	(config writes and VFIO_DEVICE_RESET)
 *	mmap_lock			(faults, and copies from user memory)
 *	vfio_pci_core_device.memory_lock
 *	device_lock			(resets; only tried when inside the above)
 *	vfio_cxl_device.gate.close_lock
 *	vfio_cxl_device.dmabuf.lock, then the dma_resv lock of a dma-buf
 *	vfio_cxl_device.gate.lock
 *	vfio_cxl_device.virt.lock
 *
 * Faults, read() and write() only take gate.lock for read. It is never held while
 * waiting for the device or accessing user memory. The driver itself never takes
 * memory_lock. The reset callbacks run with it held for write if the VFIO core
 * requested the reset, and without it otherwise (AER, sysfs).
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

/* Reasons to close the gate; it is open while none is set */
#define VFIO_CXL_GATE_NOT_OPEN		BIT(0)	/* the device has no user */
#define VFIO_CXL_GATE_IN_RESET		BIT(1)	/* a reset is in progress */
#define VFIO_CXL_GATE_SETTLING		BIT(2)	/* not verified after a reset */
#define VFIO_CXL_GATE_RESET_FAILED	BIT(3)	/* until a reset succeeds */
#define VFIO_CXL_GATE_SUSPENDED		BIT(4)	/* D3, or low power */
#define VFIO_CXL_GATE_NO_DECODER	BIT(5)	/* decoder 0 was not restored */
#define VFIO_CXL_GATE_LINK_FROZEN	BIT(6)	/* AER recovery in progress */
#define VFIO_CXL_GATE_REASONS		7

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

/* Flags of a reset */
#define VFIO_CXL_RESET_KEEP	BIT(0)	/* by the guest: keep virtual registers */
#define VFIO_CXL_RESET_CLEAR	BIT(1)	/* CXL Reset with Mem_Clr */

/**
 * struct vfio_cxl_mem - state shared with the CXL core
 * @cxlds: must come first, see devm_cxl_dev_state_create()
 * @hpa: the claimed range
 * @pgmap: its struct pages (pages.c)
 *
 * Lives as long as the driver is bound.
 */
struct vfio_cxl_mem {
	struct cxl_dev_state cxlds;
	struct range hpa;
	struct dev_pagemap pgmap;
};

/**
 * struct vfio_cxl_stats - counters shown in debugfs
 * @faults: by size of the leaf: 4 KiB, PMD, PUD
 * @sigbus: faults while the gate was closed
 * @resets: all resets of the function, whoever requested them
 * @cxl_resets: CXL Resets that the driver started
 * @cxl_resets_failed: CXL Resets that failed
 * @recommits: times that the physical decoder was lost and committed again
 * @flushes: flushes of all CPU caches
 * @flushed_lines: cache lines flushed one by one
 */
struct vfio_cxl_stats {
	atomic_long_t faults[3];
	atomic_long_t sigbus;
	atomic_long_t resets;
	atomic_long_t cxl_resets;
	atomic_long_t cxl_resets_failed;
	atomic_long_t recommits;
	atomic_long_t flushes;
	atomic_long_t flushed_lines;
};

/**
 * struct vfio_cxl_device - a CXL device bound to vfio-cxl-pci
 * @core: the VFIO PCI device; must come first, see vfio_alloc_device()
 * @mem: set at bind, constant afterwards
 * @dvsecs: all CXL DVSECs, lowest offset first. Located at bind, because config
 *	reads of a device in reset fail and writes would pass unfiltered.
 * @nr_dvsecs: their number
 * @committed: firmware committed decoder 0
 * @decoder: decoder 0 at bind
 * @saved: config space at bind
 * @p2p: provider of the dma-bufs, see dmabuf.c
 * @dpa_index: region index of the device memory, while the device is open
 * @needs_clear: device memory may hold data of the last user; only accessed by
 *	probe, open_device and close_device
 * @debugfs: file of this device
 */
struct vfio_cxl_device {
	struct vfio_pci_core_device core;
	struct vfio_cxl_mem *mem;
	struct vfio_cxl_dvsec_pos dvsecs[VFIO_CXL_MAX_DVSECS];
	unsigned int nr_dvsecs;
	bool committed;
	struct vfio_cxl_decoder decoder;
	struct pci_saved_state *saved;
	struct p2pdma_provider p2p;
	unsigned int dpa_index;
	bool needs_clear;
	struct dentry *debugfs;
	struct vfio_cxl_stats stats;

	/**
	 * @dvsec: the physical Device DVSEC at bind
	 * @dvsec.pos: offset in config space
	 * @dvsec.len: bytes
	 * @dvsec.hw: its registers, what the virtual ones are made from
	 * @dvsec.cap: Capability, without what cannot be passed on
	 * @dvsec.ctrl: Control, to restore after a reset
	 * @dvsec.ctrl2: Control2, without doorbells and Mem_Clr
	 */
	struct {
		u16 pos;
		u16 len;
		u32 hw[CXL_DVSEC_DEVICE_SIZE / 4];
		u32 cap;
		u16 ctrl;
		u16 ctrl2;
	} dvsec;

	/**
	 * @comp: the component register page (CXL.cache and CXL.mem registers)
	 * @comp.bar: BAR that holds it
	 * @comp.index: index of the COMP_REGS region, 0 if there is none
	 * @comp.offset: offset of the page in the BAR
	 * @comp.hdm_offset: offset in the page of the HDM structure
	 * @comp.hdm_len: bytes of the HDM structure
	 * @comp.ras_offset: offset of the RAS structure, 0 if there is none
	 * @comp.base: the physical page, mapped
	 * @comp.hdm: the physical HDM structure, in @comp.base
	 * @comp.hdm_hw: what the virtual decoders are made from
	 * @comp.cap_array: the capability array, constant while bound
	 * @comp.ras_policy: masks and severity of the RAS structure at bind
	 * @comp.iomap_owned: the iomap of @comp.bar is ours, not the VFIO core's
	 */
	struct {
		unsigned int bar;
		unsigned int index;
		u64 offset;
		u32 hdm_offset;
		u32 hdm_len;
		u32 ras_offset;
		void __iomem *base;
		void __iomem *hdm;
		struct vfio_cxl_hdm_hw hdm_hw;
		__le32 cap_array[CXL_CM_CAP_ARRAY_MAX];
		u32 ras_policy[CXL_RAS_NR_POLICY];
		bool iomap_owned;
	} comp;

	/**
	 * @own: state of the task that holds @own.lock
	 * @own.lock: serializes config writes that reach the device, low power,
	 *	VFIO_DEVICE_RESET and the end of a CXL Reset
	 * @own.task: that task, while it may run into a reset
	 * @own.flags: flags of that reset
	 */
	struct {
		struct mutex lock;	/* one at a time of what @own.lock says */
		struct task_struct *task;
		unsigned int flags;
	} own;

	/**
	 * @gate: whether the device memory may be reached (gate.c)
	 * @gate.close_lock: serializes flushes and opening the gate
	 * @gate.lock: protects all that follows
	 * @gate.reasons: reasons why it is closed
	 * @gate.seq: changes whenever a reset begins or ends
	 * @gate.resets: resets in progress
	 * @gate.closures: how often the gate closed since open
	 * @gate.kaddr: kernel mapping of the memory; set while the gate is
	 *	open, and only then
	 * @gate.stale: mapping that is still needed to flush the caches
	 * @gate.touched_lock: protects @gate.touched while the gate is open
	 * @gate.touched: pieces of the memory of which CPU caches may hold lines
	 * @gate.eventfd: signalled when the user-visible part of @gate.reasons changes
	 * @gate.wait: woken when @gate.reasons changes
	 * @gate.settle: work item that verifies the memory after a reset
	 * @gate.settle_from: jiffies at its start
	 */
	struct {
		struct mutex close_lock;	/* see above */
		struct rw_semaphore lock;
		unsigned int reasons;
		unsigned int seq;
		unsigned int resets;
		u64 closures;
		void *kaddr;
		void *stale;
		spinlock_t touched_lock;	/* see above */
		unsigned long *touched;
		struct eventfd_ctx *eventfd;
		wait_queue_head_t wait;
		struct delayed_work settle;
		unsigned long settle_from;
	} gate;

	/**
	 * @cxl_reset: the CXL Reset in progress (cxl_reset.c)
	 * @cxl_reset.work: does it
	 * @cxl_reset.done: completed at its end
	 * @cxl_reset.flags: VFIO_CXL_RESET_*
	 * @cxl_reset.rc: its result
	 * @cxl_reset.busy: requested and not completed; set under own.lock
	 * @cxl_reset.left: the last one was abandoned and may still be in progress
	 * @cxl_reset.ends: jiffies when it must have completed
	 * @cxl_reset.cancel: the device is being closed: do not wait for it
	 */
	struct {
		struct work_struct work;
		struct completion done;
		unsigned int flags;
		int rc;
		bool busy;
		bool left;
		unsigned long ends;
		bool cancel;
	} cxl_reset;

	/**
	 * @dmabuf: dma-bufs that the user has exported (dmabuf.c)
	 * @dmabuf.lock: protects @dmabuf.bufs
	 * @dmabuf.bufs: a reference to each that may be mapped
	 * @dmabuf.task: task that is exporting device memory; set under own.lock
	 */
	struct {
		struct mutex lock;		/* see above */
		struct list_head bufs;
		struct task_struct *task;
	} dmabuf;

	/**
	 * @virt: the registers that the user sees
	 * @virt.lock: protects them
	 * @virt.hdm: HDM decoders
	 * @virt.dvsec: Device DVSEC
	 */
	struct {
		struct mutex lock;		/* see above */
		struct vfio_cxl_hdm hdm;
		struct vfio_cxl_dvsec dvsec;
	} virt;

	/**
	 * @pages: struct pages of the memory (pages.c)
	 * @pages.present: they exist; constant while bound
	 * @pages.reserved: they are PageReserved, so that type1 maps them; constant
	 *	while bound
	 */
	struct {
		bool present;
		bool reserved;
	} pages;

	/**
	 * @poison: memory_failure()
	 * @poison.space: registration for memory without struct pages
	 * @poison.registered: @poison.space is registered
	 * @poison.pages: offsets of bad pages of memory with struct pages, which must
	 *	not be mapped; under gate.lock
	 */
	struct {
		struct pfn_address_space space;
		bool registered;
		struct xarray pages;
	} poison;
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

/* Set the flags of a reset that this task is about to trigger, see own_flags() */
static inline void vfio_cxl_own_begin(struct vfio_cxl_device *cxl,
				      unsigned int flags)
{
	lockdep_assert_held(&cxl->own.lock);
	cxl->own.flags = flags;
	WRITE_ONCE(cxl->own.task, current);
}

static inline void vfio_cxl_own_end(struct vfio_cxl_device *cxl)
{
	WRITE_ONCE(cxl->own.task, NULL);
}

/* Whether to abandon a wait. A task that is exiting completes its close. */
static inline bool vfio_cxl_killed(void)
{
	return fatal_signal_pending(current) && !(current->flags & PF_EXITING);
}

/* main.c: module parameters */
extern bool vfio_cxl_unsafe_type1_dma;
extern bool vfio_cxl_allow_no_reset;

/* bind.c: deferred probes */
int vfio_cxl_bind_init(void);
void vfio_cxl_bind_exit(void);
bool vfio_cxl_bind_must_wait(struct device *dev);
bool vfio_cxl_bind_has_root(void);

/* probe.c: examining a device, and claiming its memory */
int vfio_cxl_probe_device(struct vfio_cxl_device *cxl);

/* state.c: saving and restoring the state at bind */
void vfio_cxl_decoder_read(struct vfio_cxl_device *cxl, unsigned int n,
			   struct vfio_cxl_decoder *d);
bool vfio_cxl_mem_active(struct vfio_cxl_device *cxl, u32 *size_lo);
unsigned int vfio_cxl_mem_active_limit_ms(struct vfio_cxl_device *cxl);
void vfio_cxl_state_read_dvsec(struct vfio_cxl_device *cxl);
int vfio_cxl_state_save(struct vfio_cxl_device *cxl);
void vfio_cxl_state_restore_config(struct vfio_cxl_device *cxl);
void vfio_cxl_state_restore_ras(struct vfio_cxl_device *cxl);
bool vfio_cxl_state_restore_decoder(struct vfio_cxl_device *cxl);

/* gate.c: access to the device memory */
void vfio_cxl_gate_init(struct vfio_cxl_device *cxl);
void vfio_cxl_gate_opened(struct vfio_cxl_device *cxl);
void vfio_cxl_gate_shut(struct vfio_cxl_device *cxl, unsigned int reasons);
void vfio_cxl_gate_flush(struct vfio_cxl_device *cxl);
void vfio_cxl_gate_block(struct vfio_cxl_device *cxl, unsigned int reasons);
void vfio_cxl_gate_unblock(struct vfio_cxl_device *cxl, unsigned int reasons);
void vfio_cxl_gate_tell_revoked(struct vfio_cxl_device *cxl);
void vfio_cxl_reset_begin(struct vfio_cxl_device *cxl);
void vfio_cxl_reset_end(struct vfio_cxl_device *cxl);
unsigned int vfio_cxl_reset_seq(struct vfio_cxl_device *cxl, bool *active);
int vfio_cxl_gate_feature(struct vfio_cxl_device *cxl, u32 flags,
			  void __user *arg, size_t argsz);
u32 vfio_cxl_gate_user_reasons(unsigned int reasons);
const char *vfio_cxl_gate_reason_name(unsigned int bit);

/* settle.c: recovery of the memory after a reset or a suspend */
void vfio_cxl_settle_init(struct vfio_cxl_device *cxl);
void vfio_cxl_settle_stop(struct vfio_cxl_device *cxl);
void vfio_cxl_settle(struct vfio_cxl_device *cxl, unsigned int reasons);
void vfio_cxl_settle_later(struct vfio_cxl_device *cxl, unsigned int reasons);
int vfio_cxl_settle_wait(struct vfio_cxl_device *cxl);
bool vfio_cxl_is_asleep(struct vfio_cxl_device *cxl);
void vfio_cxl_update_power(struct vfio_cxl_device *cxl);

/* cache.c: CPU caches, and clearing memory by the CPU */
int vfio_cxl_cache_init(struct vfio_cxl_device *cxl);
void vfio_cxl_cache_touch(struct vfio_cxl_device *cxl, u64 off, u64 len);
void vfio_cxl_flush_cpu_caches(struct vfio_cxl_device *cxl, void *kaddr);
bool vfio_cxl_caches_dropped(struct vfio_cxl_device *cxl);
int vfio_cxl_clear_by_cpu(struct vfio_cxl_device *cxl);

/* cxl_reset.c: CXL Reset */
void vfio_cxl_cxl_reset_init(struct vfio_cxl_device *cxl);
bool vfio_cxl_can_cxl_reset(struct vfio_cxl_device *cxl, bool clear);
int vfio_cxl_cxl_reset_start(struct vfio_cxl_device *cxl, unsigned int flags);
int vfio_cxl_cxl_reset_wait(struct vfio_cxl_device *cxl);
void vfio_cxl_cxl_reset_cancel(struct vfio_cxl_device *cxl);
int vfio_cxl_cxl_reset_outlast(struct vfio_cxl_device *cxl);
int vfio_cxl_cxl_reset_now(struct vfio_cxl_device *cxl, bool clear);

/* ctrl2.c: Control2, Status2, and the device's own cache */
void vfio_cxl_write_ctrl2(struct vfio_cxl_device *cxl, u16 val);
int vfio_cxl_wait_status2(struct vfio_cxl_device *cxl, const char *what,
			  u32 done, u32 failed, unsigned int limit_ms,
			  bool killable);
int vfio_cxl_write_back_disable(struct vfio_cxl_device *cxl);
int vfio_cxl_write_back(struct vfio_cxl_device *cxl);
int vfio_cxl_guest_write_back(struct vfio_cxl_device *cxl);
void vfio_cxl_set_caching(struct vfio_cxl_device *cxl, bool disabled);

/* reset.c: the PCI core's callbacks, and the virtual registers */
extern const struct pci_error_handlers vfio_cxl_err_handlers;
void vfio_cxl_virt_init(struct vfio_cxl_device *cxl);
long vfio_cxl_device_reset(struct vfio_cxl_device *cxl);

/* pages.c: struct pages */
int vfio_cxl_pages_init(struct vfio_cxl_device *cxl);

/* region.c: the DPA region */
int vfio_cxl_register_dpa(struct vfio_cxl_device *cxl);
void vfio_cxl_unregister_dpa(struct vfio_cxl_device *cxl);
bool vfio_cxl_is_dpa(struct vfio_cxl_device *cxl, unsigned int index);
pgoff_t vfio_cxl_dpa_pgoff(struct vfio_cxl_device *cxl, unsigned long pfn);
unsigned long vfio_cxl_dpa_address(struct vm_area_struct *vma,
				   unsigned long pfn);

/* dmabuf.c: DMA to device memory */
void vfio_cxl_dmabuf_init(struct vfio_cxl_device *cxl);
int vfio_cxl_dmabuf_feature(struct vfio_cxl_device *cxl, u32 flags,
			    void __user *arg, size_t argsz);
bool vfio_cxl_dmabuf_any(struct vfio_cxl_device *cxl);
void vfio_cxl_dmabuf_revoke(struct vfio_cxl_device *cxl);
void vfio_cxl_dmabuf_close(struct vfio_cxl_device *cxl);
int vfio_cxl_get_dmabuf_phys(struct vfio_pci_core_device *core,
			     struct p2pdma_provider **provider,
			     unsigned int region_index,
			     struct phys_vec *phys_vec,
			     struct vfio_region_dma_range *dma_ranges,
			     size_t nr_ranges);

/* comp_regs.c: the component register page */
int vfio_cxl_register_comp_regs(struct vfio_cxl_device *cxl);
ssize_t vfio_cxl_comp_regs_rw(struct vfio_pci_core_device *core,
			      char __user *buf, size_t count, loff_t *ppos,
			      bool iswrite);
ssize_t vfio_cxl_comp_regs_user(struct vfio_cxl_device *cxl, char __user *buf,
				size_t count, u64 off, loff_t *ppos,
				bool iswrite);

/* comp_bar.c: the BAR that the page is in */
int vfio_cxl_map_comp_bar(struct vfio_cxl_device *cxl);
void vfio_cxl_unmap_comp_bar(struct vfio_cxl_device *cxl);
bool vfio_cxl_overlaps_comp_regs(struct vfio_cxl_device *cxl,
				 unsigned int index, u64 start, u64 len);
int vfio_cxl_add_sparse_cap(struct vfio_cxl_device *cxl,
			    struct vfio_info_cap *caps);
ssize_t vfio_cxl_bar_rw(struct vfio_cxl_device *cxl, char __user *buf,
			size_t count, loff_t *ppos, bool iswrite);

/* config.c: config space */
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

/* debugfs.c: state and counters */
void vfio_cxl_debugfs_init(void);
void vfio_cxl_debugfs_exit(void);
void vfio_cxl_debugfs_add(struct vfio_cxl_device *cxl);
void vfio_cxl_debugfs_remove(struct vfio_cxl_device *cxl);

#endif /* VFIO_CXL_PRIV_H */
