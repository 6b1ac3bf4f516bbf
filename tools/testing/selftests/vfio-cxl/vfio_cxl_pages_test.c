// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory with struct pages, and without: what KVM makes of it, that it is
 * as little pinned as before, and what happens when a page goes bad.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define VFIO_CXL_OWN_FIXTURE
#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define MODE	"/sys/module/vfio_cxl_pci/parameters/struct_pages"
#define RANGE	"/sys/module/vfio_cxl_pfns/parameters/range"
#define OFFLINE	"/sys/devices/system/memory/hard_offline_page"
#define PAT	"/sys/kernel/debug/x86/pat_memtype_list"

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = 0;
	return true;
}

/* Without a word of what fails */
static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n >= 0;
}

FIXTURE(pages) {
	struct vfio_cxl_dev dev;
	char mode[16];
	__u64 hpa;
};

FIXTURE_VARIANT(pages) {
	const char *mode;
};

FIXTURE_VARIANT_ADD(pages, on) { .mode = "on" };
FIXTURE_VARIANT_ADD(pages, off) { .mode = "off" };

static void bind_with(struct __test_metadata *_metadata, const char *mode)
{
	ASSERT_TRUE(vfio_cxl_write_file(MODE, mode));
	ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
}

FIXTURE_SETUP(pages)
{
	__u32 page[VFIO_CXL_PAGE_SIZE / 4];

	if (!read_file(MODE, self->mode, sizeof(self->mode)))
		SKIP(return, "driver without the parameter struct_pages");
	bind_with(_metadata, variant->mode);
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	vfio_cxl_xhost_page(&self->dev, page);
	self->hpa = vfio_cxl_hpa(page, self->dev.hdm);
}

/* After the test's own process, whose mappings keep the device open */
FIXTURE_TEARDOWN_PARENT(pages)
{
	if (self->mode[0])
		bind_with(_metadata, self->mode);
}

/* Of the page frames of the device memory, as the module has it */
struct frames {
	unsigned long all, valid, reserved, direct;
	unsigned int order;
};

static bool xframes(struct vfio_cxl_dev *dev, __u64 hpa, struct frames *f)
{
	unsigned long size = sysconf(_SC_PAGESIZE);
	char text[128];

	f->all = dev->dpa.info.size / size;
	snprintf(text, sizeof(text), "%llu %lu", hpa / size, f->all);
	return vfio_cxl_write_file(RANGE, text) &&
	       read_file(RANGE, text, sizeof(text)) &&
	       sscanf(text, "valid %lu reserved %lu order %u direct %lu",
		      &f->valid, &f->reserved, &f->order, &f->direct) == 4;
}

/* Whether the kernel maps all of it write-back; true where it does not tell */
static bool write_back(__u64 hpa, __u64 size)
{
	char line[256], type[32];
	__u64 first, end;
	bool found = false;
	FILE *f = fopen(PAT, "r");

	if (!f)
		return true;
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "PAT: [mem %lli-%lli] %31s", &first, &end,
			   type) == 3)
			found = first <= hpa && end >= hpa + size &&
				!strcmp(type, "write-back");
	fclose(f);
	return found;
}

/*
 * The rule of __kvm_is_mmio_pfn(), arch/x86/kvm/mmu/spte.c in Linux 7.3: a page
 * frame that it is true of is mapped uncached where KVM uses EPT.
 */
static bool kvm_takes_for_mmio(const struct frames *f, bool wb)
{
	return f->valid < f->all || (f->reserved && !wb);
}

/*
 * Struct pages are there as long as the driver is bound. The kernel's direct map
 * never has the memory: a CPU could speculate into a device that is in reset.
 *
 * Guards: pages.c vfio_cxl_pages_init(), clear_reserved(), page_order()
 */
TEST_F(pages, as_kvm_sees_them)
{
	struct vfio_cxl_dev *dev = &self->dev;
	const __u64 size = dev->dpa.info.size;
	bool on = !strcmp(variant->mode, "on");
	__u16 pm = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM);
	struct frames f;

	if (access(RANGE, F_OK))
		SKIP(return, "module vfio_cxl_pfns is not loaded");
	ASSERT_TRUE(xframes(dev, self->hpa, &f));
	TH_LOG("%lu frames, %lu with struct page of order %u, %lu reserved, %lu in the direct map",
	       f.all, f.valid, f.order, f.reserved, f.direct);
	EXPECT_EQ(!on, kvm_takes_for_mmio(&f, write_back(self->hpa, size)));
	/* VFIO type1 maps what has no struct page, or a reserved one. */
	EXPECT_EQ(on ? f.all : 0, f.valid);
	EXPECT_EQ(0, f.reserved);
	EXPECT_EQ(0, f.direct);
	EXPECT_TRUE(write_back(self->hpa, size));
	if (on)
		EXPECT_LT(0, f.order);

	if (pm) {
		vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 3);
		ASSERT_TRUE(xframes(dev, self->hpa, &f));
		EXPECT_EQ(on ? f.all : 0, f.valid);
		EXPECT_EQ(0, f.direct);
		vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 0);
		EXPECT_EQ(0, vfio_cxl_mem_wait(dev));
	}
	vfio_cxl_close(dev);
	ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	dev->dpa.info.size = size;
	ASSERT_TRUE(xframes(dev, self->hpa, &f));
	EXPECT_EQ(0, f.valid);
	EXPECT_EQ(0, f.direct);
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
}

/* Guards: region.c dpa_vm_flags(): the kernel gets at no page by address. */
TEST_F(pages, not_to_be_pinned)
{
	char *p = vfio_cxl_xmap_dpa(&self->dev, 0, SZ_2M, SZ_2M, 0), byte;
	struct iovec memory = { p, 1 }, ours = { &byte, 1 };
	int pipes[2];

	EXPECT_EQ(0, vfio_cxl_touch(p, true));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(1, vmsplice(pipes[1], &ours, 1, 0));
	EXPECT_EQ(-1, vmsplice(pipes[1], &memory, 1, 0));
	EXPECT_EQ(EFAULT, errno);
}

static void ignore(int sig)
{
}

static bool offline(__u64 hpa)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", hpa);
	return write_to(OFFLINE, text);
}

/*
 * Who ignores the signal finds the page gone, and no other one, until a reset.
 *
 * Guards: pages.c pages_memory_failure(); gate.c vfio_cxl_gate_unblock();
 * region.c is_poisoned()
 */
TEST_F(pages, bad_page_stays_away)
{
	const unsigned long size = sysconf(_SC_PAGESIZE), bad = 5 * size;
	const struct sigaction sa = { .sa_handler = ignore };
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);

	if (access(OFFLINE, W_OK))
		SKIP(return, "no memory failure handling in this kernel");
	if (strcmp(variant->mode, "on"))
		SKIP(return, "the kernel's own, which does not remember it");
	sigaction(SIGBUS, &sa, NULL);
	vfio_cxl_fill(p, SZ_2M, 3);
	ASSERT_TRUE(offline(self->hpa + bad));
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p + bad, false));
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p + bad + size - 1, true));
	EXPECT_EQ(0, vfio_cxl_touch(p + bad - 1, false));
	EXPECT_EQ(0, vfio_cxl_touch(p + bad + size, false));
	EXPECT_TRUE(vfio_cxl_same(p, bad, 3));

	EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(0, vfio_cxl_touch(p + bad, true));
}

/*
 * Pages that go bad while others come and go: nobody waits for ever. Another
 * process has them go bad, as the kernel sends the signal of its own to this one.
 *
 * Guards: pages.c pages_memory_failure()
 */
TEST_F(pages, bad_pages_and_resets)
{
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned long *bad, i;
	sigset_t signals;
	int status;
	pid_t pid;
	char *p;

	if (access(OFFLINE, W_OK))
		SKIP(return, "no memory failure handling in this kernel");
	bad = mmap(NULL, sizeof(*bad), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bad);
	/* One of its own accord, for what is not touched here, may come any time. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGBUS);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			*bad += offline(self->hpa + *bad % 64 * SZ_64K);
	}
	for (i = 0; i < 20; i++) {
		p = vfio_cxl_xmap_dpa(dev, 0, 4 * SZ_2M, SZ_2M, 0);
		p[3 * SZ_2M] = 1;
		EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
		p[3 * SZ_2M] = 2;
		munmap(p, 4 * SZ_2M);
	}
	EXPECT_EQ(0, kill(pid, SIGTERM));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_LT(0, *bad);
	TH_LOG("%lu pages went bad", *bad);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
