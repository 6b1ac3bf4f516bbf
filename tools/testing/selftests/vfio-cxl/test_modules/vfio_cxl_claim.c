// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims a range of physical memory, as dax_hmem does with Soft Reserved memory.
 * "START END" written to the parameter "range", both inclusive, releases what was
 * claimed before; an empty range claims nothing.
 */
#include <linux/ioport.h>
#include <linux/module.h>

static struct resource *claimed;

static void release(void)
{
	if (claimed)
		release_mem_region(claimed->start, resource_size(claimed));
	claimed = NULL;
}

static int range_set(const char *val, const struct kernel_param *kp)
{
	u64 start, end;

	release();
	if (sscanf(val, "%llx %llx", &start, &end) != 2)
		return 0;
	claimed = request_mem_region(start, end - start + 1, KBUILD_MODNAME);
	if (!claimed)
		return -EBUSY;
	claimed->desc = IORES_DESC_SOFT_RESERVED;
	return 0;
}

static const struct kernel_param_ops range_ops = {
	.set = range_set,
};
module_param_cb(range, &range_ops, NULL, 0200);
MODULE_PARM_DESC(range, "physical addresses, first and last");

module_exit(release);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Owns memory, for the vfio-cxl-pci selftests");
