// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Struct pages
 *
 * KVM regards a PFN without struct page as MMIO and, on CPUs with EPT, maps it
 * uncached. Optionally the memory gets struct pages for as long as the driver is
 * bound. They are of type MEMORY_DEVICE_PRIVATE, the one that the kernel does not
 * add to its direct map: while the gate is closed no CPU has a translation, and
 * opening it allocates none of them.
 *
 * Their reference count is and remains 0, and user mappings remain VM_IO |
 * VM_PFNMAP, so the memory cannot be pinned, and revocation does not wait for
 * references. VFIO type1 rejects a PFN whose struct page is not PageReserved. KVM
 * accepts reserved pages as memory only if they are mapped write-back and the
 * kernel uses PAT.
 *
 * memory_failure() handles a PFN with struct page through the pgmap's operations.
 * The result is the same: every process that maps the page gets SIGBUS.
 */
#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "priv.h"

static const char * const mode_names[] = { "auto", "on", "off" };

static enum { MODE_AUTO, MODE_ON, MODE_OFF } mode;

static int mode_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(mode_names, val);

	if (i < 0)
		return i;
	if (i == MODE_ON && !IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		pr_err("struct_pages=on needs a kernel with CONFIG_DEVICE_PRIVATE\n");
		return -EOPNOTSUPP;
	}
	mode = i;
	return 0;
}

static int mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", mode_names[mode]);
}

static const struct kernel_param_ops mode_ops = {
	.set = mode_set,
	.get = mode_get,
};
module_param_cb(struct_pages, &mode_ops, NULL, 0644);
MODULE_PARM_DESC(struct_pages,
		 "Give device memory struct pages: on, off, or auto for CPUs where KVM would map it uncached without (default: auto)");

static bool kvm_wants_pages(void)
{
#ifdef CONFIG_X86
	return boot_cpu_has(X86_FEATURE_VMX);
#else
	return false;
#endif
}

/*
 * Signal the process that owns @vma. The caller holds i_mmap_rwsem.
 *
 * Return: true if that is the current one.
 */
static bool signal_owner(struct vm_area_struct *vma, unsigned long addr)
{
	struct task_struct *p, *t;

	if (current->mm == vma->vm_mm) {
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)addr, PAGE_SHIFT,
				current);
		return true;
	}
	guard(rcu)();
	for_each_process(p) {
		for_each_thread(p, t) {
			if (READ_ONCE(t->mm) != vma->vm_mm)
				continue;
			send_sig_mceerr(BUS_MCEERR_AO, (void __user *)addr,
					PAGE_SHIFT, t);
			break;
		}
	}
	return false;
}

/*
 * Signal processes as memory_failure() does for PFNs without struct page. In
 * addition the page stays unmapped until the gate has been closed, in case a
 * process ignores the signal.
 */
static int pages_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
				unsigned long nr_pages, int mf_flags)
{
	struct vfio_cxl_device *cxl = pgmap->owner;
	struct address_space *mapping;
	struct vm_area_struct *vma;
	bool signalled = false;
	struct rb_node *node;
	unsigned long addr;
	pgoff_t pgoff;
	int rc;

	scoped_guard(rwsem_write, &cxl->gate.lock) {
		if (!cxl->gate.kaddr)
			return 0;
		mapping = cxl->core.vdev.inode->i_mapping;
		rc = xa_err(xa_store(&cxl->poison.pages,
				     pfn - PHYS_PFN(cxl->mem->hpa.start),
				     xa_mk_value(1), GFP_KERNEL));
		pgoff = vfio_cxl_dpa_pgoff(cxl, pfn);
		unmap_mapping_range(mapping, (loff_t)pgoff << PAGE_SHIFT,
				    PAGE_SIZE, true);
	}
	pci_err(cxl->core.pdev, "memory failure at DPA %#llx\n",
		PFN_PHYS(pfn) - cxl->mem->hpa.start);

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node;
	     node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		addr = vfio_cxl_dpa_address(vma, pfn);
		if (addr)
			signalled |= signal_owner(vma, addr);
	}
	i_mmap_unlock_read(mapping);
	/* After 0 the x86 MCE code looks for the PFN in its direct map, and warns. */
	if (!rc && signalled && mf_flags & MF_ACTION_REQUIRED)
		return -EHWPOISON;
	return rc;
}

/* The core requires both, but calls neither: no page is ever allocated. */
static void pages_folio_free(struct folio *folio)
{
	WARN_ON_ONCE(1);
}

static vm_fault_t pages_migrate_to_ram(struct vm_fault *vmf)
{
	WARN_ON_ONCE(1);
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops pagemap_ops = {
	.folio_free = pages_folio_free,
	.migrate_to_ram = pages_migrate_to_ram,
	.memory_failure = pages_memory_failure,
};

/*
 * Use the largest order that fits. For each compound page the kernel allocates two
 * pages of struct pages and maps the second one repeatedly for the tail.
 */
static unsigned int page_order(const struct range *range)
{
	unsigned long order = PMD_SHIFT - PAGE_SHIFT;

	if (IS_ALIGNED(range->start | range_len(range), PUD_SIZE))
		order = PUD_SHIFT - PAGE_SHIFT;
	return min_t(unsigned long, order, MAX_FOLIO_ORDER);
}

/* ClearPageReserved() does not accept compound pages. */
static void clear_reserved(struct dev_pagemap *pgmap)
{
	unsigned long pfn = PHYS_PFN(pgmap->range.start), i;
	unsigned long end = pfn + PHYS_PFN(range_len(&pgmap->range));

	for (; pfn < end; pfn += 1UL << pgmap->vmemmap_shift) {
		struct page *page = pfn_to_page(pfn);

		/* All tail pages from here on share one struct page. */
		for (i = 0; i < 1UL << pgmap->vmemmap_shift; i++)
			if (!__test_and_clear_bit(PG_reserved,
						  &page[i].flags.f))
				break;
		cond_resched();
	}
}

static void put_owner(void *data)
{
	struct vfio_cxl_device *cxl = data;

	put_device(&cxl->core.vdev.device);
}

/**
 * vfio_cxl_pages_init - create struct pages for the memory if they are wanted
 * @cxl: a firmware-committed device, being bound, its memory claimed
 *
 * They are device-managed, like the pgmap, and outlive @cxl's registration with
 * VFIO, so they hold a reference to @cxl. The range remains reserved as write-back
 * memory, too.
 *
 * Return: 0, or an error if struct_pages=on cannot be satisfied, which has been
 * logged. With struct_pages=auto the memory is used without.
 */
int vfio_cxl_pages_init(struct vfio_cxl_device *cxl)
{
	struct dev_pagemap *pgmap = &cxl->mem->pgmap;
	struct device *dev = &cxl->core.pdev->dev;
	void *addr;
	int rc;

	if (mode == MODE_OFF || (mode == MODE_AUTO && !kvm_wants_pages()))
		return 0;
	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		pci_warn(cxl->core.pdev, "no struct pages without CONFIG_DEVICE_PRIVATE; KVM will map this memory uncached\n");
		return 0;
	}

	get_device(&cxl->core.vdev.device);
	rc = devm_add_action_or_reset(dev, put_owner, cxl);
	if (rc)
		return rc;
	pgmap->type = MEMORY_DEVICE_PRIVATE;
	pgmap->ops = &pagemap_ops;
	pgmap->owner = cxl;
	pgmap->vmemmap_shift = page_order(&cxl->mem->hpa);
	pgmap->nr_range = 1;
	pgmap->range = cxl->mem->hpa;
	addr = devm_memremap_pages(dev, pgmap);
	if (IS_ERR(addr)) {
		if (mode == MODE_ON)
			return dev_err_probe(dev, PTR_ERR(addr),
					     "cannot create struct pages for %pra, which struct_pages=on requires\n",
					     &cxl->mem->hpa);
		pci_warn(cxl->core.pdev, "cannot create struct pages for %pra (%ld); KVM will map this memory uncached\n",
			 &cxl->mem->hpa, PTR_ERR(addr));
		return 0;
	}
	cxl->pages.present = true;
	cxl->pages.reserved = vfio_cxl_unsafe_type1_dma;
	if (!cxl->pages.reserved)
		clear_reserved(pgmap);
	return 0;
}
