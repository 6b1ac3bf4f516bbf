// SPDX-License-Identifier: GPL-2.0-only
/*
 * Native driver of QEMU's emulated accelerator, "-device cxl-type2"
 *
 * Stands where a GPU's driver stands in a guest: it asks the CXL core for the
 * region that the committed decoders make up, and uses the memory. User space
 * gets it as /dev/cxl_accelN, to read(), write() and mmap(); the sysfs
 * attributes hpa and size tell where it is.
 *
 * It needs nothing but what any Type-2 driver needs. If it binds, the CXL core
 * of this kernel found endpoint, switch and host bridge decoders in agreement.
 */
#include <linux/bitfield.h>
#include <linux/idr.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <cxl/cxl.h>
#include <cxl/pci.h>

/* CXL r4.0 sec 8.2.4.20: Size of decoder 0 in the HDM decoder structure */
#define HDM_DECODER0_SIZE	0x18

static DEFINE_IDA(accel_ida);

struct accel {
	struct cxl_dev_state cxlds;	/* first: devm_cxl_dev_state_create() */
	struct miscdevice misc;
	struct range hpa;
	void *mem;
	int id;
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

static struct attribute *accel_attrs[] = {
	&dev_attr_hpa.attr,
	&dev_attr_size.attr,
	NULL
};
ATTRIBUTE_GROUPS(accel);

static void accel_unregister(void *data)
{
	struct accel *a = data;

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
