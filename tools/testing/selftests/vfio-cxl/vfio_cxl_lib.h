/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the vfio-cxl-pci selftests share: opening the device, its registers,
 * and the physical device behind it as the host sees it.
 *
 * The VFIO selftests' own library, libvfio, cannot be used. Its
 * vfio_pci_device_setup() maps the whole of every BAR that has
 * VFIO_REGION_INFO_FLAG_MMAP, and asserts that this works (vfio_pci_bar_map()
 * in tools/testing/selftests/vfio/lib/vfio_pci_device.c, Linux 7.3 line 190,
 * called from line 373); it never looks at the sparse mmap capability, which
 * excludes the CXL register page from the component BAR.
 *
 * Functions whose name starts with vfio_cxl_x abort the test when anything
 * fails: to be used for what the test is not about. All the others return what
 * the system call did, as 0 or a count, or as -errno.
 */
#ifndef VFIO_CXL_LIB_H
#define VFIO_CXL_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/const.h>
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/vfio_cxl.h>

#define SZ_4K			0x1000UL
#define SZ_64K			0x10000UL
#define SZ_2M			0x200000UL
#define SZ_256M			0x10000000UL
#define SZ_1G			0x40000000UL

#define VFIO_CXL_VENDOR		0x1e98
#define VFIO_CXL_PAGE_SIZE	0x1000

/* Capability array of the register page, CXL r4.0 sec 8.2.4.1 */
#define CM_CAP_RAS		2
#define  CM_CAP_RAS_LEN		0x58
/* CXL r4.0 sec 8.2.4.17 */
#define RAS_UNC_STATUS		0x00
#define  RAS_MEM_DATA_ECC	0x80
#define  RAS_IDE_RX		0x10000
#define RAS_UNC_MASK		0x04
#define RAS_UNC_SEVERITY	0x08
#define RAS_COR_MASK		0x10
#define RAS_CAP_CTRL		0x14
#define  RAS_FIRST_ERROR	0x3f
#define RAS_HEADER_LOG		0x18
#define CM_CAP_HDM		5

/* HDM decoder capability structure, CXL r4.0 sec 8.2.4.20 */
#define HDM_CAP			0x00
#define HDM_GLOBAL		0x04
#define HDM_BASE_LO(n)		(0x10 + 0x20 * (n))
#define HDM_BASE_HI(n)		(0x14 + 0x20 * (n))
#define HDM_SIZE_LO(n)		(0x18 + 0x20 * (n))
#define HDM_SIZE_HI(n)		(0x1c + 0x20 * (n))
#define HDM_CTRL(n)		(0x20 + 0x20 * (n))
#define  HDM_CTRL_IW		0xf0
#define  HDM_CTRL_LOCK		0x100
#define  HDM_CTRL_COMMIT	0x200
#define  HDM_CTRL_COMMITTED	0x400
#define  HDM_CTRL_ERR		0x800
#define  HDM_CTRL_LOCKED	(HDM_CTRL_LOCK | HDM_CTRL_COMMIT | \
				 HDM_CTRL_COMMITTED)

/* A guest address that no host address is */
#define VFIO_CXL_GPA		0x7a50000000ULL

/* Device DVSEC, CXL r4.0 sec 8.1.3 */
#define DVSEC_CAP		0x0a
#define  DVSEC_CAP_CACHE	0x1
#define  DVSEC_CAP_WBI		0x40
#define  DVSEC_CAP_RESET	0x80
#define  DVSEC_CAP_MEM_CLR	0x800
#define DVSEC_CTRL		0x0c
#define DVSEC_CTRL2		0x10
#define  DVSEC_CTRL2_NO_CACHE	0x1
#define  DVSEC_CTRL2_WBI	0x2
#define  DVSEC_CTRL2_RESET	0x4
#define  DVSEC_CTRL2_MEM_CLR	0x8
#define DVSEC_STATUS2		0x12
#define  DVSEC_STATUS2_INV	0x1
#define  DVSEC_STATUS2_DONE	0x2
#define  DVSEC_STATUS2_ERR	0x4
#define DVSEC_LOCK		0x14
#define DVSEC_RANGE1_SIZE_HI	0x18
#define DVSEC_RANGE1_SIZE_LO	0x1c
#define DVSEC_RANGE1_BASE_HI	0x20
#define DVSEC_RANGE1_BASE_LO	0x24
#define DVSEC_RANGE2		0x28

/* A region, with its capabilities */
struct vfio_cxl_region {
	union {
		struct vfio_region_info info;
		__u8 buf[1024];
	};
};

/**
 * struct vfio_cxl_dev - an open device
 * @bdf: its PCI address
 * @fd: device file
 * @iommu: iommufd, or the container with the group interface
 * @group: group file, or -1
 * @cfg: config space
 * @dpa: device memory; size 0 when there is none
 * @regs: component register page; size 0 when there is none
 * @bar: the BAR that holds that page
 * @page: where in @bar it does
 * @hdm: offset of the HDM decoder structure in the page
 */
struct vfio_cxl_dev {
	const char *bdf;
	int fd;
	int iommu;
	int group;
	struct vfio_cxl_region cfg;
	struct vfio_cxl_region dpa;
	struct vfio_cxl_region regs;
	struct vfio_cxl_region bar;
	__u64 page;
	__u32 hdm;
};

/*
 * The devices to test, from the command line or the environment. Without the
 * first, vfio_cxl_args() skips all tests.
 */
extern const char *vfio_cxl_bdf;
extern const char *vfio_cxl_uncommitted_bdf;
void vfio_cxl_args(int argc, char **argv);

/* By the device's own file and iommufd, or by group and type1 container */
int vfio_cxl_open(struct vfio_cxl_dev *dev, const char *bdf);
int vfio_cxl_open_group(struct vfio_cxl_dev *dev, const char *bdf);
/* The same with an iommufd, or a container, that there is; it becomes @dev's */
int vfio_cxl_open_with(struct vfio_cxl_dev *dev, const char *bdf, int iommufd);
int vfio_cxl_open_container(struct vfio_cxl_dev *dev, const char *bdf, int container,
			    bool first);
/* Its own file alone, or -errno */
int vfio_cxl_open_cdev(const char *bdf);
/*
 * Whether the driver has the device; bind it and wait until it stays bound. An
 * unbind leaves work behind in the CXL core, detach_memdev(), that takes the
 * driver away once more: from whoever has been bound meanwhile.
 */
bool vfio_cxl_bound(const char *bdf);
bool vfio_cxl_bind(const char *bdf);
bool vfio_cxl_unbind(const char *bdf);
/* Whether its memory has struct pages while it can be reached */
bool vfio_cxl_has_pages(const char *bdf);
/* Write to a file of sysfs, debugfs or procfs, and report a failure */
bool vfio_cxl_write_file(const char *path, const char *text);

/* On return the driver has closed the device too, if this was its only user. */
void vfio_cxl_close(struct vfio_cxl_dev *dev);

/*
 * Capabilities: @first is the cap_offset in @buf. NULL when there is none of
 * that id; a chain that leaves the buffer or does not end aborts the test.
 */
int vfio_cxl_region_info(struct vfio_cxl_dev *dev, __u32 index,
			 struct vfio_cxl_region *r);
void *vfio_cxl_cap(void *buf, __u32 len, __u32 first, __u16 id);
void *vfio_cxl_region_cap(struct vfio_cxl_region *r, __u16 id);

/* Read and write a region of the device file; @off is from its start */
ssize_t vfio_cxl_read(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		      __u64 off, void *buf, size_t len);
ssize_t vfio_cxl_write(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		       __u64 off, const void *buf, size_t len);

/*
 * Whether the device memory can be read and written by file, which it can on
 * architectures whose kernel survives poison that it reads
 */
static inline bool vfio_cxl_by_file(struct vfio_cxl_dev *dev)
{
	char byte;

	return vfio_cxl_read(dev, &dev->dpa, dev->dpa.info.size, &byte, 1) !=
	       -EOPNOTSUPP;
}

__u64 vfio_cxl_xget(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		    __u64 off, size_t len);
void vfio_cxl_xput(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		   __u64 off, size_t len, __u64 val);

/* HDM decoders; the last sets BASE and Control of decoder 0 */
__u32 vfio_cxl_hdm_get(struct vfio_cxl_dev *dev, __u32 off);
void vfio_cxl_hdm_put(struct vfio_cxl_dev *dev, __u32 off, __u32 val);
void vfio_cxl_hdm_program(struct vfio_cxl_dev *dev, __u64 base, __u32 ctrl);

/* Offset of a capability in the register page or in config space, or 0 */
__u32 vfio_cxl_cm_cap(struct vfio_cxl_dev *dev, __u16 id);
__u16 vfio_cxl_cap_pos(struct vfio_cxl_dev *dev, __u8 id);
/* The CXL DVSEC with this id, or the one that follows @pos (0: the first) */
__u16 vfio_cxl_dvsec(struct vfio_cxl_dev *dev, __u16 id);
__u16 vfio_cxl_next_dvsec(struct vfio_cxl_dev *dev, __u16 pos);
/* An eventfd, not blocking, for interrupt 0 of @index; or -errno */
int vfio_cxl_eventfd(struct vfio_cxl_dev *dev, __u32 index);
/* FLR as a guest does it, by Device Control; false if the device has none */
bool vfio_cxl_guest_flr(struct vfio_cxl_dev *dev);
/* Memory Space in the Command register */
void vfio_cxl_memory_space(struct vfio_cxl_dev *dev, bool on);

/*
 * VFIO_DEVICE_FEATURE_CXL_MEM as it is, the state of the memory, an eventfd for
 * changes (-1: none); and wait until no reset keeps the memory out of reach:
 * what else does, or 0
 */
int vfio_cxl_mem_feature(struct vfio_cxl_dev *dev, __u32 op,
			 struct vfio_device_feature_cxl_mem *mem);
int vfio_cxl_mem_get(struct vfio_cxl_dev *dev,
		     struct vfio_device_feature_cxl_mem *mem);
int vfio_cxl_mem_set(struct vfio_cxl_dev *dev, int eventfd);
__u32 vfio_cxl_mem_wait(struct vfio_cxl_dev *dev);
/* Of a clock that is not set */
__u64 vfio_cxl_now_ms(void);

/* Map a piece of a region, as mmap(2) */
void *vfio_cxl_mmap(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		    __u64 off, size_t len);
/* Map a file, or device memory, at @skew bytes past a multiple of @align */
void *vfio_cxl_xmap(int fd, __u64 off, size_t len, size_t align, size_t skew);
void *vfio_cxl_xmap_dpa(struct vfio_cxl_dev *dev, __u64 off, size_t len,
			size_t align, size_t skew);
/*
 * A tenant: the first %VFIO_CXL_TENANT bytes mapped and filled (@seed), and a
 * decoder that is committed and locked. Says where they are mapped.
 */
#define VFIO_CXL_TENANT		(2 * SZ_2M)
char *vfio_cxl_xtenant(struct vfio_cxl_dev *dev, __u64 seed);
/* Read or write a byte that may not be there: 0 or SIGBUS */
int vfio_cxl_touch(void *p, bool write);
/* Read a byte; whether that took a page fault */
bool vfio_cxl_faults(void *p);
long vfio_cxl_minor_faults(void);

/* Contents: a pattern in which no two words are alike, or all zero */
void vfio_cxl_fill(void *p, size_t len, __u64 seed);
bool vfio_cxl_same(const void *p, size_t len, __u64 seed);
bool vfio_cxl_zero(const void *p, size_t len);
/* Pseudo-random numbers, the same in each run; *@state must not be 0 */
__u64 vfio_cxl_rand(__u64 *state);

/*
 * The physical device, past VFIO: a file in its sysfs directory, its config
 * space, its register page (Memory Space must be on), and the secret in that
 * page, the BASE of its decoder 0.
 */
int vfio_cxl_xhost_open(const char *bdf, const char *file, int flags);
void vfio_cxl_xhost_config(const char *bdf, void *buf, size_t off, size_t len);
void vfio_cxl_xhost_page(struct vfio_cxl_dev *dev, __u32 *page);
__u64 vfio_cxl_hpa(const __u32 *page, __u32 hdm);

/*
 * QEMU around a virtual machine, when the device is one that it emulates: by
 * the virtio port "monitor" and the id in VFIO_CXL_EMULATED. What it answers
 * to QMP (JSON) and to a command of the human monitor, to be freed; NULL on
 * other machines.
 */
char *vfio_cxl_qmp(const char *execute, const char *arguments);
char *vfio_cxl_emulator(const char *command);
/* Have the device @emulated, its name there, report an error of its link, "DLP" */
bool vfio_cxl_inject(const char *emulated, const char *error);
/* Set a property of the device; whether that worked */
bool vfio_cxl_emulate(const char *property, const char *value);
/*
 * Read physical memory, the device's register page, and its 4 KiB of config
 * space, with no kernel in between; false on other machines
 */
bool vfio_cxl_emulator_words(__u64 addr, __u32 *words, unsigned int count);
bool vfio_cxl_emulator_page(struct vfio_cxl_dev *dev, __u32 *page);
bool vfio_cxl_emulator_config(struct vfio_cxl_dev *dev, __u32 *config);

/*
 * The fixture of nearly every test: the device, just opened. For files that
 * have included kselftest_harness.h before, and do not define
 * VFIO_CXL_OWN_FIXTURE.
 */
#ifdef __KSELFTEST_HARNESS_H
/* Each test closes the device, which takes as long as clearing its memory. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#ifndef VFIO_CXL_OWN_FIXTURE
FIXTURE(cxl) {
	struct vfio_cxl_dev dev;
};

FIXTURE_SETUP(cxl)
{
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	ASSERT_NE(0, self->dev.dpa.info.size);
	ASSERT_NE(0, self->dev.regs.info.size);
}

FIXTURE_TEARDOWN(cxl)
{
	vfio_cxl_close(&self->dev);
}
#endif

/* The memory is out of reach: by a mapping that was, a new one, and the file. */
static inline void vfio_cxl_expect_closed(struct __test_metadata *_metadata,
					  struct vfio_cxl_dev *dev, char *p)
{
	char *fresh = vfio_cxl_mmap(dev, &dev->dpa, 0, SZ_64K);
	int by_file = vfio_cxl_by_file(dev) ? -EIO : -EOPNOTSUPP;
	char buf[8] = {};

	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p, false));
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p, true));
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p + SZ_2M, true));
	EXPECT_EQ(by_file, vfio_cxl_read(dev, &dev->dpa, 0, buf, 8));
	EXPECT_EQ(by_file, vfio_cxl_write(dev, &dev->dpa, 0, buf, 8));
	if (fresh == MAP_FAILED)
		return;
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(fresh, false));
	munmap(fresh, SZ_64K);
}
#endif

#endif /* VFIO_CXL_LIB_H */
