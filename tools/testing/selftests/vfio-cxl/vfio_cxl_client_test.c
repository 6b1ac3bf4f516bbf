// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small but complete user of a CXL accelerator: what a VMM has to do with
 * vfio-cxl-pci, on nothing but the user API. docs/vmm.rst explains it.
 *
 *	vfio_cxl_client_test 0000:0d:00.0
 *
 * Each step proves by content that it had the effect. Where the device has the
 * engine of QEMU's cxl-type2, the device itself moves the bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_cxl.h>

/* Where the guest has the device memory, and the VMM's RAM in the IOAS */
#define GPA			0x100000000ULL
#define RAM_IOVA		0x10000ULL
#define CHUNK			0x200000ULL

/* Capability array and HDM decoders: CXL r4.0 sec 8.2.4.1, 8.2.4.20 */
#define CM_CAP_HDM		5
#define HDM_BASE_LO		0x10
#define HDM_BASE_HI		0x14
#define HDM_SIZE_LO		0x18
#define HDM_SIZE_HI		0x1c
#define HDM_CTRL		0x20
#define  HDM_LOCK		0x100
#define  HDM_COMMIT		0x200
#define  HDM_COMMITTED		0x400

/* Device DVSEC: CXL r4.0 sec 8.1.3 */
#define DVSEC_CAP		0x0a
#define  DVSEC_CAP_RESET	0x80
#define DVSEC_CTRL2		0x10
#define  DVSEC_CTRL2_RESET	0x4
#define DVSEC_STATUS2		0x12
#define  DVSEC_STATUS2_DONE	0x2

/* The engine of QEMU's cxl-type2 */
#define ENGINE_BAR		2
#define ENGINE_ID		0x454c5843
#define ENGINE_SRC		0x20
#define ENGINE_DST		0x28
#define ENGINE_LENGTH		0x30
#define ENGINE_COMMAND		0x40
#define  ENGINE_COPY_OUT	2
#define ENGINE_STATUS		0x48
#define  ENGINE_BUSY		0x1
#define  ENGINE_ERROR		0x4

/* Room for an info struct and its capabilities */
union info {
	struct vfio_device_info device;
	struct vfio_region_info region;
	char buf[1024];
};

static int device, iommufd, events;
static __u32 ioas;
static struct vfio_region_info config, dpa, regs, engine;
static __u32 hdm;			/* in @regs */
static char *memory;			/* @dpa, mapped */
static __u64 closures;			/* as of the last look */

static unsigned int tests;

static void passed(const char *what)
{
	printf("ok %u - %s\n", ++tests, what);
	fflush(stdout);
}

static void skip(const char *what, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++tests, what, why);
}

#define fail(...) do {							\
	printf("# line %d: ", __LINE__);				\
	printf(__VA_ARGS__);						\
	printf(" (errno %d)\nnot ok %u - stopped\n1..%u\n", errno,	\
	       tests + 1, tests + 1);					\
	exit(1);							\
} while (0)

/* The capability @id in a chain that starts at @first, or NULL */
static void *find_cap(union info *info, __u32 first, __u16 id)
{
	struct vfio_info_cap_header *cap;
	unsigned int left = sizeof(info->buf) / sizeof(*cap);

	for (; first && first <= sizeof(info->buf) - sizeof(*cap) && left; left--) {
		cap = (void *)(info->buf + first);
		if (cap->id == id && cap->version == 1)
			return cap;
		first = cap->next;
	}
	return NULL;
}

static void region_info(__u32 index, union info *info)
{
	memset(info, 0, sizeof(*info));
	info->region.argsz = sizeof(*info);
	info->region.index = index;
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info))
		fail("no info of region %u", index);
	/* What does not fit is not there: argsz then says how much it takes. */
	if (info->region.argsz > sizeof(*info))
		fail("region %u needs %u bytes of info", index, info->region.argsz);
}

/* Registers, 2, 4 or 8 bytes; the host is little-endian, as they are */
static __u64 get(const struct vfio_region_info *r, __u64 off, size_t len)
{
	__u64 val = 0;

	if (pread(device, &val, len, r->offset + off) != (ssize_t)len)
		fail("cannot read %zu bytes at %#llx of region %u", len, off, r->index);
	return val;
}

static void put(const struct vfio_region_info *r, __u64 off, size_t len, __u64 val)
{
	if (pwrite(device, &val, len, r->offset + off) != (ssize_t)len)
		fail("cannot write %zu bytes at %#llx of region %u", len, off, r->index);
}

/* 1. The device's own file, an IOMMU context, and an address space in it */
static void open_device(const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	char path[300];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		fail("%s is not bound to vfio-cxl-pci", bdf);
	path[0] = 0;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e->d_name);
	closedir(dir);

	device = open(path, O_RDWR | O_CLOEXEC);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	bind.iommufd = iommufd;
	if (device < 0 || iommufd < 0 || ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fail("cannot open %s", path);
	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		fail("no IOAS");
	ioas = alloc.out_ioas_id;
	attach.pt_id = ioas;
	if (ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		fail("cannot attach to the IOAS");
	passed("opened, with an address space for DMA");
}

/* 2. Is this a CXL device, and is its memory there? */
static __u32 check_device(void)
{
	union info info = { .device.argsz = sizeof(info) };
	struct vfio_device_info_cap_cxl *cap;

	if (ioctl(device, VFIO_DEVICE_GET_INFO, &info))
		fail("no device info");
	if (!(info.device.flags & VFIO_DEVICE_FLAGS_CXL))
		fail("not a CXL device: flags %#x", info.device.flags);
	cap = find_cap(&info, info.device.cap_offset, VFIO_DEVICE_INFO_CAP_CXL);
	if (!cap || !(cap->flags & VFIO_CXL_CAP_FIRMWARE_COMMITTED))
		fail("firmware did not commit its memory");
	passed("a CXL device whose memory firmware committed");
	return info.device.num_regions;
}

/* 3. Regions are found by type and subtype; their indexes are not ABI */
static void find_regions(__u32 nr)
{
	struct vfio_region_info_cap_cxl_comp_regs *where = NULL;
	struct vfio_region_info_cap_type *type;
	union info info;
	__u32 i, n, hdr = 0;

	region_info(VFIO_PCI_CONFIG_REGION_INDEX, &info);
	config = info.region;
	region_info(ENGINE_BAR, &info);
	engine = info.region;
	for (i = VFIO_PCI_NUM_REGIONS; i < nr; i++) {
		region_info(i, &info);
		type = find_cap(&info, info.region.cap_offset, VFIO_REGION_INFO_CAP_TYPE);
		if (!type || type->type != VFIO_REGION_TYPE_CXL)
			continue;
		if (type->subtype == VFIO_REGION_SUBTYPE_CXL)
			dpa = info.region;
		if (type->subtype != VFIO_REGION_SUBTYPE_CXL_COMP_REGS)
			continue;
		regs = info.region;
		where = find_cap(&info, regs.cap_offset, VFIO_REGION_INFO_CAP_CXL_COMP_REGS);
		if (where)
			hdm = where->hdm_offset;
	}
	if (!dpa.size || !regs.size || !where)
		fail("regions are missing");

	/* The decoders can also be found by the array at the start of the page. */
	n = get(&regs, 0, 4) >> 24;
	while (n && ((hdr = get(&regs, 4 * n, 4)) & 0xffff) != CM_CAP_HDM)
		n--;
	if (!n || hdr >> 20 != hdm)
		fail("capability %u has the decoders at %#x, not at %#x", n, hdr >> 20, hdm);
	if ((get(&regs, hdm + HDM_SIZE_HI, 4) << 32 | get(&regs, hdm + HDM_SIZE_LO, 4)) != dpa.size)
		fail("decoder 0 has another size than the region, %#llx", dpa.size);
	printf("# %#llx bytes of device memory; page in BAR %u at %#llx\n", dpa.size, where->bar,
	       (__u64)where->offset);
	passed("memory and register page");
}

static __u64 pattern(__u64 n)
{
	return n * 0x9e3779b97f4a7c15ULL;
}

static void fill(char *p, __u64 seed)
{
	for (__u64 i = 0; i < CHUNK; i += 8)
		__atomic_store_n((__u64 *)(p + i), pattern(seed + i), __ATOMIC_RELAXED);
}

static bool same(char *p, __u64 seed)
{
	for (__u64 i = 0; i < CHUNK; i += 8)
		if (__atomic_load_n((__u64 *)(p + i), __ATOMIC_RELAXED) != pattern(seed + i))
			return false;
	return true;
}

/*
 * 4. The memory: one mapping of all of it, aligned to 1 GiB so that faults can
 * use the largest pages. A VMM hands this mapping to KVM as a memory slot.
 */
static void map_memory(void)
{
	const __u64 align = 1 << 30;
	char *room, *p, *copy;
	ssize_t n;

	room = mmap(NULL, dpa.size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (room == MAP_FAILED)
		fail("no address space");
	p = room + (-(__u64)room & (align - 1));
	memory = mmap(p, dpa.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device,
		      dpa.offset);
	if (memory == MAP_FAILED)
		fail("cannot map the memory");
	fill(memory, 1);
	fill(memory + dpa.size - CHUNK, 2);
	copy = malloc(CHUNK);
	if (!copy)
		fail("no memory");
	/* Not on every architecture: see linux/vfio_cxl.h. */
	n = pread(device, copy, CHUNK, dpa.offset);
	if (n < 0 && errno == EOPNOTSUPP) {
		free(copy);
		passed("mapped");
		return;
	}
	if (n != CHUNK || !same(copy, 1) ||
	    pread(device, copy, CHUNK, dpa.offset + dpa.size - CHUNK) != CHUNK || !same(copy, 2))
		fail("read() does not find what was written to the mapping");
	free(copy);
	passed("mapped; read() finds at both ends what the mapping wrote");
}

/* 5. What firmware does: BASE, then COMMIT and LOCK, and see that it took. */
static void commit_decoder(void)
{
	__u32 ctrl = get(&regs, hdm + HDM_CTRL, 4) | HDM_COMMIT | HDM_LOCK;

	put(&regs, hdm + HDM_BASE_LO, 4, (__u32)GPA);
	put(&regs, hdm + HDM_BASE_HI, 4, GPA >> 32);
	put(&regs, hdm + HDM_CTRL, 4, ctrl);
	if (!(get(&regs, hdm + HDM_CTRL, 4) & HDM_COMMITTED))
		fail("decoder 0 is not committed: Control is %#llx", get(&regs, hdm + HDM_CTRL, 4));
	/* The guest can read it, and no longer write it. */
	put(&regs, hdm + HDM_BASE_HI, 4, 0x77);
	if ((get(&regs, hdm + HDM_BASE_HI, 4) << 32 | get(&regs, hdm + HDM_BASE_LO, 4)) != GPA)
		fail("BASE is not the guest's address");
	passed("decoder 0 committed to the guest's address, and locked");
}

static int mem_feature(__u32 op, struct vfio_device_feature_cxl_mem *mem)
{
	__u64 buf[8] = {};
	struct vfio_device_feature *feature = (void *)buf;
	int ret;

	feature->argsz = sizeof(*feature) + sizeof(*mem);
	feature->flags = op | VFIO_DEVICE_FEATURE_CXL_MEM;
	memcpy(feature->data, mem, sizeof(*mem));
	ret = ioctl(device, VFIO_DEVICE_FEATURE, feature);
	memcpy(mem, feature->data, sizeof(*mem));
	return ret;
}

/* 6. Ask to be told when the memory becomes unreachable, and whether it is. */
static void watch_gate(void)
{
	struct vfio_device_feature_cxl_mem mem = {};

	events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	mem.eventfd = events;
	if (events < 0 || mem_feature(VFIO_DEVICE_FEATURE_SET, &mem) < 0)
		fail("no eventfd for the state of the memory");
	if (mem_feature(VFIO_DEVICE_FEATURE_GET, &mem) < 0 || mem.reasons)
		fail("the memory cannot be reached: reasons %#x", mem.reasons);
	closures = mem.closures;
	passed("the state of the memory has an eventfd");
}

/*
 * 7. DMA to the memory, by the device with ATS or by others: a dma-buf, at the
 * same address in the IOAS as in the guest.
 */
static void map_dma(void)
{
	__u64 buf[16] = {};
	struct vfio_device_feature *feature = (void *)buf;
	struct vfio_device_feature_dma_buf *get_buf = (void *)feature->data;
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.length = dpa.size,
		.iova = GPA,
	};

	get_buf->region_index = dpa.index;
	get_buf->open_flags = O_RDWR | O_CLOEXEC;
	get_buf->nr_ranges = 1;
	get_buf->dma_ranges[0].length = dpa.size;
	feature->argsz = sizeof(*feature) + sizeof(*get_buf) + sizeof(get_buf->dma_ranges[0]);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	map.fd = ioctl(device, VFIO_DEVICE_FEATURE, feature);
	if (map.fd < 0)
		fail("no dma-buf of the memory");
	if (ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map))
		fail("cannot map the dma-buf");
	close(map.fd);		/* the IOAS has a reference */
}

static void unmap_dma(void)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = GPA, .length = dpa.size,
	};

	if (ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap))
		fail("cannot unmap the dma-buf");
}

/* Have the device copy CHUNK bytes from its address 0 to an address in the IOAS */
static bool engine_copies(__u64 iova)
{
	put(&config, PCI_COMMAND, 2, get(&config, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY |
	    PCI_COMMAND_MASTER);
	put(&engine, ENGINE_SRC, 8, 0);
	put(&engine, ENGINE_DST, 8, iova);
	put(&engine, ENGINE_LENGTH, 8, CHUNK);
	put(&engine, ENGINE_COMMAND, 4, ENGINE_COPY_OUT);
	while (get(&engine, ENGINE_STATUS, 4) & ENGINE_BUSY)
		usleep(1000);
	return !(get(&engine, ENGINE_STATUS, 4) & ENGINE_ERROR);
}

static void use_dma(const char *when)
{
	static char *ram;
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.length = CHUNK,
		.iova = RAM_IOVA,
	};

	map_dma();
	if (!engine.size || get(&engine, 0, 4) != ENGINE_ID) {
		skip(when, "mapped, but this device has no engine that uses it");
		return;
	}
	if (!ram) {
		ram = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		map.user_va = (__u64)ram;
		if (ram == MAP_FAILED || ioctl(iommufd, IOMMU_IOAS_MAP, &map))
			fail("cannot map RAM");
	}
	fill(memory, 3 + closures);
	memset(ram, 0, CHUNK);
	if (!engine_copies(RAM_IOVA) || !same(ram, 3 + closures))
		fail("the device does not find in its memory what the mapping wrote");
	memset(memory + 4 * CHUNK, 0, CHUNK);
	if (!engine_copies(GPA + 4 * CHUNK) || !same(memory + 4 * CHUNK, 3 + closures))
		fail("the device cannot write to its memory by the IOAS");
	passed(when);
}

static __u16 find_dvsec(void)
{
	__u32 pos = PCI_CFG_SPACE_SIZE, left = PCI_CFG_SPACE_EXP_SIZE / 8, hdr;

	for (; pos >= PCI_CFG_SPACE_SIZE && left; pos = PCI_EXT_CAP_NEXT(hdr), left--) {
		hdr = get(&config, pos, 4);
		if (PCI_EXT_CAP_ID(hdr) == PCI_EXT_CAP_ID_DVSEC &&
		    (get(&config, pos + PCI_DVSEC_HEADER1, 4) & 0xffff) == 0x1e98 &&
		    get(&config, pos + PCI_DVSEC_HEADER2, 2) == 0)
			return pos;
	}
	fail("no Device DVSEC");
}

/*
 * 8. Follow the gate. A VMM takes the memory out of the guest's address space
 * before it forwards what may close the gate, and asks afterwards; when the
 * eventfd is signalled it asks again. Here the guest starts a CXL Reset.
 */
static void follow_gate(void)
{
	static const char what[] = "CXL Reset: unreachable, then reachable with its content";
	struct vfio_device_feature_cxl_mem mem = {};
	struct pollfd wait = { .fd = events, .events = POLLIN };
	__u16 dvsec = find_dvsec();
	bool closed = false;
	__u64 count;

	if (!(get(&config, dvsec + DVSEC_CAP, 2) & DVSEC_CAP_RESET)) {
		skip(what, "this device has no CXL Reset");
		return;
	}
	fill(memory + 8 * CHUNK, 9);
	put(&config, dvsec + DVSEC_CTRL2, 2, DVSEC_CTRL2_RESET);
	for (;;) {
		if (mem_feature(VFIO_DEVICE_FEATURE_GET, &mem) < 0)
			fail("the state of the memory cannot be read");
		if (mem.reasons & ~VFIO_CXL_MEM_RESET)
			fail("the reset failed: reasons %#x", mem.reasons);
		closed = closed || mem.reasons;
		if (!mem.reasons)
			break;
		/* Here the guest has no memory; it would get SIGBUS. */
		if (poll(&wait, 1, 400 * 1000) != 1)
			fail("no event: reasons %#x", mem.reasons);
		if (read(events, &count, sizeof(count)) != sizeof(count))
			fail("cannot read the eventfd");
	}
	if (!closed || mem.closures == closures)
		fail("the memory was reachable all the time: %llu closures", (__u64)mem.closures);
	/* Dma-bufs were revoked: map them again. A mapping is as it was. */
	closures = mem.closures;
	unmap_dma();
	if (!same(memory + 8 * CHUNK, 9))
		fail("the content is not what it was");
	/* For the guest the reset is over when Status2 says so. */
	for (count = 0; !(get(&config, dvsec + DVSEC_STATUS2, 2) & DVSEC_STATUS2_DONE); count++) {
		if (count == 1000)
			fail("Status2 is %#llx", get(&config, dvsec + DVSEC_STATUS2, 2));
		usleep(10000);
	}
	if (!(get(&regs, hdm + HDM_CTRL, 4) & HDM_COMMITTED))
		fail("decoder 0, though locked, is lost");
	passed(what);
	use_dma("DMA after the reset, mapped again");
}

/* 9. The guest's system reset: memory and decoder are as for a new guest. */
static void system_reset(void)
{
	if (ioctl(device, VFIO_DEVICE_RESET))
		fail("VFIO_DEVICE_RESET");
	if (get(&regs, hdm + HDM_CTRL, 4) & HDM_COMMITTED)
		fail("decoder 0 is still committed");
	passed("reset: decoder 0 is to be committed again");
	commit_decoder();
	fill(memory, 12);
	if (!same(memory, 12))
		fail("the mapping is not usable");
	passed("the same mapping is usable after the reset");
}

int main(int argc, char **argv)
{
	const char *bdf = argc > 1 ? argv[1] : getenv("VFIO_CXL_BDF");

	printf("TAP version 13\n");
	if (!bdf) {
		printf("1..0 # SKIP no PCI address in argv[1] or VFIO_CXL_BDF\n");
		return 4;
	}
	open_device(bdf);
	find_regions(check_device());
	map_memory();
	commit_decoder();
	watch_gate();
	use_dma("DMA to the memory by a dma-buf");
	follow_gate();
	system_reset();
	printf("1..%u\n", tests);
	/* Closing revokes everything, and clears the memory. */
	return 0;
}
