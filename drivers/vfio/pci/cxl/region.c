// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The DPA region
 *
 * User space accesses device memory by mmap() and, where the kernel survives
 * poison, by read() and write(). Each fault and each copy checks the gate
 * (gate.c) and nothing else; closing the gate zaps the mappings.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/iommufd.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include <linux/vfio_cxl.h>

#include "priv.h"

/* Bytes that read() and write() handle per lock hold */
#define DPA_CHUNK	SZ_64K

static vm_fault_t insert_pfn(struct vm_fault *vmf, unsigned long pfn,
			     unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, pfn, false);
	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP) && order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, pfn, false);
	return VM_FAULT_FALLBACK;
}

static void count_fault(struct vfio_cxl_device *cxl, unsigned int order,
			vm_fault_t ret)
{
	if (ret & VM_FAULT_NOPAGE)
		atomic_long_inc(&cxl->stats.faults[!order ? 0 :
						   order == PMD_ORDER ? 1 : 2]);
	else if (ret & VM_FAULT_SIGBUS)
		atomic_long_inc(&cxl->stats.sigbus);
}

/* Set by memory_failure() of memory with struct pages; see pages.c */
static bool is_poisoned(struct vfio_cxl_device *cxl, unsigned long off,
			unsigned int order)
{
	unsigned long last = off + (1UL << order) - 1;

	return !xa_empty(&cxl->poison.pages) &&
	       xa_find(&cxl->poison.pages, &off, last, XA_PRESENT);
}

static vm_fault_t dpa_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_cxl_device *cxl = vma->vm_private_data;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	u64 off = (vma->vm_pgoff & (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT)) +
		  linear_page_delta(vma, addr);
	unsigned long pfn = PHYS_PFN(cxl->mem->hpa.start) + off;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	if (!is_aligned_for_order(vma, addr, pfn, order))
		return VM_FAULT_FALLBACK;

	scoped_guard(rwsem_read, &cxl->gate.lock) {
		if (cxl->gate.kaddr && is_poisoned(cxl, off, order)) {
			ret = order ? VM_FAULT_FALLBACK : VM_FAULT_HWPOISON;
		} else if (cxl->gate.kaddr) {
			vfio_cxl_cache_touch(cxl, off << PAGE_SHIFT,
					     PAGE_SIZE << order);
			ret = insert_pfn(vmf, pfn, order);
		}
	}
	count_fault(cxl, order, ret);
	pci_dbg(cxl->core.pdev, "fault: DPA %#llx order %u: %#x\n",
		off << PAGE_SHIFT, order, ret);
	return ret;
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
 * KVM on arm64 maps such memory cached only on CPUs with S2FWB and CTR_EL0.DIC.
 * On other CPUs it must reject the memory when the guest starts, which it does
 * for VM_PFNMAP only.
 */
static bool kvm_wants_pfnmap(void)
{
#ifdef CONFIG_ARM64
	return !cpus_have_final_cap(ARM64_HAS_STAGE2_FWB) ||
	       !cpus_have_final_cap(ARM64_HAS_CACHE_DIC);
#else
	return false;
#endif
}

/*
 * VFIO type1 maps the PFNs of a VM_PFNMAP mapping in the IOMMU, where they remain
 * after the device is closed and while the next user has it. Like iommufd, which
 * imports dma-bufs instead (dmabuf.c), it rejects VM_IO | VM_MIXEDMAP. PFNs with
 * struct page cannot be inserted into such a mapping; type1 rejects them in a
 * VM_PFNMAP mapping unless they are reserved.
 */
static int dpa_vm_flags(struct vfio_cxl_device *cxl, vm_flags_t *flags)
{
	bool unsafe = cxl->pages.present ? cxl->pages.reserved :
					   vfio_cxl_unsafe_type1_dma;

	if (unsafe)
		dev_notice_once(&cxl->core.pdev->dev, "unsafe_type1_dma: DMA mappings of device memory may outlive their user and reach the data of the next one\n");
	*flags = VM_IO | VM_MIXEDMAP;
	if (cxl->pages.present) {
		*flags = VM_IO | VM_PFNMAP;
	} else if (unsafe) {
		*flags = VM_PFNMAP;
	} else if (kvm_wants_pfnmap()) {
		if (!vfio_iommufd_device_ictx(&cxl->core.vdev))
			return -EOPNOTSUPP;
		*flags = VM_IO | VM_PFNMAP;
	}
	return 0;
}

static int dpa_mmap(struct vfio_pci_core_device *core,
		    struct vfio_pci_region *region, struct vm_area_struct *vma)
{
	struct vfio_cxl_device *cxl = core_to_vfio_cxl(core);
	u64 pgoff = vma->vm_pgoff &
		    (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT);
	vm_flags_t flags;
	u64 end;
	int rc;

	if (check_add_overflow(pgoff, vma_pages(vma), &end) ||
	    end > cxl->decoder.size >> PAGE_SHIFT) {
		pci_dbg(core->pdev, "mmap of device memory, %#lx pages at %#llx: it has %#llx\n",
			vma_pages(vma), pgoff, cxl->decoder.size >> PAGE_SHIFT);
		return -EINVAL;
	}
	rc = dpa_vm_flags(cxl, &flags);
	if (rc)
		return rc;

	vma->vm_private_data = cxl;
	vma->vm_ops = &dpa_vm_ops;
	/* Same attributes as memremap(), which read() and write() use */
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);
	vm_flags_set(vma, flags | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

/* Copy between device memory and the kernel buffer @bounce. */
static int dpa_copy(struct vfio_cxl_device *cxl, u64 off, void *bounce,
		    size_t len, bool iswrite)
{
	guard(rwsem_read)(&cxl->gate.lock);
	if (!cxl->gate.kaddr)
		return -EIO;
	vfio_cxl_cache_touch(cxl, off, len);
	if (iswrite)
		memcpy(cxl->gate.kaddr + off, bounce, len);
	else if (copy_mc_to_kernel(bounce, cxl->gate.kaddr + off, len))
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

	/*
	 * When the kernel reads poison it gets a machine check, which it
	 * survives only in copy_mc_to_kernel(): on x86, not on arm64.
	 */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_COPY_MC))
		return -EOPNOTSUPP;
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

/**
 * vfio_cxl_dpa_pgoff - file offset of a page of device memory
 * @cxl: device, open
 * @pfn: of the device memory
 *
 * Return: offset in pages.
 */
pgoff_t vfio_cxl_dpa_pgoff(struct vfio_cxl_device *cxl, unsigned long pfn)
{
	return (VFIO_PCI_INDEX_TO_OFFSET(cxl->dpa_index) >> PAGE_SHIFT) +
	       pfn - PHYS_PFN(cxl->mem->hpa.start);
}

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
	*pgoff = vfio_cxl_dpa_pgoff(cxl, pfn);
	/* memory_failure() signals the owner of @vma if this returns 0. */
	if (*pgoff < vma->vm_pgoff || *pgoff - vma->vm_pgoff >= vma_pages(vma))
		return -EFAULT;
	return 0;
}

/**
 * vfio_cxl_dpa_address - user address of a page of device memory
 * @vma: any mapping of the device file; the caller holds its i_mmap_rwsem
 * @pfn: of the device memory
 *
 * Return: user address, or 0 if @vma does not map the page.
 */
unsigned long vfio_cxl_dpa_address(struct vm_area_struct *vma,
				   unsigned long pfn)
{
	pgoff_t pgoff;

	if (dpa_pfn_to_vma_pgoff(vma, pfn, &pgoff))
		return 0;
	return vma->vm_start + ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
}

/**
 * vfio_cxl_is_dpa - test whether a region is the device memory
 * @cxl: device, open
 * @index: region index
 *
 * Return: true if it is.
 */
bool vfio_cxl_is_dpa(struct vfio_cxl_device *cxl, unsigned int index)
{
	return cxl->dpa_index && index == cxl->dpa_index;
}

/**
 * vfio_cxl_register_dpa - register the DPA region
 * @cxl: device, being opened, its gate closed
 *
 * Return: 0 or an error.
 */
int vfio_cxl_register_dpa(struct vfio_cxl_device *cxl)
{
	unsigned int index = VFIO_PCI_NUM_REGIONS + cxl->core.num_regions;
	unsigned long first = PHYS_PFN(cxl->mem->hpa.start);
	int rc;

	/* VMMs take READ and WRITE for the protection of their mapping. */
	rc = vfio_pci_core_register_dev_region(&cxl->core, VFIO_REGION_TYPE_CXL,
					       VFIO_REGION_SUBTYPE_CXL,
					       &dpa_regops, cxl->decoder.size,
					       VFIO_REGION_INFO_FLAG_READ |
					       VFIO_REGION_INFO_FLAG_WRITE |
					       VFIO_REGION_INFO_FLAG_MMAP,
					       NULL);
	if (rc)
		return rc;
	cxl->dpa_index = index;

	cxl->poison.space = (struct pfn_address_space) {
		.node.start = first,
		.node.last = first + (cxl->decoder.size >> PAGE_SHIFT) - 1,
		.mapping = cxl->core.vdev.inode->i_mapping,
		.pfn_to_vma_pgoff = dpa_pfn_to_vma_pgoff,
	};
	rc = register_pfn_address_space(&cxl->poison.space);
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	cxl->poison.registered = !rc;
	return 0;
}

/**
 * vfio_cxl_unregister_dpa - unregister from memory_failure()
 * @cxl: device, being closed, its gate closed
 */
void vfio_cxl_unregister_dpa(struct vfio_cxl_device *cxl)
{
	if (cxl->poison.registered)
		unregister_pfn_address_space(&cxl->poison.space);
	cxl->poison.registered = false;
	cxl->dpa_index = 0;
}
