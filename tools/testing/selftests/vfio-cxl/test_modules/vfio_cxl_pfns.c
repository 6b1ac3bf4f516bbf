// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells what the running kernel thinks of page frames, as KVM asks it before it
 * decides on a memory type. "FIRST COUNT" written to the parameter "range"; to be
 * read then: of those, how many have a struct page, how many of these are reserved,
 * the order of the first page, and how many are in the kernel's direct map.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

static unsigned long first, count;

static int range_set(const char *val, const struct kernel_param *kp)
{
	return sscanf(val, "%li %li", &first, &count) == 2 ? 0 : -EINVAL;
}

static int range_get(char *buffer, const struct kernel_param *kp)
{
	unsigned long valid = 0, reserved = 0, direct = 0, i;
	unsigned int order = 0;
	u8 byte;

	for (i = 0; i < count; i++) {
		if (!(i % SZ_64K))
			cond_resched();
		direct += !copy_from_kernel_nofault(&byte, __va(PFN_PHYS(first + i)),
						    sizeof(byte));
		if (!pfn_valid(first + i))
			continue;
		if (!valid)
			order = compound_order(compound_head(pfn_to_page(first + i)));
		valid++;
		reserved += PageReserved(pfn_to_page(first + i));
	}
	return sysfs_emit(buffer, "valid %lu reserved %lu order %u direct %lu\n",
			  valid, reserved, order, direct);
}

static const struct kernel_param_ops range_ops = {
	.set = range_set,
	.get = range_get,
};
module_param_cb(range, &range_ops, NULL, 0600);
MODULE_PARM_DESC(range, "page frames: first and count");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What the kernel thinks of page frames, for the vfio-cxl-pci selftests");
