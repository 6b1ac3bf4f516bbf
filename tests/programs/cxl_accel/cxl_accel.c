// SPDX-License-Identifier: GPL-2.0-only
/*
 * Native driver of QEMU's emulated accelerator, "-device cxl-type2"
 *
 * Stands where a GPU's driver stands in a guest: it asks the CXL core for the
 * region that the committed decoders make up, and uses the memory. User space
 * gets it as /dev/cxl_accelN, to read(), write() and mmap(); the sysfs
 * attributes hpa and size tell where it is.
 *
 * Written to, add_memory makes the memory Linux's own, in the NUMA node that the CXL
 * window has, as some GPU drivers do. It is to be put online then, block by block.
 *
 * It needs nothing but what any Type-2 driver needs. If it binds, the CXL core
 * of this kernel found endpoint, switch and host bridge decoders in agreement.
 *
 * A device that has an engine, as QEMU's has, is made to work by reading
 * cxl_accelN/selftest in debugfs: memory, DMA and interrupts all at once, each
 * checked against the others. It overwrites the end of the device memory.
 * Any other thing it is told by writing "COMMAND SRC DST LENGTH", numbers in
 * hexadecimal, to cxl_accelN/command; the bus addresses are used as they are.
 */
#include <linux/bitfield.h>
#include <linux/completion.h>
#include <linux/crc32.h>
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <cxl/cxl.h>
#include <cxl/pci.h>

/* CXL r4.0 sec 8.2.4.20: Size of decoder 0 in the HDM decoder structure */
#define HDM_DECODER0_SIZE	0x18

/* The engine's registers: docs/system/devices/cxl-type2.rst of QEMU */
#define ENGINE_BAR		2
#define ENGINE_ID		0x00
#define   ENGINE_ID_VALUE	0x454c5843
#define ENGINE_SRC		0x20
#define ENGINE_DST		0x28
#define ENGINE_LENGTH		0x30
#define ENGINE_VALUE		0x38
#define ENGINE_COMMAND		0x40
#define   ENGINE_STOP		0
#define   ENGINE_FILL		1
#define   ENGINE_COPY_OUT	2
#define   ENGINE_COPY_IN	3
#define   ENGINE_COPY		4
#define   ENGINE_CHECKSUM	5
#define ENGINE_STATUS		0x48
#define   ENGINE_STATUS_DONE	BIT(1)
#define   ENGINE_STATUS_ERROR	BIT(2)
#define   ENGINE_STATUS_REASON	GENMASK(15, 8)
#define   ENGINE_REASON_LENGTH	2
#define ENGINE_DONE		0x50
#define ENGINE_RESULT		0x58
#define ENGINE_INT_STATUS	0x60
#define ENGINE_INT_ENABLE	0x68
#define   ENGINE_INT_ENDED	BIT(0)

#define ENGINE_TIMEOUT		(10 * HZ)

/* Odd, and more than the engine does at a time */
#define SELFTEST_LEN		(SZ_2M - 3)
#define SELFTEST_AREA		(2 * SZ_2M)

static DEFINE_IDA(accel_ida);

struct accel {
	struct cxl_dev_state cxlds;	/* first: devm_cxl_dev_state_create() */
	struct miscdevice misc;
	struct range hpa;
	void *mem;
	int id;

	void __iomem *engine;		/* NULL if there is none */
	struct mutex engine_lock;	/* one command at a time */
	struct completion ended;
	atomic_t interrupts;
	struct dentry *debugfs;
};

static struct accel *to_accel(struct file *file)
{
	return container_of(file->private_data, struct accel, misc);
}

static ssize_t accel_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos)
{
	struct accel *a = to_accel(file);

	return simple_read_from_buffer(buf, count, ppos, a->mem,
				       range_len(&a->hpa));
}

static ssize_t accel_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	struct accel *a = to_accel(file);

	return simple_write_to_buffer(a->mem, range_len(&a->hpa), ppos, buf,
				      count);
}

static int accel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct accel *a = to_accel(file);

	return vm_iomap_memory(vma, a->hpa.start, range_len(&a->hpa));
}

static const struct file_operations accel_fops = {
	.owner = THIS_MODULE,
	.read = accel_read,
	.write = accel_write,
	.mmap = accel_mmap,
	.llseek = default_llseek,
};

static ssize_t hpa_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	struct accel *a = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%#llx\n", a->hpa.start);
}
static DEVICE_ATTR_RO(hpa);

static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct accel *a = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%#llx\n", range_len(&a->hpa));
}
static DEVICE_ATTR_RO(size);

#ifdef CONFIG_MEMORY_HOTREMOVE
static void accel_remove_memory(void *data)
{
	struct accel *a = data;
	int rc = offline_and_remove_memory(a->hpa.start, range_len(&a->hpa));

	if (rc)
		dev_err(a->misc.parent, "memory is in use and stays (%d)\n", rc);
}

static ssize_t add_memory_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct accel *a = dev_get_drvdata(dev);
	int node = phys_to_target_node(a->hpa.start);
	int rc;

	if (node == NUMA_NO_NODE)
		return -ENXIO;
	rc = add_memory_driver_managed(node, a->hpa.start, range_len(&a->hpa),
				       "System RAM (cxl_accel)", MHP_NONE);
	if (!rc)
		rc = devm_add_action_or_reset(dev, accel_remove_memory, a);
	return rc ?: count;
}
static DEVICE_ATTR_WO(add_memory);
#endif

static struct attribute *accel_attrs[] = {
#ifdef CONFIG_MEMORY_HOTREMOVE
	&dev_attr_add_memory.attr,
#endif
	&dev_attr_hpa.attr,
	&dev_attr_size.attr,
	NULL
};
ATTRIBUTE_GROUPS(accel);

static irqreturn_t engine_irq(int irq, void *data)
{
	struct accel *a = data;

	if (!(readl(a->engine + ENGINE_INT_STATUS) & ENGINE_INT_ENDED))
		return IRQ_NONE;
	writel(ENGINE_INT_ENDED, a->engine + ENGINE_INT_STATUS);
	atomic_inc(&a->interrupts);
	complete(&a->ended);
	return IRQ_HANDLED;
}

/* Returns the status, or 0 if no interrupt came and the engine was stopped. */
static u32 engine_run(struct accel *a, u32 command, u64 src, u64 dst, u64 len)
{
	lockdep_assert_held(&a->engine_lock);
	reinit_completion(&a->ended);
	lo_hi_writeq(src, a->engine + ENGINE_SRC);
	lo_hi_writeq(dst, a->engine + ENGINE_DST);
	lo_hi_writeq(len, a->engine + ENGINE_LENGTH);
	/* A reset may have come since the last time */
	writel(ENGINE_INT_ENDED, a->engine + ENGINE_INT_ENABLE);
	writel(command, a->engine + ENGINE_COMMAND);
	if (wait_for_completion_timeout(&a->ended, ENGINE_TIMEOUT))
		return readl(a->engine + ENGINE_STATUS);

	/* It must not write to memory that is about to be freed. */
	writel(ENGINE_STOP, a->engine + ENGINE_COMMAND);
	readl(a->engine + ENGINE_STATUS);
	return 0;
}

static bool engine_did(struct accel *a, u32 command, u64 src, u64 dst)
{
	return engine_run(a, command, src, dst, SELFTEST_LEN) ==
	       ENGINE_STATUS_DONE &&
	       lo_hi_readq(a->engine + ENGINE_DONE) == SELFTEST_LEN;
}

/* One interrupt for each step, and what was to be there is there */
static void selftest_report(struct seq_file *m, const char *step, bool ok,
			    int *before)
{
	struct accel *a = m->private;
	int count = atomic_read(&a->interrupts) - *before;

	*before += count;
	seq_printf(m, "%s: %s, status %#x, %llu bytes, interrupts %d\n", step,
		   ok && count == 1 ? "ok" : "failed",
		   readl(a->engine + ENGINE_STATUS),
		   lo_hi_readq(a->engine + ENGINE_DONE), count);
}

static bool is_filled(const u8 *p, size_t len, u64 value)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (u8)(value >> (i % 8 * 8)))
			return false;
	return true;
}

static void selftest_run(struct seq_file *m, u8 *out, dma_addr_t out_dma,
			 u8 *in, dma_addr_t in_dma)
{
	struct accel *a = m->private;
	/* Two places, the second of which ends where the memory does */
	u64 dpa1 = range_len(&a->hpa) - SELFTEST_AREA + 1;
	u64 dpa2 = range_len(&a->hpa) - SELFTEST_LEN;
	u64 value = 0x0123456789abcdefULL;
	int first = atomic_read(&a->interrupts);
	int before = first;
	u32 status;
	bool ok;

	for (size_t i = 0; i < SELFTEST_LEN; i++)
		out[i] = i * 31 + (i >> 8) * 7 + (i >> 16);
	memset(in, 0, SELFTEST_LEN);

	lo_hi_writeq(value, a->engine + ENGINE_VALUE);
	ok = engine_did(a, ENGINE_FILL, 0, dpa1) &&
	     is_filled(a->mem + dpa1, SELFTEST_LEN, value);
	selftest_report(m, "fill", ok, &before);

	ok = engine_did(a, ENGINE_COPY_IN, out_dma, dpa1) &&
	     !memcmp(a->mem + dpa1, out, SELFTEST_LEN);
	selftest_report(m, "copy-in", ok, &before);

	ok = engine_did(a, ENGINE_COPY, dpa1, dpa2) &&
	     !memcmp(a->mem + dpa2, out, SELFTEST_LEN);
	selftest_report(m, "copy", ok, &before);

	ok = engine_did(a, ENGINE_COPY_OUT, dpa2, in_dma) &&
	     !memcmp(in, out, SELFTEST_LEN);
	selftest_report(m, "copy-out", ok, &before);

	ok = engine_did(a, ENGINE_CHECKSUM, dpa2, 0) &&
	     lo_hi_readq(a->engine + ENGINE_RESULT) ==
	     (u32)~crc32c(~0, out, SELFTEST_LEN);
	selftest_report(m, "checksum", ok, &before);

	status = engine_run(a, ENGINE_FILL, 0, dpa1, 0);
	ok = status & ENGINE_STATUS_ERROR &&
	     FIELD_GET(ENGINE_STATUS_REASON, status) == ENGINE_REASON_LENGTH;
	selftest_report(m, "refuse", ok, &before);

	seq_printf(m, "interrupts: %d\n", before - first);
}

static int selftest_show(struct seq_file *m, void *unused)
{
	struct accel *a = m->private;
	struct device *dev = a->misc.parent;
	dma_addr_t out_dma, in_dma;
	u8 *out, *in;

	if (range_len(&a->hpa) < SELFTEST_AREA)
		return -ENOSPC;
	out = dma_alloc_coherent(dev, SELFTEST_LEN, &out_dma, GFP_KERNEL);
	in = dma_alloc_coherent(dev, SELFTEST_LEN, &in_dma, GFP_KERNEL);
	if (out && in) {
		mutex_lock(&a->engine_lock);
		selftest_run(m, out, out_dma, in, in_dma);
		mutex_unlock(&a->engine_lock);
	}
	if (in)
		dma_free_coherent(dev, SELFTEST_LEN, in, in_dma);
	if (out)
		dma_free_coherent(dev, SELFTEST_LEN, out, out_dma);
	return out && in ? 0 : -ENOMEM;
}

static int selftest_open(struct inode *inode, struct file *file)
{
	/* All of it fits: it is not to be run again with a larger buffer. */
	return single_open_size(file, selftest_show, inode->i_private,
				PAGE_SIZE);
}

static const struct file_operations selftest_fops = {
	.owner = THIS_MODULE,
	.open = selftest_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static ssize_t command_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *ppos)
{
	struct accel *a = file->private_data;
	u64 src, dst, len;
	char text[80];
	ssize_t n;
	u32 cmd, status;

	n = simple_write_to_buffer(text, sizeof(text) - 1, ppos, buf, count);
	if (n < 0)
		return n;
	text[n] = 0;
	if (n < count || sscanf(text, "%x %llx %llx %llx", &cmd, &src, &dst,
				&len) != 4)
		return -EINVAL;
	scoped_guard(mutex, &a->engine_lock)
		status = engine_run(a, cmd, src, dst, len);
	if (!status)
		return -ETIMEDOUT;
	if (status & ENGINE_STATUS_ERROR) {
		dev_warn(a->misc.parent, "engine: command %u ended with reason %lu\n",
			 cmd, FIELD_GET(ENGINE_STATUS_REASON, status));
		return -EIO;
	}
	return count;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int engine_init(struct pci_dev *pdev, struct accel *a)
{
	struct device *dev = &pdev->dev;
	void __iomem *engine;
	int rc;

	mutex_init(&a->engine_lock);
	init_completion(&a->ended);
	if (pci_resource_len(pdev, ENGINE_BAR) < SZ_4K)
		return 0;
	engine = pcim_iomap_region(pdev, ENGINE_BAR, "cxl_accel");
	if (IS_ERR(engine))
		return PTR_ERR(engine);
	if (readl(engine + ENGINE_ID) != ENGINE_ID_VALUE)
		return 0;

	a->engine = engine;
	rc = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (rc)
		return rc;
	pci_set_master(pdev);
	rc = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (rc < 0)
		return rc;
	return devm_request_irq(dev, pci_irq_vector(pdev, 0), engine_irq, 0,
				"cxl_accel", a);
}

static void accel_unregister(void *data)
{
	struct accel *a = data;

	debugfs_remove_recursive(a->debugfs);
	misc_deregister(&a->misc);
	ida_free(&accel_ida, a->id);
}

static int accel_register(struct device *dev, struct accel *a)
{
	int rc;

	a->id = ida_alloc(&accel_ida, GFP_KERNEL);
	if (a->id < 0)
		return a->id;
	a->misc = (struct miscdevice) {
		.minor = MISC_DYNAMIC_MINOR,
		.fops = &accel_fops,
		.parent = dev,
		.name = devm_kasprintf(dev, GFP_KERNEL, "cxl_accel%d", a->id),
	};
	rc = a->misc.name ? misc_register(&a->misc) : -ENOMEM;
	if (rc) {
		ida_free(&accel_ida, a->id);
		return rc;
	}
	if (a->engine) {
		a->debugfs = debugfs_create_dir(a->misc.name, NULL);
		debugfs_create_file("selftest", 0400, a->debugfs, a,
				    &selftest_fops);
		debugfs_create_file("command", 0200, a->debugfs, a,
				    &command_fops);
	}
	return devm_add_action_or_reset(dev, accel_unregister, a);
}

/* The capacity that firmware gave the device is in its decoder. */
static int accel_capacity(struct pci_dev *pdev, struct accel *a, u64 *size)
{
	struct cxl_register_map *map = &a->cxlds.reg_map;
	struct cxl_reg_map *hdm = &map->component_map.hdm_decoder;
	void __iomem *reg;

	if (!hdm->valid)
		return -ENODEV;
	reg = ioremap(map->resource + hdm->offset, hdm->size);
	if (!reg)
		return -ENOMEM;
	*size = lo_hi_readq(reg + HDM_DECODER0_SIZE);
	iounmap(reg);
	return 0;
}

static int accel_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct cxl_memdev *cxlmd;
	struct accel *a;
	u16 dvsec;
	u64 size;
	int rc;

	rc = pcim_enable_device(pdev);
	if (rc)
		return rc;
	dvsec = pci_find_dvsec_capability(pdev, PCI_VENDOR_ID_CXL,
					  PCI_DVSEC_CXL_DEVICE);
	a = devm_cxl_dev_state_create(dev, CXL_DEVTYPE_DEVMEM,
				      pci_get_dsn(pdev), dvsec, struct accel,
				      cxlds, false);
	if (!a)
		return -ENOMEM;
	rc = cxl_pci_setup_regs(pdev, CXL_REGLOC_RBI_COMPONENT,
				&a->cxlds.reg_map);
	if (!rc)
		rc = accel_capacity(pdev, a, &size);
	if (rc)
		return dev_err_probe(dev, rc, "no HDM decoders\n");

	a->cxlds.media_ready = true;
	rc = cxl_set_capacity(&a->cxlds, size);
	if (rc)
		return dev_err_probe(dev, rc, "capacity %#llx refused\n", size);
	cxlmd = devm_cxl_probe_mem(&a->cxlds, &a->hpa);
	if (IS_ERR(cxlmd))
		return dev_err_probe(dev, PTR_ERR(cxlmd), "no CXL region\n");

	a->mem = devm_memremap(dev, a->hpa.start, range_len(&a->hpa),
			       MEMREMAP_WB);
	if (IS_ERR(a->mem))
		return PTR_ERR(a->mem);
	pci_set_drvdata(pdev, a);
	rc = engine_init(pdev, a);
	if (rc)
		return dev_err_probe(dev, rc, "engine\n");
	rc = accel_register(dev, a);
	if (rc)
		return rc;
	pci_info(pdev, "%s: %#llx bytes of device memory at %#llx\n",
		 a->misc.name, range_len(&a->hpa), a->hpa.start);
	return 0;
}

static const struct pci_device_id accel_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, 0x0c12) },
	{}
};
MODULE_DEVICE_TABLE(pci, accel_ids);

static struct pci_driver accel_driver = {
	.name = "cxl_accel",
	.id_table = accel_ids,
	.probe = accel_probe,
	.dev_groups = accel_groups,
};
module_pci_driver(accel_driver);

MODULE_SOFTDEP("pre: cxl_acpi cxl_port");
MODULE_IMPORT_NS("CXL");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Driver of the emulated CXL Type-2 accelerator");
