// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <linux/iommufd.h>

#include "kselftest.h"
#include "vfio_cxl_lib.h"

const char *vfio_cxl_bdf;
const char *vfio_cxl_uncommitted_bdf;

#define xfail(fmt, ...) do {						\
	fprintf(stderr, "# %s:%d: " fmt ": %s\n", __func__, __LINE__,	\
		##__VA_ARGS__, strerror(errno));			\
	abort();							\
} while (0)

void vfio_cxl_args(int argc, char **argv)
{
	vfio_cxl_bdf = getenv("VFIO_CXL_BDF");
	vfio_cxl_uncommitted_bdf = getenv("VFIO_CXL_UNCOMMITTED_BDF");
	if (argc > 1 && strchr(argv[1], ':'))
		vfio_cxl_bdf = argv[1];

	if (vfio_cxl_bdf && *vfio_cxl_bdf)
		return;
	ksft_print_header();
	ksft_exit_skip("no PCI address in argv[1] or VFIO_CXL_BDF\n");
}

int vfio_cxl_open_cdev(const char *bdf)
{
	char path[300];
	struct dirent *e;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "vfio", 4)) {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
				 e->d_name);
			fd = open(path, O_RDWR);
			if (fd < 0)
				fd = -errno;
		}
	closedir(dir);
	return fd;
}

/* The two regions of a committed device, and the BAR that one of them is in */
static int find_regions(struct vfio_cxl_dev *dev)
{
	struct vfio_region_info_cap_cxl_comp_regs *where;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info_cap_type *type;
	struct vfio_cxl_region r;
	__u32 i;
	int rc;

	rc = vfio_cxl_region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &dev->cfg);
	if (rc)
		return rc;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info))
		return -errno;
	for (i = VFIO_PCI_NUM_REGIONS; i < info.num_regions; i++) {
		rc = vfio_cxl_region_info(dev, i, &r);
		if (rc)
			return rc;
		type = vfio_cxl_region_cap(&r, VFIO_REGION_INFO_CAP_TYPE);
		if (!type || type->type != VFIO_REGION_TYPE_CXL)
			continue;
		if (type->subtype == VFIO_REGION_SUBTYPE_CXL)
			dev->dpa = r;
		if (type->subtype == VFIO_REGION_SUBTYPE_CXL_COMP_REGS)
			dev->regs = r;
	}
	if (!dev->regs.info.size)
		return 0;

	where = vfio_cxl_region_cap(&dev->regs,
				    VFIO_REGION_INFO_CAP_CXL_COMP_REGS);
	if (!where)
		return -ENOENT;
	dev->page = where->offset;
	dev->hdm = where->hdm_offset;
	return vfio_cxl_region_info(dev, where->bar, &dev->bar);
}

/* The end of opening; @rc is what came out so far. */
static int opened(struct vfio_cxl_dev *dev, int rc)
{
	if (!rc)
		rc = find_regions(dev);
	if (rc) {
		fprintf(stderr, "# cannot open %s by its %s: %s\n", dev->bdf,
			dev->group < 0 ? "cdev" : "group", strerror(-rc));
		vfio_cxl_close(dev);
	}
	return rc;
}

int vfio_cxl_open(struct vfio_cxl_dev *dev, const char *bdf)
{
	return vfio_cxl_open_with(dev, bdf, open("/dev/iommu", O_RDWR));
}

int vfio_cxl_open_with(struct vfio_cxl_dev *dev, const char *bdf, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	*dev = (struct vfio_cxl_dev) { .bdf = bdf, .group = -1, .iommu = iommufd };
	dev->fd = vfio_cxl_open_cdev(bdf);
	if (dev->fd < 0)
		return opened(dev, dev->fd);
	bind.iommufd = dev->iommu;
	if (dev->iommu < 0 || ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return opened(dev, -errno);
	return opened(dev, 0);
}

int vfio_cxl_open_group(struct vfio_cxl_dev *dev, const char *bdf)
{
	return vfio_cxl_open_container(dev, bdf, open("/dev/vfio/vfio", O_RDWR), true);
}

int vfio_cxl_open_container(struct vfio_cxl_dev *dev, const char *bdf, int container,
			    bool first)
{
	char path[300], link[256] = {};

	*dev = (struct vfio_cxl_dev) { .bdf = bdf, .fd = -1, .iommu = container };
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		return opened(dev, -errno);
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	dev->group = open(path, O_RDWR);
	if (dev->group < 0)
		return opened(dev, -errno);
	if (dev->iommu < 0 ||
	    ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->iommu) ||
	    (first && ioctl(dev->iommu, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)))
		return opened(dev, -errno);
	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return opened(dev, dev->fd < 0 ? -errno : 0);
}

bool vfio_cxl_bound(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-cxl-pci/%s",
		 bdf);
	return !access(path, F_OK);
}

bool vfio_cxl_has_pages(const char *bdf)
{
	char path[128], line[128];
	bool has = false;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio-cxl-pci/%s", bdf);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		has |= !strncmp(line, "struct pages: ", 14) &&
		       strcmp(line, "struct pages: no\n");
	if (f)
		fclose(f);
	return has;
}

bool vfio_cxl_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (!ok)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool vfio_cxl_unbind(const char *bdf)
{
	return vfio_cxl_write_file("/sys/bus/pci/drivers/vfio-cxl-pci/unbind",
				   bdf);
}

bool vfio_cxl_bind(const char *bdf)
{
	unsigned int turns, stays;

	for (turns = 0; turns < 20; turns++) {
		usleep(turns * 100 * 1000);
		vfio_cxl_write_file("/sys/bus/pci/drivers_probe", bdf);
		for (stays = 0; stays < 25 && vfio_cxl_bound(bdf); stays++)
			usleep(20 * 1000);
		if (stays == 25)
			return true;
	}
	return false;
}

void vfio_cxl_close(struct vfio_cxl_dev *dev)
{
	if (dev->fd > 0)
		close(dev->fd);
	if (dev->group > 0)
		close(dev->group);
	if (dev->iommu > 0)
		close(dev->iommu);
	dev->fd = -1;
	dev->group = -1;
	dev->iommu = -1;
}

int vfio_cxl_region_info(struct vfio_cxl_dev *dev, __u32 index,
			 struct vfio_cxl_region *r)
{
	memset(r, 0, sizeof(*r));
	r->info.argsz = sizeof(*r);
	r->info.index = index;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &r->info))
		return -errno;
	return r->info.argsz > sizeof(*r) ? -E2BIG : 0;
}

void *vfio_cxl_cap(void *buf, __u32 len, __u32 first, __u16 id)
{
	struct vfio_info_cap_header *h;
	void *found = NULL;
	unsigned int n = 0;
	__u32 off;

	for (off = first; off; off = h->next) {
		errno = EINVAL;
		if (off % 4 || off > len - sizeof(*h) || n++ > 64)
			xfail("capability chain broken at %u of %u", off, len);
		h = buf + off;
		if (!found && h->id == id)
			found = h;
	}
	return found;
}

void *vfio_cxl_region_cap(struct vfio_cxl_region *r, __u16 id)
{
	if (!(r->info.flags & VFIO_REGION_INFO_FLAG_CAPS))
		return NULL;
	return vfio_cxl_cap(r, r->info.argsz, r->info.cap_offset, id);
}

ssize_t vfio_cxl_read(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		      __u64 off, void *buf, size_t len)
{
	ssize_t rc = pread(dev->fd, buf, len, r->info.offset + off);

	return rc < 0 ? -errno : rc;
}

ssize_t vfio_cxl_write(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		       __u64 off, const void *buf, size_t len)
{
	ssize_t rc = pwrite(dev->fd, buf, len, r->info.offset + off);

	return rc < 0 ? -errno : rc;
}

/* Both take the bytes as little-endian, as PCI does, and so do all hosts */
__u64 vfio_cxl_xget(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		    __u64 off, size_t len)
{
	__u64 val = 0;

	if (vfio_cxl_read(dev, r, off, &val, len) != (ssize_t)len)
		xfail("read %zu bytes at %#llx of region %u", len, off,
		      r->info.index);
	return val;
}

void vfio_cxl_xput(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		   __u64 off, size_t len, __u64 val)
{
	if (vfio_cxl_write(dev, r, off, &val, len) != (ssize_t)len)
		xfail("write %zu bytes at %#llx of region %u", len, off,
		      r->info.index);
}

__u32 vfio_cxl_hdm_get(struct vfio_cxl_dev *dev, __u32 off)
{
	return vfio_cxl_xget(dev, &dev->regs, dev->hdm + off, 4);
}

void vfio_cxl_hdm_put(struct vfio_cxl_dev *dev, __u32 off, __u32 val)
{
	vfio_cxl_xput(dev, &dev->regs, dev->hdm + off, 4, val);
}

void vfio_cxl_hdm_program(struct vfio_cxl_dev *dev, __u64 base, __u32 ctrl)
{
	vfio_cxl_hdm_put(dev, HDM_BASE_LO(0), base);
	vfio_cxl_hdm_put(dev, HDM_BASE_HI(0), base >> 32);
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), ctrl);
}

__u32 vfio_cxl_cm_cap(struct vfio_cxl_dev *dev, __u16 id)
{
	__u32 i, nr = vfio_cxl_xget(dev, &dev->regs, 0, 4) >> 24, cap;

	for (i = 1; i <= nr; i++) {
		cap = vfio_cxl_xget(dev, &dev->regs, 4 * i, 4);
		if ((cap & 0xffff) == id)
			return cap >> 20;
	}
	return 0;
}

__u16 vfio_cxl_cap_pos(struct vfio_cxl_dev *dev, __u8 id)
{
	__u8 pos = vfio_cxl_xget(dev, &dev->cfg, PCI_CAPABILITY_LIST, 1);
	int n;

	for (n = 0; pos && n < 48; n++) {
		if (vfio_cxl_xget(dev, &dev->cfg, pos, 1) == id)
			return pos;
		pos = vfio_cxl_xget(dev, &dev->cfg, pos + 1, 1);
	}
	return 0;
}

__u16 vfio_cxl_next_dvsec(struct vfio_cxl_dev *dev, __u16 pos)
{
	__u32 hdr;
	int n;

	for (n = 0; n < 960; n++) {
		if (pos) {
			hdr = vfio_cxl_xget(dev, &dev->cfg, pos, 4);
			pos = PCI_EXT_CAP_NEXT(hdr);
			if (!pos)
				return 0;
		} else {
			pos = PCI_CFG_SPACE_SIZE;
		}
		hdr = vfio_cxl_xget(dev, &dev->cfg, pos, 4);
		if (PCI_EXT_CAP_ID(hdr) != PCI_EXT_CAP_ID_DVSEC)
			continue;
		hdr = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_DVSEC_HEADER1, 4);
		if (PCI_DVSEC_HEADER1_VID(hdr) == VFIO_CXL_VENDOR)
			return pos;
	}
	errno = ELOOP;
	xfail("extended capability list of %s", dev->bdf);
}

__u16 vfio_cxl_dvsec(struct vfio_cxl_dev *dev, __u16 id)
{
	__u16 pos = 0;

	while ((pos = vfio_cxl_next_dvsec(dev, pos)))
		if (vfio_cxl_xget(dev, &dev->cfg, pos + PCI_DVSEC_HEADER2,
				  2) == id)
			break;
	return pos;
}

void vfio_cxl_memory_space(struct vfio_cxl_dev *dev, bool on)
{
	__u16 cmd = vfio_cxl_xget(dev, &dev->cfg, PCI_COMMAND, 2);

	cmd &= ~PCI_COMMAND_MEMORY;
	vfio_cxl_xput(dev, &dev->cfg, PCI_COMMAND, 2,
		      cmd | (on ? PCI_COMMAND_MEMORY : 0));
}

int vfio_cxl_eventfd(struct vfio_cxl_dev *dev, __u32 index)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} arg = {
		.set.argsz = sizeof(arg),
		.set.flags = VFIO_IRQ_SET_DATA_EVENTFD |
			     VFIO_IRQ_SET_ACTION_TRIGGER,
		.set.index = index,
		.set.count = 1,
		.fd = eventfd(0, EFD_NONBLOCK),
	};
	int err;

	if (!ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &arg))
		return arg.fd;
	err = errno;
	close(arg.fd);
	return -err;
}

bool vfio_cxl_guest_flr(struct vfio_cxl_dev *dev)
{
	__u16 pos = vfio_cxl_cap_pos(dev, PCI_CAP_ID_EXP), ctl;

	if (!pos || !(vfio_cxl_xget(dev, &dev->cfg, pos + PCI_EXP_DEVCAP, 4) &
		      PCI_EXP_DEVCAP_FLR))
		return false;
	ctl = vfio_cxl_xget(dev, &dev->cfg, pos + PCI_EXP_DEVCTL, 2);
	vfio_cxl_xput(dev, &dev->cfg, pos + PCI_EXP_DEVCTL, 2,
		      ctl | PCI_EXP_DEVCTL_BCR_FLR);
	usleep(100 * 1000);
	return true;
}

int vfio_cxl_mem_feature(struct vfio_cxl_dev *dev, __u32 op,
			 struct vfio_device_feature_cxl_mem *mem)
{
	__u64 buf[(sizeof(struct vfio_device_feature) + sizeof(*mem) + 7) / 8] = {};
	struct vfio_device_feature *feature = (void *)buf;

	feature->argsz = sizeof(*feature) + sizeof(*mem);
	feature->flags = op | VFIO_DEVICE_FEATURE_CXL_MEM;
	memcpy(feature->data, mem, sizeof(*mem));
	if (ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature))
		return -errno;
	memcpy(mem, feature->data, sizeof(*mem));
	return 0;
}

int vfio_cxl_mem_get(struct vfio_cxl_dev *dev,
		     struct vfio_device_feature_cxl_mem *mem)
{
	*mem = (struct vfio_device_feature_cxl_mem) {};
	return vfio_cxl_mem_feature(dev, VFIO_DEVICE_FEATURE_GET, mem);
}

int vfio_cxl_mem_set(struct vfio_cxl_dev *dev, int eventfd)
{
	struct vfio_device_feature_cxl_mem mem = { .eventfd = eventfd };

	return vfio_cxl_mem_feature(dev, VFIO_DEVICE_FEATURE_SET, &mem);
}

__u32 vfio_cxl_mem_wait(struct vfio_cxl_dev *dev)
{
	struct vfio_device_feature_cxl_mem mem = {};
	unsigned int i;

	for (i = 0; i < 30000; i++) {
		if (vfio_cxl_mem_get(dev, &mem) ||
		    !(mem.reasons & VFIO_CXL_MEM_RESET))
			break;
		usleep(10000);
	}
	return mem.reasons;
}

__u64 vfio_cxl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void *vfio_cxl_mmap(struct vfio_cxl_dev *dev, struct vfio_cxl_region *r,
		    __u64 off, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
		    r->info.offset + off);
}

void *vfio_cxl_xmap(int fd, __u64 off, size_t len, size_t align, size_t skew)
{
	char *p = mmap(NULL, len + 2 * align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((size_t)p + align - 1) / align * align) + skew;

	if (p == MAP_FAILED)
		xfail("reserve address space");
	munmap(p, len + 2 * align);
	at = mmap(at, len, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED_NOREPLACE, fd, off);
	if (at == MAP_FAILED)
		xfail("map device memory");
	return at;
}

void *vfio_cxl_xmap_dpa(struct vfio_cxl_dev *dev, __u64 off, size_t len,
			size_t align, size_t skew)
{
	return vfio_cxl_xmap(dev->fd, dev->dpa.info.offset + off, len, align,
			     skew);
}

char *vfio_cxl_xtenant(struct vfio_cxl_dev *dev, __u64 seed)
{
	char *p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);

	vfio_cxl_fill(p, VFIO_CXL_TENANT, seed);
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	return p;
}

static sigjmp_buf touch_env;

static void touch_sigbus(int sig)
{
	siglongjmp(touch_env, sig);
}

int vfio_cxl_touch(void *p, bool write)
{
	struct sigaction sa = { .sa_handler = touch_sigbus }, old;
	int sig;

	sigaction(SIGBUS, &sa, &old);
	sig = sigsetjmp(touch_env, 1);
	if (!sig) {
		if (write)
			__atomic_store_n((char *)p, 0x5a, __ATOMIC_RELAXED);
		else
			__atomic_load_n((char *)p, __ATOMIC_RELAXED);
	}
	sigaction(SIGBUS, &old, NULL);
	return sig;
}

/* A content that tells where it was written: every word has its own value. */
static __u64 pattern(__u64 seed, size_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ULL ^ seed << 32;
}

void vfio_cxl_fill(void *p, size_t len, __u64 seed)
{
	__u64 *w = p;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		w[i] = pattern(seed, i);
}

bool vfio_cxl_same(const void *p, size_t len, __u64 seed)
{
	const __u64 *w = p;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		if (w[i] != pattern(seed, i)) {
			fprintf(stderr, "# content differs at %#zx: %#llx, not %#llx\n",
				i * sizeof(*w), w[i], pattern(seed, i));
			return false;
		}
	return true;
}

bool vfio_cxl_zero(const void *p, size_t len)
{
	const __u64 *w = p;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		if (w[i]) {
			fprintf(stderr, "# not zero at %#zx: %#llx\n",
				i * sizeof(*w), w[i]);
			return false;
		}
	return true;
}

long vfio_cxl_minor_faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

bool vfio_cxl_faults(void *p)
{
	long before = vfio_cxl_minor_faults();

	__atomic_load_n((char *)p, __ATOMIC_RELAXED);
	return vfio_cxl_minor_faults() != before;
}

/* xorshift64: the same numbers in each run */
__u64 vfio_cxl_rand(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int vfio_cxl_xhost_open(const char *bdf, const char *file, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	fd = open(path, flags);
	if (fd < 0)
		xfail("open %s", path);
	return fd;
}

void vfio_cxl_xhost_config(const char *bdf, void *buf, size_t off, size_t len)
{
	int fd = vfio_cxl_xhost_open(bdf, "config", O_RDONLY);

	if (pread(fd, buf, len, off) != (ssize_t)len)
		xfail("read %zu bytes of config space at %#zx", len, off);
	close(fd);
}

void vfio_cxl_xhost_page(struct vfio_cxl_dev *dev, __u32 *page)
{
	char name[16];
	__u32 *io;
	int fd, i;

	snprintf(name, sizeof(name), "resource%u", dev->bar.info.index);
	fd = vfio_cxl_xhost_open(dev->bdf, name, O_RDWR);
	io = mmap(NULL, VFIO_CXL_PAGE_SIZE, PROT_READ, MAP_SHARED, fd,
		  dev->page);
	close(fd);
	if (io == MAP_FAILED)
		xfail("map %s", name);
	for (i = 0; i < VFIO_CXL_PAGE_SIZE / 4; i++)
		page[i] = __atomic_load_n(&io[i], __ATOMIC_RELAXED);
	munmap(io, VFIO_CXL_PAGE_SIZE);
}

__u64 vfio_cxl_hpa(const __u32 *page, __u32 hdm)
{
	return page[(hdm + HDM_BASE_LO(0)) / 4] |
	       (__u64)page[(hdm + HDM_BASE_HI(0)) / 4] << 32;
}

static int open_monitor(void)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	char path[300], name[16] = "";
	struct dirent *e;
	int fd = -1;
	FILE *f;

	while (dir && fd < 0 && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			 e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%15s", name) == 1 && !strcmp(name, "monitor")) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			fd = open(path, O_RDWR);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* One line of what QEMU says, events and answers to others among it */
static char *read_line(FILE *f, char **line, size_t *size)
{
	struct pollfd pfd = { .fd = fileno(f), .events = POLLIN };

	if (poll(&pfd, 1, 30 * 1000) != 1 || getline(line, size, f) < 0)
		return NULL;
	return *line;
}

/* What is between its "return": and the id, which stands behind or in front */
char *vfio_cxl_qmp(const char *execute, const char *arguments)
{
	char *line = NULL, *text = NULL, *end, want[64];
	static unsigned int count;
	size_t size = 0;
	int fd = -1;
	FILE *f;

	if (getenv("VFIO_CXL_EMULATED"))
		fd = open_monitor();
	if (fd < 0)
		return NULL;
	f = fdopen(fd, "r");
	if (!f)
		xfail("fdopen");
	setvbuf(f, NULL, _IONBF, 0);

	snprintf(want, sizeof(want), "\"id\": \"%d-%u\"", getpid(), ++count);
	dprintf(fd, "{\"execute\": \"qmp_capabilities\"}\n");
	dprintf(fd, "{\"execute\": \"%s\", %s, \"arguments\": %s}\n", execute,
		want, arguments);
	while (!text) {
		if (!read_line(f, &line, &size))
			xfail("no answer to '%s %s'", execute, arguments);
		if (!strstr(line, want))
			continue;
		text = strstr(line, "\"return\": ");
		if (!text)
			xfail("'%s %s': %s", execute, arguments, line);
		text += strlen("\"return\": ");
		end = strstr(text, ", \"id\"") ?: strrchr(text, '}');
		text = strndup(text, end - text);
	}
	free(line);
	fclose(f);
	return text;
}

/* What the monitor prints is a JSON string, here without its quotes. */
char *vfio_cxl_emulator(const char *command)
{
	char arguments[256], *answer;
	size_t len;

	snprintf(arguments, sizeof(arguments), "{\"command-line\": \"%s\"}",
		 command);
	answer = vfio_cxl_qmp("human-monitor-command", arguments);
	len = answer ? strlen(answer) : 0;
	if (len >= 2) {
		memmove(answer, answer + 1, len - 2);
		answer[len - 2] = 0;
	}
	return answer;
}

bool vfio_cxl_inject(const char *emulated, const char *error)
{
	char command[64], *answer;
	bool ok;

	snprintf(command, sizeof(command), "pcie_aer_inject_error %s %s", emulated,
		 error);
	answer = vfio_cxl_emulator(command);
	ok = answer;
	free(answer);
	return ok;
}

bool vfio_cxl_emulator_words(__u64 addr, __u32 *words, unsigned int count)
{
	char command[64], *answer, *p;
	unsigned int n = 0;

	snprintf(command, sizeof(command), "xp /%uxw %#llx", count, addr);
	answer = vfio_cxl_emulator(command);
	if (!answer)
		return false;
	for (p = answer; n < count && (p = strstr(p, "0x")); n++)
		words[n] = strtoul(p, &p, 16);
	if (n < count)
		xfail("'%s' says %s", command, answer);
	free(answer);
	return true;
}

bool vfio_cxl_emulator_page(struct vfio_cxl_dev *dev, __u32 *page)
{
	int fd = vfio_cxl_xhost_open(dev->bdf, "resource", O_RDONLY);
	char line[64];
	__u64 bar = 0;
	unsigned int i;
	FILE *f = fdopen(fd, "r");

	for (i = 0; f && fgets(line, sizeof(line), f); i++) {
		if (i == dev->bar.info.index)
			bar = strtoull(line, NULL, 16);
	}
	if (!bar)
		xfail("no BAR %u", dev->bar.info.index);
	fclose(f);
	return vfio_cxl_emulator_words(bar + dev->page, page,
				       VFIO_CXL_PAGE_SIZE / 4);
}

/* By the memory-mapped config space of segment 0, CXL root ports' */
bool vfio_cxl_emulator_config(struct vfio_cxl_dev *dev, __u32 *config)
{
	unsigned int bus, slot, fn;
	__u64 ecam = 0;
	char line[128];
	FILE *f = fopen("/proc/iomem", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "PCI ECAM 0000 [bus 00"))
			ecam = strtoull(line, NULL, 16);
	}
	if (f)
		fclose(f);
	if (!ecam || sscanf(dev->bdf, "0000:%x:%x.%x", &bus, &slot, &fn) != 3)
		return false;
	return vfio_cxl_emulator_words(ecam + (bus << 20 | slot << 15 |
					       fn << 12), config, 1024);
}

bool vfio_cxl_emulate(const char *property, const char *value)
{
	char command[128], *answer;
	bool ok;

	snprintf(command, sizeof(command), "qom-set %s %s %s",
		 getenv("VFIO_CXL_EMULATED") ?: "", property, value);
	answer = vfio_cxl_emulator(command);
	ok = answer && !*answer;
	if (answer && !ok)
		fprintf(stderr, "# %s: %s\n", command, answer);
	free(answer);
	return ok;
}
