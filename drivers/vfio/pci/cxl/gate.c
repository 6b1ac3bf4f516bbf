// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The gate to the device memory
 *
 * CPUs access device memory through user mappings (region.c) and one kernel
 * mapping, devices through dma-bufs (dmabuf.c). A single gate controls all of
 * them. It is open while no reason to close it is set; see the table in
 * Documentation/driver-api/vfio-cxl.rst.
 *
 * The gate is closed before an event reaches the device. Afterwards no CPU has a
 * translation, dma-bufs are revoked, and CPU caches have been written back
 * (cache.c).
 *
 * The kernel mapping exists while the gate is open. On x86 it also
 * reserves the write-back memory type for the PFNs that faults insert.
 *
 * The VFIO core does not know the gate. PCI Memory Space Enable does not close it,
 * because CXL.mem does not depend on it.
 */
#include <linux/eventfd.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

static const struct {
	const char *name;
	u32 user;
} gate_reasons[VFIO_CXL_GATE_REASONS] = {
	{ "not open", 0 },
	{ "in reset", VFIO_CXL_MEM_RESET },
	{ "settling", VFIO_CXL_MEM_RESET },
	{ "reset failed", VFIO_CXL_MEM_RESET_FAILED },
	{ "suspended", VFIO_CXL_MEM_SUSPENDED },
	{ "no decoder", VFIO_CXL_MEM_NO_DECODER },
	{ "link frozen", VFIO_CXL_MEM_LINK_FROZEN },
};

/**
 * vfio_cxl_gate_reason_name - human-readable name of a reason
 * @bit: its bit number, below %VFIO_CXL_GATE_REASONS
 *
 * Return: a constant string.
 */
const char *vfio_cxl_gate_reason_name(unsigned int bit)
{
	return gate_reasons[bit].name;
}

/**
 * vfio_cxl_gate_user_reasons - convert reasons to their ABI values
 * @reasons: %VFIO_CXL_GATE_IN_RESET and so on
 *
 * Return: %VFIO_CXL_MEM_RESET and so on.
 */
u32 vfio_cxl_gate_user_reasons(unsigned int reasons)
{
	u32 user = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gate_reasons); i++)
		if (reasons & BIT(i))
			user |= gate_reasons[i].user;
	return user;
}

static void gate_set(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	unsigned int old = cxl->gate.reasons;

	lockdep_assert_held_write(&cxl->gate.lock);

	if (reasons == old)
		return;
	cxl->gate.reasons = reasons;
	pci_dbg(cxl->core.pdev, "gate: reasons %#x -> %#x\n", old, reasons);
	wake_up_all(&cxl->gate.wait);
	if (cxl->gate.eventfd && vfio_cxl_gate_user_reasons(old) !=
				 vfio_cxl_gate_user_reasons(reasons))
		eventfd_signal(cxl->gate.eventfd);
}

/**
 * vfio_cxl_gate_init - initialize the gate as closed
 * @cxl: device, being allocated
 */
void vfio_cxl_gate_init(struct vfio_cxl_device *cxl)
{
	mutex_init(&cxl->gate.close_lock);
	init_rwsem(&cxl->gate.lock);
	spin_lock_init(&cxl->gate.touched_lock);
	init_waitqueue_head(&cxl->gate.wait);
	xa_init(&cxl->poison.pages);
	cxl->gate.reasons = VFIO_CXL_GATE_NOT_OPEN;
}

/**
 * vfio_cxl_gate_opened - reset what is kept for one user
 * @cxl: device, being opened or closed
 */
void vfio_cxl_gate_opened(struct vfio_cxl_device *cxl)
{
	struct eventfd_ctx *old;

	scoped_guard(rwsem_write, &cxl->gate.lock) {
		old = cxl->gate.eventfd;
		cxl->gate.eventfd = NULL;
		cxl->gate.closures = 0;
		xa_destroy(&cxl->poison.pages);
	}
	if (old)
		eventfd_ctx_put(old);
}

/**
 * vfio_cxl_gate_shut - prevent new accesses to the memory
 * @cxl: device
 * @reasons: reasons to add
 *
 * On return no user has a translation. Before the event may reach the device the
 * caller must also call vfio_cxl_gate_flush(), which takes longer.
 */
void vfio_cxl_gate_shut(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	guard(rwsem_write)(&cxl->gate.lock);

	if (cxl->gate.kaddr) {
		unmap_mapping_range(cxl->core.vdev.inode->i_mapping,
				    VFIO_PCI_INDEX_TO_OFFSET(cxl->dpa_index),
				    cxl->decoder.size, true);
		cxl->gate.stale = cxl->gate.kaddr;
		cxl->gate.kaddr = NULL;
		cxl->gate.closures++;
	}
	gate_set(cxl, cxl->gate.reasons | reasons);
}

static void gate_flush(struct vfio_cxl_device *cxl)
{
	void *kaddr;
	bool frozen;

	lockdep_assert_held(&cxl->gate.close_lock);

	scoped_guard(rwsem_write, &cxl->gate.lock) {
		kaddr = cxl->gate.stale;
		cxl->gate.stale = NULL;
		frozen = cxl->gate.reasons & VFIO_CXL_GATE_LINK_FROZEN ||
			 pci_channel_offline(cxl->core.pdev);
	}
	if (kaddr) {
		if (!frozen)
			vfio_cxl_flush_cpu_caches(cxl, kaddr);
		memunmap(kaddr);
		/* Flush the TLBs now, which memunmap() would defer. */
		vm_unmap_aliases();
	}
	vfio_cxl_dmabuf_revoke(cxl);
}

/**
 * vfio_cxl_gate_flush - flush CPU caches and revoke dma-bufs
 * @cxl: device, after vfio_cxl_gate_shut()
 *
 * Writes back and invalidates CPU caches, removes the kernel mapping and revokes
 * dma-bufs. If the link is frozen or the device is gone nothing can be written
 * back; the lines are flushed later.
 */
void vfio_cxl_gate_flush(struct vfio_cxl_device *cxl)
{
	guard(mutex)(&cxl->gate.close_lock);
	gate_flush(cxl);
}

/**
 * vfio_cxl_gate_block - close the gate
 * @cxl: device
 * @reasons: reasons to add, %VFIO_CXL_GATE_IN_RESET and so on
 *
 * May sleep, but does not wait for the device. On return the memory is
 * unreachable, and the event may happen.
 */
void vfio_cxl_gate_block(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	vfio_cxl_gate_shut(cxl, reasons);
	vfio_cxl_gate_flush(cxl);
}

/**
 * vfio_cxl_gate_unblock - drop reasons, and open the gate if none remains
 * @cxl: device
 * @reasons: reasons to drop
 *
 * The VFIO core cannot be made to refuse mappings of its dma-bufs while the gate
 * is closed, so they are revoked again before it opens. If the kernel cannot map
 * the memory the gate stays closed with %VFIO_CXL_GATE_NO_DECODER.
 */
void vfio_cxl_gate_unblock(struct vfio_cxl_device *cxl, unsigned int reasons)
{
	unsigned int left;

	/* Serialize with flushes, and with others that drop reasons. */
	guard(mutex)(&cxl->gate.close_lock);
	left = READ_ONCE(cxl->gate.reasons);
	if (left && !(left & ~reasons))
		gate_flush(cxl);

	guard(rwsem_write)(&cxl->gate.lock);
	left = cxl->gate.reasons & ~reasons;
	if (!left && !cxl->gate.kaddr) {
		xa_destroy(&cxl->poison.pages);
		cxl->gate.kaddr = memremap(cxl->mem->hpa.start,
					   cxl->decoder.size, MEMREMAP_WB);
		if (!cxl->gate.kaddr) {
			pci_err(cxl->core.pdev, "cannot map %#llx bytes of device memory; memory stays inaccessible\n",
				cxl->decoder.size);
			left = VFIO_CXL_GATE_NO_DECODER;
		}
	}
	gate_set(cxl, left);
}

/**
 * vfio_cxl_gate_tell_revoked - notify user space that dma-bufs were revoked
 * @cxl: device
 *
 * The VFIO core revokes dma-bufs when Memory Space is disabled, although CPUs can
 * still reach the memory. This is reported like a short closure of the gate, so
 * that user space maps them again.
 */
void vfio_cxl_gate_tell_revoked(struct vfio_cxl_device *cxl)
{
	guard(rwsem_write)(&cxl->gate.lock);
	cxl->gate.closures++;
	if (cxl->gate.eventfd)
		eventfd_signal(cxl->gate.eventfd);
}

/**
 * vfio_cxl_reset_begin - record the start of a reset
 * @cxl: device
 */
void vfio_cxl_reset_begin(struct vfio_cxl_device *cxl)
{
	guard(rwsem_write)(&cxl->gate.lock);
	cxl->gate.seq++;
	cxl->gate.resets++;
	atomic_long_inc(&cxl->stats.resets);
}

/**
 * vfio_cxl_reset_end - record the end of a reset
 * @cxl: device
 */
void vfio_cxl_reset_end(struct vfio_cxl_device *cxl)
{
	guard(rwsem_write)(&cxl->gate.lock);
	cxl->gate.seq++;
	if (!WARN_ON_ONCE(!cxl->gate.resets))
		cxl->gate.resets--;
}

/**
 * vfio_cxl_reset_seq - sequence number for the detection of resets
 * @cxl: device
 * @active: set to true if a reset is in progress
 *
 * Return: a number that changes at the start and at the end of each reset.
 */
unsigned int vfio_cxl_reset_seq(struct vfio_cxl_device *cxl, bool *active)
{
	guard(rwsem_read)(&cxl->gate.lock);
	*active = cxl->gate.resets ||
		  cxl->gate.reasons & VFIO_CXL_GATE_LINK_FROZEN;
	return cxl->gate.seq;
}

static int gate_get(struct vfio_cxl_device *cxl,
		    struct vfio_device_feature_cxl_mem __user *arg)
{
	struct vfio_device_feature_cxl_mem mem = { .eventfd = -1 };

	scoped_guard(rwsem_read, &cxl->gate.lock) {
		mem.reasons = vfio_cxl_gate_user_reasons(cxl->gate.reasons);
		mem.closures = cxl->gate.closures;
	}
	return copy_to_user(arg, &mem, sizeof(mem)) ? -EFAULT : 0;
}

static int gate_set_eventfd(struct vfio_cxl_device *cxl,
			    struct vfio_device_feature_cxl_mem __user *arg)
{
	struct vfio_device_feature_cxl_mem mem;
	struct eventfd_ctx *ctx = NULL;

	if (copy_from_user(&mem, arg, sizeof(mem)))
		return -EFAULT;
	if (mem.reasons || mem.closures || mem.eventfd < -1)
		return -EINVAL;
	if (mem.eventfd >= 0)
		ctx = eventfd_ctx_fdget(mem.eventfd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	scoped_guard(rwsem_write, &cxl->gate.lock)
		swap(ctx, cxl->gate.eventfd);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

/**
 * vfio_cxl_gate_feature - %VFIO_DEVICE_FEATURE_CXL_MEM
 * @cxl: device
 * @flags: feature, and what to do with it
 * @arg: &struct vfio_device_feature_cxl_mem
 * @argsz: its size
 *
 * Return: as ioctl(2); -ENOTTY for a device without memory.
 */
int vfio_cxl_gate_feature(struct vfio_cxl_device *cxl, u32 flags,
			  void __user *arg, size_t argsz)
{
	int rc;

	if (!cxl->committed)
		return -ENOTTY;
	rc = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				VFIO_DEVICE_FEATURE_SET,
				sizeof(struct vfio_device_feature_cxl_mem));
	if (rc != 1)
		return rc;
	return flags & VFIO_DEVICE_FEATURE_GET ? gate_get(cxl, arg) :
						 gate_set_eventfd(cxl, arg);
}
