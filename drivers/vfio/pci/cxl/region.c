// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The DPA region and its gate
 *
 * User space reaches device memory by mmap() and by read()/write(). Both go
 * through one gate. It is open while the device is open, not in reset, awake,
 * and its physical decoder is known to be in place; the VFIO core adds its own
 * conditions (Memory Space enabled, not in D3 or runtime suspend).
 *
 * The gate is the kernel's own mapping of the memory: as long as it exists,
 * accesses may happen. It also holds the write-back memory type that x86 gives
 * to the PFNs which faults insert.
 *
 * Mappings are kept in the address range of the component BAR's region, and
 * not in that of the DPA region: see vfio_cxl_dpa_mmap().
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

/* What one turn of read(), write() and clear touches before it may sleep */
#define DPA_CHUNK	SZ_64K

static unsigned long dpa_first_pgoff(struct vfio_cxl_device *cxl)
{
	return VFIO_PCI_INDEX_TO_OFFSET(cxl->bar) >> PAGE_SHIFT;
}

static void __gate_close(struct vfio_cxl_device *cxl)
{
	lockdep_assert_held_write(&cxl->gate_lock);

	if (!cxl->dpa)
		return;
	unmap_mapping_range(cxl->core.vdev.inode->i_mapping,
			    VFIO_PCI_INDEX_TO_OFFSET(cxl->bar),
			    cxl->decoder.size, true);
	memunmap(cxl->dpa);
	cxl->dpa = NULL;
	/* Also from the TLBs: the kernel flushes them lazily otherwise. */
	vm_unmap_aliases();
}

/**
 * vfio_cxl_gate_close - let nobody reach the device memory
 * @cxl: device
 * @why: %VFIO_CXL_IN_RESET and so on, added to the reasons that there are
 *
 * On return no CPU has a mapping of it, neither user nor kernel.
 */
void vfio_cxl_gate_close(struct vfio_cxl_device *cxl, unsigned int why)
{
	guard(rwsem_write)(&cxl->gate_lock);
	cxl->closed |= why;
	__gate_close(cxl);
}

/**
 * vfio_cxl_gate_open - take back reasons for which the gate was closed
 * @cxl: device
 * @why: reasons that are no more; with the last one the gate opens
 *
 * Return: 0, also when there are other reasons; -ENOMEM if it should open and
 * does not.
 */
int vfio_cxl_gate_open(struct vfio_cxl_device *cxl, unsigned int why)
{
	guard(rwsem_write)(&cxl->gate_lock);

	cxl->closed &= ~why;
	if (cxl->closed || cxl->dpa)
		return 0;
	cxl->dpa = memremap(cxl->mem->hpa.start, cxl->decoder.size,
			    MEMREMAP_WB);
	if (cxl->dpa)
		return 0;
	pci_err(cxl->core.pdev, "cannot map device memory; it stays closed\n");
	return -ENOMEM;
}

static vm_fault_t dpa_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_cxl_device *cxl = vma->vm_private_data;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	unsigned long pfn = PHYS_PFN(cxl->mem->hpa.start) + vma->vm_pgoff -
			    dpa_first_pgoff(cxl) +
			    linear_page_delta(vma, addr);

	if (!is_aligned_for_order(vma, addr, pfn, order))
		return VM_FAULT_FALLBACK;

	guard(rwsem_read)(&cxl->core.memory_lock);
	guard(rwsem_read)(&cxl->gate_lock);
	if (!cxl->dpa)
		return VM_FAULT_SIGBUS;
	return vfio_pci_vmf_insert_pfn(&cxl->core, vmf, pfn, order);
}

static vm_fault_t dpa_fault(struct vm_fault *vmf)
{
	return dpa_huge_fault(vmf, 0);
}

static const struct vm_operations_struct dpa_vm_ops = {
	.fault = dpa_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = dpa_huge_fault,
#endif
};

/*
 * The VFIO core zaps the mappings of BAR regions, under memory_lock, on each
 * event that takes the device's memory away: Memory Space off, D3, runtime
 * suspend, any reset. It knows nothing of device regions. So the VMA is moved
 * to the offsets of a BAR region, and the core zaps it with the rest, in the
 * same critical section. Nothing else finds the VMA by these offsets.
 */
static int dpa_mmap(struct vfio_pci_core_device *core,
		    struct vfio_pci_region *region, struct vm_area_struct *vma)
{
	struct vfio_cxl_device *cxl = core_to_vfio_cxl(core);
	u64 pgoff = vma->vm_pgoff &
		    (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT);
	u64 end;

	if (check_add_overflow(pgoff, vma_pages(vma), &end) ||
	    end > cxl->decoder.size >> PAGE_SHIFT)
		return -EINVAL;

	vma->vm_pgoff = dpa_first_pgoff(cxl) + pgoff;
	vma->vm_private_data = cxl;
	vma->vm_ops = &dpa_vm_ops;
	/* As memremap() has it, which read() and write() go through */
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

/* Copy between device memory and @bounce, which is kernel memory. */
static int dpa_copy(struct vfio_cxl_device *cxl, u64 off, void *bounce,
		    size_t len, bool iswrite)
{
	struct vfio_pci_core_device *core = &cxl->core;

	guard(rwsem_read)(&core->memory_lock);
	guard(rwsem_read)(&cxl->gate_lock);
	if (!cxl->dpa || core->pm_runtime_engaged ||
	    !__vfio_pci_memory_enabled(core))
		return -EIO;
	if (iswrite)
		memcpy(cxl->dpa + off, bounce, len);
	else if (copy_mc_to_kernel(bounce, cxl->dpa + off, len))
		return -EIO;	/* poison */
	return 0;
}

static ssize_t dpa_rw(struct vfio_pci_core_device *core, char __user *buf,
		      size_t count, loff_t *ppos, bool iswrite)
{
	struct vfio_cxl_device *cxl = core_to_vfio_cxl(core);
	u64 off = *ppos & VFIO_PCI_OFFSET_MASK;
	size_t done = 0;
	int rc = 0;

	if (off >= cxl->decoder.size)
		return -EINVAL;
	count = min_t(u64, count, cxl->decoder.size - off);

	void *bounce __free(kvfree) =
		kvmalloc(min(count, DPA_CHUNK), GFP_KERNEL_ACCOUNT);
	if (!bounce)
		return -ENOMEM;

	while (done < count) {
		size_t len = min(count - done, DPA_CHUNK);

		if (iswrite && copy_from_user(bounce, buf + done, len)) {
			rc = -EFAULT;
			break;
		}
		rc = dpa_copy(cxl, off + done, bounce, len, iswrite);
		if (rc)
			break;
		if (!iswrite && copy_to_user(buf + done, bounce, len)) {
			rc = -EFAULT;
			break;
		}
		done += len;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		cond_resched();
	}
	*ppos += done;
	return done ?: rc;
}

static void dpa_release(struct vfio_pci_core_device *core,
			struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops dpa_regops = {
	.rw = dpa_rw,
	.release = dpa_release,
	.mmap = dpa_mmap,
};

static int dpa_pfn_to_vma_pgoff(struct vm_area_struct *vma, unsigned long pfn,
				pgoff_t *pgoff)
{
	struct vfio_cxl_device *cxl;
	unsigned long first;

	if (vma->vm_ops != &dpa_vm_ops)
		return -ENOENT;
	cxl = vma->vm_private_data;
	first = PHYS_PFN(cxl->mem->hpa.start);
	if (pfn < first || pfn - first >= cxl->decoder.size >> PAGE_SHIFT)
		return -EFAULT;
	*pgoff = dpa_first_pgoff(cxl) + pfn - first;
	/* The caller kills whoever this returns 0 for. */
	if (*pgoff < vma->vm_pgoff || *pgoff - vma->vm_pgoff >= vma_pages(vma))
		return -EFAULT;
	return 0;
}

/**
 * vfio_cxl_register_dpa - offer the DPA region
 * @cxl: device, being opened
 *
 * Return: 0 or an error.
 */
int vfio_cxl_register_dpa(struct vfio_cxl_device *cxl)
{
	unsigned long first = PHYS_PFN(cxl->mem->hpa.start);
	int rc;

	rc = vfio_pci_core_register_dev_region(&cxl->core, VFIO_REGION_TYPE_CXL,
					       VFIO_REGION_SUBTYPE_CXL,
					       &dpa_regops, cxl->decoder.size,
					       VFIO_REGION_INFO_FLAG_READ |
					       VFIO_REGION_INFO_FLAG_WRITE |
					       VFIO_REGION_INFO_FLAG_MMAP,
					       NULL);
	if (rc)
		return rc;

	cxl->pfn_space = (struct pfn_address_space) {
		.node.start = first,
		.node.last = first + (cxl->decoder.size >> PAGE_SHIFT) - 1,
		.mapping = cxl->core.vdev.inode->i_mapping,
		.pfn_to_vma_pgoff = dpa_pfn_to_vma_pgoff,
	};
	rc = register_pfn_address_space(&cxl->pfn_space);
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	cxl->pfn_registered = !rc;
	return 0;
}

/**
 * vfio_cxl_unregister_dpa - undo what the VFIO core does not
 * @cxl: device, being closed
 */
void vfio_cxl_unregister_dpa(struct vfio_cxl_device *cxl)
{
	if (cxl->pfn_registered)
		unregister_pfn_address_space(&cxl->pfn_space);
	cxl->pfn_registered = false;
}

/**
 * vfio_cxl_clear_dpa - zero all of the device memory with the CPU
 * @cxl: device, closed and quiet, with its decoder in place
 *
 * Return: 0, -ENOMEM when the memory cannot be mapped, or -EAGAIN when the
 * device was reset meanwhile: some of the zeroes may not have arrived.
 */
int vfio_cxl_clear_dpa(struct vfio_cxl_device *cxl)
{
	void *dpa = memremap(cxl->mem->hpa.start, cxl->decoder.size,
			     MEMREMAP_WB);
	unsigned int seq;
	int rc = 0;
	u64 off;

	if (!dpa)
		return -ENOMEM;
	scoped_guard(rwsem_read, &cxl->gate_lock)
		seq = cxl->reset_seq;
	for (off = 0; !rc && off < cxl->decoder.size; off += DPA_CHUNK) {
		/* A reset waits for the piece, and nothing follows it. */
		scoped_guard(rwsem_read, &cxl->gate_lock) {
			if (seq & 1 || seq != cxl->reset_seq)
				rc = -EAGAIN;
			else
				memset(dpa + off, 0, DPA_CHUNK);
		}
		cond_resched();
	}
	memunmap(dpa);
	vm_unmap_aliases();
	return rc;
}
