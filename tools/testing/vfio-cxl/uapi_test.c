// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layout of include/uapi/linux/vfio_cxl.h, number by number
 *
 * Each check is a static assertion, so with a wrong header this does not even
 * compile, and a TAP line, so one can see what was checked.
 *
 * Why it is the same for 32-bit and 64-bit user space, and for every ABI: each
 * member is at a multiple of its own size, so no ABI has a reason to move it;
 * the size of the struct is the sum of the sizes of its members, so there are
 * no holes; and __aligned_u64 fixes the alignment of the struct that has one.
 */
#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/vfio_cxl.h>

#include "tap.h"

/* The assertion has to hold, or there is nothing to run. */
#define CHECK(e)	{ #e, sizeof(struct { static_assert(e, ""); char c; }) }

int main(void)
{
	struct vfio_info_cap_header header;
	struct vfio_device_info_cap_cxl info;
	struct vfio_region_info_cap_cxl_comp_regs regs;

	static const struct {
		const char *name;
		bool ok;
	} checks[] = {
		CHECK(VFIO_DEVICE_FLAGS_CXL == 1 << 9),
		CHECK(VFIO_DEVICE_FLAGS_CXL != VFIO_DEVICE_FLAGS_CAPS),
#ifdef VFIO_DEVICE_FLAGS_CDX
		CHECK(VFIO_DEVICE_FLAGS_CXL != VFIO_DEVICE_FLAGS_CDX),
#endif
		CHECK(VFIO_DEVICE_INFO_CAP_CXL == 6),
		CHECK(VFIO_DEVICE_INFO_CAP_CXL > VFIO_DEVICE_INFO_CAP_ZPCI_PFIP),
#ifdef VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP
		CHECK(VFIO_DEVICE_INFO_CAP_CXL >
		      VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP),
#endif
		CHECK(VFIO_CXL_CAP_FIRMWARE_COMMITTED == 1 << 0),
		CHECK(VFIO_CXL_CAP_CACHE_CAPABLE == 1 << 1),
		CHECK(sizeof(header) == 8),

		CHECK(offsetof(__typeof__(info), header) == 0),
		CHECK(offsetof(__typeof__(info), flags) == 8),
		CHECK(sizeof(info.flags) == 4),
		CHECK((__typeof__(info.flags))~0 > 0),
		CHECK(offsetof(__typeof__(info), reserved) == 12),
		CHECK(sizeof(info.reserved) == 4),
		CHECK((__typeof__(info.reserved))~0 > 0),
		CHECK(sizeof(info) == 16),
		CHECK(sizeof(info) == sizeof(info.header) +
		      sizeof(info.flags) + sizeof(info.reserved)),
		CHECK(alignof(__typeof__(info)) == 4),

		/* 1 << 31 makes it an int; the field is a __u32 */
		CHECK((__u32)VFIO_REGION_TYPE_CXL == 0x80001e98),
		CHECK(VFIO_REGION_TYPE_CXL ==
		      (VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x1e98)),
		CHECK((VFIO_REGION_TYPE_CXL &
		       VFIO_REGION_TYPE_PCI_VENDOR_MASK) == 0x1e98),
		CHECK(VFIO_REGION_SUBTYPE_CXL == 1),
		CHECK(VFIO_REGION_SUBTYPE_CXL_COMP_REGS == 2),

		CHECK(VFIO_REGION_INFO_CAP_CXL_COMP_REGS == 6),
		CHECK(VFIO_REGION_INFO_CAP_CXL_COMP_REGS >
		      VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD),
		CHECK(offsetof(__typeof__(regs), header) == 0),
		CHECK(offsetof(__typeof__(regs), bar) == 8),
		CHECK(sizeof(regs.bar) == 4),
		CHECK((__typeof__(regs.bar))~0 > 0),
		CHECK(offsetof(__typeof__(regs), hdm_offset) == 12),
		CHECK(sizeof(regs.hdm_offset) == 4),
		CHECK((__typeof__(regs.hdm_offset))~0 > 0),
		CHECK(offsetof(__typeof__(regs), offset) == 16),
		CHECK(sizeof(regs.offset) == 8),
		CHECK((__typeof__(regs.offset))~0 > 0),
		CHECK(sizeof(regs) == 24),
		CHECK(sizeof(regs) == sizeof(regs.header) + sizeof(regs.bar) +
		      sizeof(regs.hdm_offset) + sizeof(regs.offset)),
		CHECK(alignof(__typeof__(regs)) == 8),
	};
	unsigned int i;

	tap_plan(sizeof(checks) / sizeof(*checks));
	for (i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		tap_ok(checks[i].ok, checks[i].name);
	return tap_status();
}
