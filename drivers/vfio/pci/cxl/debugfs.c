// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/vfio-cxl-pci/BDF: what the driver knows, for people. No ABI.
 */
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "priv.h"

static struct dentry *debugfs_root;

static void show_gate(struct seq_file *m, struct vfio_cxl_device *cxl)
{
	unsigned int bit;

	guard(rwsem_read)(&cxl->gate.lock);
	seq_printf(m, "memory: %s", cxl->gate.reasons ? "unreachable" : "reachable");
	for (bit = 0; bit < VFIO_CXL_GATE_REASONS; bit++)
		if (cxl->gate.reasons & BIT(bit))
			seq_printf(m, ", %s", vfio_cxl_gate_reason_name(bit));
	seq_printf(m, "\nclosures: %llu\n", cxl->gate.closures);
	seq_printf(m, "struct pages: %s\n", cxl->pages.present ? "yes" : "no");
}

static void show_virt(struct seq_file *m, struct vfio_cxl_device *cxl)
{
	u64 base, size;

	guard(mutex)(&cxl->virt.lock);
	if (vfio_cxl_hdm_range(&cxl->virt.hdm, 0, &base, &size))
		seq_printf(m, "virtual decoder: committed, base %#llx size %#llx\n",
			   base, size);
	else
		seq_puts(m, "virtual decoder: not committed\n");
}

static int device_show(struct seq_file *m, void *unused)
{
	struct vfio_cxl_device *cxl = m->private;
	const struct vfio_cxl_stats *s = &cxl->stats;

	seq_printf(m, "firmware committed: %s\n", cxl->committed ? "yes" : "no");
	if (cxl->committed) {
		show_gate(m, cxl);
		seq_printf(m, "physical decoder: base %#llx size %#llx control %#x\n",
			   cxl->decoder.base, cxl->decoder.size,
			   cxl->decoder.ctrl);
		show_virt(m, cxl);
	}
	seq_printf(m, "reset: function %s, CXL Reset %s, Mem_Clr %s\n",
		   cxl->core.pdev->reset_methods[0] ? "yes" : "no",
		   vfio_cxl_can_cxl_reset(cxl, false) ? "yes" : "no",
		   vfio_cxl_can_cxl_reset(cxl, true) ? "yes" : "no");
	seq_printf(m, "must be cleared: %s\n", cxl->needs_clear ? "yes" : "no");
	seq_printf(m, "faults: 4K %ld, PMD %ld, PUD %ld, refused %ld\n",
		   atomic_long_read(&s->faults[0]),
		   atomic_long_read(&s->faults[1]),
		   atomic_long_read(&s->faults[2]),
		   atomic_long_read(&s->sigbus));
	seq_printf(m, "resets: %ld, CXL Resets %ld, failed %ld, decoder restored %ld\n",
		   atomic_long_read(&s->resets),
		   atomic_long_read(&s->cxl_resets),
		   atomic_long_read(&s->cxl_resets_failed),
		   atomic_long_read(&s->recommits));
	seq_printf(m, "CPU caches flushed: %ld times as a whole, %ld lines\n",
		   atomic_long_read(&s->flushes),
		   atomic_long_read(&s->flushed_lines));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(device);

/** vfio_cxl_debugfs_init - make the directory; without debugfs, nothing */
void vfio_cxl_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("vfio-cxl-pci", NULL);
}

/** vfio_cxl_debugfs_exit - remove it */
void vfio_cxl_debugfs_exit(void)
{
	debugfs_remove(debugfs_root);
}

/**
 * vfio_cxl_debugfs_add - make the file of a device
 * @cxl: device
 */
void vfio_cxl_debugfs_add(struct vfio_cxl_device *cxl)
{
	cxl->debugfs = debugfs_create_file(pci_name(cxl->core.pdev), 0400,
					   debugfs_root, cxl, &device_fops);
}

/**
 * vfio_cxl_debugfs_remove - remove it; on return nobody reads it any more
 * @cxl: device
 */
void vfio_cxl_debugfs_remove(struct vfio_cxl_device *cxl)
{
	debugfs_remove(cxl->debugfs);
}
