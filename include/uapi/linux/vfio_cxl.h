/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * VFIO user API of a CXL accelerator (CXL.mem device outside the memory class)
 *
 * Section numbers refer to the CXL specification, revision 4.0. All fields are
 * in CPU byte order. Every struct here has a fixed layout that is the same for
 * 32-bit and 64-bit user space.
 */
#ifndef _UAPI_LINUX_VFIO_CXL_H
#define _UAPI_LINUX_VFIO_CXL_H

#include <linux/types.h>
#include <linux/vfio.h>

/**
 * DOC: VFIO_DEVICE_FLAGS_CXL
 *
 * Set in &vfio_device_info.flags when the device is a CXL device and is bound
 * to vfio-cxl-pci. &struct vfio_device_info_cap_cxl is then in the capability
 * chain of VFIO_DEVICE_GET_INFO.
 */
#ifndef VFIO_DEVICE_FLAGS_CXL
#define VFIO_DEVICE_FLAGS_CXL		(1 << 9)
#endif

#define VFIO_DEVICE_INFO_CAP_CXL	6

/**
 * struct vfio_device_info_cap_cxl - what the device is, version 1
 * @header: id %VFIO_DEVICE_INFO_CAP_CXL, version 1
 * @flags: facts that no other register or region tells:
 *
 *	%VFIO_CXL_CAP_FIRMWARE_COMMITTED: platform firmware programmed and
 *	committed HDM decoder 0 before the OS started. The device then has
 *	both regions below. Without this flag it has neither.
 *
 *	%VFIO_CXL_CAP_CACHE_CAPABLE: the device can cache host memory
 *	(Cache_Capable of the Device DVSEC, CXL r4.0 sec 8.1.3.1).
 *
 *	All other bits are zero and reserved.
 * @reserved: zero
 */
struct vfio_device_info_cap_cxl {
	struct vfio_info_cap_header header;
	__u32 flags;
#define VFIO_CXL_CAP_FIRMWARE_COMMITTED	(1 << 0)
#define VFIO_CXL_CAP_CACHE_CAPABLE	(1 << 1)
	__u32 reserved;
};

/**
 * DOC: Regions
 *
 * Both are found by VFIO_REGION_INFO_CAP_TYPE with type
 * %VFIO_REGION_TYPE_CXL and one of the subtypes below; their indexes are not
 * part of the ABI.
 *
 * %VFIO_REGION_SUBTYPE_CXL: the device memory that decoder 0 maps. READ, WRITE,
 * MMAP; offset 0 is DPA 0; the size is the committed size. Mappings are
 * write-back cached. read() and write() take any offset and length; on
 * architectures whose kernel does not survive poison that it reads itself (arm64)
 * they fail with EOPNOTSUPP, and only mappings work. While the device does not
 * decode memory (a reset in progress, D3, decoder lost; PCI Memory Space does not
 * matter) an access through a mapping raises SIGBUS, and read() and write() fail
 * with EIO; afterwards the same mapping works again. See
 * %VFIO_DEVICE_FEATURE_CXL_MEM.
 *
 * VFIO_DEVICE_FEATURE_DMA_BUF takes the index of this region, with ranges within
 * it; the argument must be writable.
 *
 * %VFIO_REGION_SUBTYPE_CXL_COMP_REGS: the 4 KiB page of CXL.cache and CXL.mem
 * registers (CXL r4.0 sec 8.2.4), virtualized. READ, WRITE; no MMAP. Accesses
 * are 4 or 8 bytes long and aligned to their length; all others fail with
 * EINVAL. The same bytes are seen at &vfio_region_info_cap_cxl_comp_regs.offset
 * of the BAR region.
 */
#define VFIO_REGION_TYPE_CXL \
	(VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x1e98U)
#define VFIO_REGION_SUBTYPE_CXL			1
#define VFIO_REGION_SUBTYPE_CXL_COMP_REGS	2

#define VFIO_REGION_INFO_CAP_CXL_COMP_REGS	6

/**
 * struct vfio_region_info_cap_cxl_comp_regs - where the page lies, version 1
 * @header: id %VFIO_REGION_INFO_CAP_CXL_COMP_REGS, version 1
 * @bar: index of the BAR region that holds the page, 0 to 5
 * @hdm_offset: offset, within the page, of the HDM Decoder Capability
 *	Structure (CXL r4.0 sec 8.2.4.20). The same as the pointer in the
 *	capability array at the start of the page.
 * @offset: offset of the page in the BAR, in bytes; a multiple of 4 KiB
 */
struct vfio_region_info_cap_cxl_comp_regs {
	struct vfio_info_cap_header header;
	__u32 bar;
	__u32 hdm_offset;
	__aligned_u64 offset;
};

/**
 * DOC: VFIO_DEVICE_FEATURE_CXL_MEM
 *
 * Whether the device memory can be reached now, and an eventfd that tells of
 * each change. A device without %VFIO_CXL_CAP_FIRMWARE_COMMITTED does not have
 * the feature (ENOTTY).
 *
 * While the memory cannot be reached, an access through a mapping raises
 * SIGBUS, read() and write() of the region fail with EIO, and DMA by way of a
 * dma-buf has been revoked. The memory stops being reachable before the event
 * that takes it away reaches the device: when a write to config space returns
 * (D3hot, FLR, Initiate CXL Reset), GET tells what came of it. A CXL Reset is
 * under way by then, with %VFIO_CXL_MEM_RESET set, and the eventfd tells of its
 * end.
 */
#define VFIO_DEVICE_FEATURE_CXL_MEM	0x1e98

/**
 * struct vfio_device_feature_cxl_mem - state of the device memory
 * @reasons: GET: why the memory cannot be reached; it can be when this is
 *	zero, and cannot be when any bit is set, known or not. SET: zero.
 *
 *	%VFIO_CXL_MEM_RESET: a reset is in progress, or the memory is not yet
 *	active after one. It ends without user space.
 *
 *	%VFIO_CXL_MEM_RESET_FAILED: a reset failed. Another one may help.
 *
 *	%VFIO_CXL_MEM_SUSPENDED: the device is in D3, or in low power.
 *
 *	%VFIO_CXL_MEM_NO_DECODER: the device lost its decoder and it could not
 *	be restored, or its memory did not become active in time. A reset may
 *	help.
 *
 *	%VFIO_CXL_MEM_LINK_FROZEN: the kernel recovers the link from an error.
 *
 * @eventfd: SET: an eventfd that is signalled each time when @reasons or
 *	@closures changes, or -1 for none; it replaces the one before. GET: -1.
 * @closures: GET: how often, since the device was opened, the memory stopped
 *	being reachable, or its dma-bufs were revoked because PCI Memory Space
 *	was switched off (which counts when it is switched on again). Who finds
 *	a new number here has to map dma-bufs of the memory once more. SET: zero.
 *
 * SET fails with EINVAL if a field that is to be zero is not, with EBADF or
 * EINVAL if @eventfd is not an eventfd.
 */
struct vfio_device_feature_cxl_mem {
	__u32 reasons;
#define VFIO_CXL_MEM_RESET		(1 << 0)
#define VFIO_CXL_MEM_RESET_FAILED	(1 << 1)
#define VFIO_CXL_MEM_SUSPENDED		(1 << 2)
#define VFIO_CXL_MEM_NO_DECODER		(1 << 3)
#define VFIO_CXL_MEM_LINK_FROZEN	(1 << 4)
	__s32 eventfd;
	__aligned_u64 closures;
};

#endif /* _UAPI_LINUX_VFIO_CXL_H */
