// SPDX-License-Identifier: GPL-2.0-only
/*
 * From one user to the next: nothing of a tenant is left, however it ended.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define TENANT		0x7e4a47ULL

/* What a tenant leaves: the whole memory written, everything locked */
static bool dirty(struct vfio_cxl_dev *dev)
{
	__u64 size = dev->dpa.info.size;
	char *p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
	bool ok;

	vfio_cxl_fill(p, size, TENANT);
	ok = vfio_cxl_same(p, size, TENANT);
	munmap(p, size);
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_LOCK | HDM_CTRL_COMMIT);
	vfio_cxl_xput(dev, &dev->cfg, vfio_cxl_dvsec(dev, 0) +
		      DVSEC_RANGE1_BASE_HI, 4, 0x7a);
	vfio_cxl_xput(dev, &dev->cfg, vfio_cxl_dvsec(dev, 0) + DVSEC_CTRL, 2,
		      0xffff);
	vfio_cxl_xput(dev, &dev->cfg, vfio_cxl_dvsec(dev, 0) + DVSEC_LOCK, 2,
		      1);
	vfio_cxl_hdm_put(dev, HDM_GLOBAL, 0);
	return ok;
}

/* All that a user sees of the shadow registers */
static void snapshot(struct vfio_cxl_dev *dev, __u32 *s)
{
	__u32 i, at = vfio_cxl_dvsec(dev, 0), ras = vfio_cxl_cm_cap(dev, CM_CAP_RAS);

	for (i = 0; i < 0x38 / 4; i++)
		*s++ = vfio_cxl_xget(dev, &dev->cfg, at + 4 * i, 4);
	for (i = 0; i < VFIO_CXL_PAGE_SIZE / 4; i++)
		s[i] = vfio_cxl_xget(dev, &dev->regs, 4 * i, 4);
	/* Without an error the pointer to the first one means nothing. */
	if (ras)
		s[(ras + RAS_CAP_CTRL) / 4] &= ~RAS_FIRST_ERROR;
}

#define SNAPSHOT	(0x38 / 4 + VFIO_CXL_PAGE_SIZE / 4)

/*
 * Guards: main.c vfio_cxl_open_device(); reset.c vfio_cxl_virt_init(); hdm.c
 * vfio_cxl_hdm_reset(); dvsec.c vfio_cxl_dvsec_init()
 */
TEST_F(cxl, reopen_is_fresh)
{
	__u32 first[SNAPSHOT], then[SNAPSHOT], i;
	struct vfio_cxl_dev *dev = &self->dev;

	snapshot(dev, first);
	ASSERT_TRUE(dirty(dev));
	snapshot(dev, then);
	EXPECT_NE(0, memcmp(first, then, sizeof(first)));

	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	snapshot(dev, then);
	for (i = 0; i < SNAPSHOT; i++) {
		EXPECT_EQ(first[i], then[i]) {
			TH_LOG("word %u", i);
		}
	}

	/* And it works, by mapping and by register */
	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	EXPECT_NE(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_COMMITTED);
}

/*
 * The RAS registers are passed through, and no FLR resets their masks. What a
 * tenant has masked must not be masked for the next.
 *
 * Guards: state.c vfio_cxl_state_restore_ras()
 */
TEST_F(cxl, ras_masks_are_the_hosts)
{
	static const __u32 mask[] = { RAS_UNC_MASK, RAS_UNC_SEVERITY,
				       RAS_COR_MASK };
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 ras = vfio_cxl_cm_cap(dev, CM_CAP_RAS), i;
	__u32 first[3], then[3];

	if (!ras)
		SKIP(return, "device has no RAS capability");
	for (i = 0; i < 3; i++) {
		first[i] = vfio_cxl_xget(dev, &dev->regs, ras + mask[i], 4);
		vfio_cxl_xput(dev, &dev->regs, ras + mask[i], 4, ~first[i]);
	}
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	for (i = 0; i < 3; i++) {
		then[i] = vfio_cxl_xget(dev, &dev->regs, ras + mask[i], 4);
		vfio_cxl_xput(dev, &dev->regs, ras + mask[i], 4, first[i]);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(first[i], then[i]) {
			TH_LOG("RAS + %#x", mask[i]);
		}
	}
}

static void expect_zero(struct __test_metadata *_metadata,
			struct vfio_cxl_dev *dev)
{
	__u64 size = dev->dpa.info.size;
	char *p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);

	EXPECT_TRUE(vfio_cxl_zero(p, size));
	munmap(p, size);
}

/* Guards: main.c vfio_cxl_close_device(), clear_memory() */
TEST_F(cxl, reopen_is_zero)
{
	struct vfio_cxl_dev *dev = &self->dev;

	ASSERT_TRUE(dirty(dev));
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	expect_zero(_metadata, dev);
}

/*
 * With Memory Space off, or in D3hot, the tenant's memory is no less to be
 * cleared.
 *
 * Guards: main.c clear_memory(), after the core has put the device to rights
 */
TEST_F(cxl, closed_gate_is_cleared_too)
{
	struct vfio_cxl_dev *dev = &self->dev;

	ASSERT_TRUE(dirty(dev));
	vfio_cxl_memory_space(dev, false);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	expect_zero(_metadata, dev);
}

/* Guards: the same; a tenant in D3hot */
TEST_F(cxl, sleeping_device_is_cleared_too)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pos = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM);

	if (!pos)
		SKIP(return, "device has no PM capability");
	ASSERT_TRUE(dirty(dev));
	vfio_cxl_xput(dev, &dev->cfg, pos + PCI_PM_CTRL, 2, 3);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	expect_zero(_metadata, dev);
}

static int open_log(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* Whether the kernel has complained since the log was opened */
static bool complaints(int log)
{
	static const char * const bad[] = {
		"nonexistent resource", "WARNING:", "BUG:", "cut here",
		"stays inaccessible",
	};
	bool found = false;
	unsigned int i;
	char line[8192];
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			if (strstr(line, bad[i])) {
				fprintf(stderr, "# %s", line);
				found = true;
			}
	}
	return found;
}

/* Resets, past VFIO: until it is told to stop, or once after a while */
struct resetter {
	const char *bdf;
	useconds_t after_us;
	bool stop;
	long resets;
};

static void *reset_again_and_again(void *arg)
{
	struct resetter *r = arg;
	int fd = vfio_cxl_xhost_open(r->bdf, "reset", O_WRONLY);

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED))
		r->resets += write(fd, "1", 1) == 1;
	close(fd);
	return NULL;
}

/*
 * A device that clears its memory by CXL Reset, and one whose memory the CPU clears:
 * a function that is one of several, named by VFIO_CXL_SIBLING_BDF, which is
 * another one of them, and to the emulator by VFIO_CXL_SIBLING_EMULATED.
 */
FIXTURE(harassed) {
	struct vfio_cxl_dev dev;
	char bdf[32];
};

FIXTURE_VARIANT(harassed) {
	bool by_cpu;
	unsigned int turns;
};

FIXTURE_VARIANT_ADD(harassed, by_device) { .turns = 4 };
FIXTURE_VARIANT_ADD(harassed, by_cpu) { .by_cpu = true, .turns = 8 };

FIXTURE_SETUP(harassed)
{
	const char *sibling = getenv("VFIO_CXL_SIBLING_BDF");
	const char *emulated = getenv("VFIO_CXL_SIBLING_EMULATED");

	snprintf(self->bdf, sizeof(self->bdf), "%s", vfio_cxl_bdf);
	if (variant->by_cpu) {
		if (!sibling || !*sibling || !emulated)
			SKIP(return, "VFIO_CXL_SIBLING_BDF names no emulated device");
		snprintf(self->bdf, sizeof(self->bdf), "%.*s0", (int)strlen(sibling) - 1, sibling);
		setenv("VFIO_CXL_EMULATED", emulated, 1);
	}
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, self->bdf));
	if (!vfio_cxl_emulate("x-lose-decoder", "on"))
		SKIP(return, "needs an emulated device");
}

FIXTURE_TEARDOWN_PARENT(harassed)
{
	if (variant->by_cpu && getenv("VFIO_CXL_SIBLING_EMULATED"))
		setenv("VFIO_CXL_EMULATED", getenv("VFIO_CXL_SIBLING_EMULATED"), 1);
	if (getenv("VFIO_CXL_EMULATED")) {
		vfio_cxl_emulate("x-lose-decoder", "off");
		vfio_cxl_emulate("x-cxl-reset-delay", "0");
	}
}

/*
 * Each reset takes the decoder, and the zeroes that the last close writes
 * meanwhile go nowhere.
 *
 * Guards: cache.c vfio_cxl_clear_by_cpu(); gate.c vfio_cxl_reset_seq(); main.c
 * clear_memory(), needs_clear
 */
TEST_F(harassed, cleared)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	struct resetter r;
	unsigned int turn;
	pthread_t thread;
	char *p;

	for (turn = 0; turn < variant->turns; turn++) {
		p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
		memset(p, 0x6d, size);
		munmap(p, size);
		r = (struct resetter) { .bdf = self->bdf };
		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_again_and_again, &r));
		/* It may begin in the middle of a reset, or before the first. */
		usleep(turn * 50 * 1000);
		vfio_cxl_close(dev);
		__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		TH_LOG("%ld resets", r.resets);
		ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
		expect_zero(_metadata, dev);
	}
}

static void *reset_once(void *arg)
{
	struct resetter *r = arg;
	int fd = vfio_cxl_xhost_open(r->bdf, "reset", O_WRONLY);

	usleep(r->after_us);
	r->resets = write(fd, "1", 1) == 1;
	close(fd);
	return NULL;
}

/* Of the CXL Reset that clears, in ms: long enough for another one to begin in it */
#define CLEAR_DELAY	"80"

/*
 * One reset comes while the last close clears. It takes the zeroes with it, or saves
 * and restores the config space that the CXL Reset has just cleared.
 *
 * Guards: cache.c vfio_cxl_clear_by_cpu(); gate.c vfio_cxl_reset_seq(); state.c
 * vfio_cxl_state_restore_decoder(), bar_is_set()
 */
TEST_F(harassed, reset_while_cleared)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	struct resetter r;
	unsigned int turn;
	pthread_t thread;
	int log;
	char *p;

	if (!variant->by_cpu)
		ASSERT_TRUE(vfio_cxl_emulate("x-cxl-reset-delay", CLEAR_DELAY));
	log = open_log();
	ASSERT_LE(0, log);
	for (turn = 0; turn < 3 * variant->turns; turn++) {
		p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
		memset(p, 0x6d, size);
		munmap(p, size);
		r = (struct resetter) {
			.bdf = self->bdf,
			.after_us = turn * 10 * 1000,
		};
		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_once, &r));
		vfio_cxl_close(dev);
		pthread_join(thread, NULL);
		EXPECT_EQ(1, r.resets);
		ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
		expect_zero(_metadata, dev);
	}
	EXPECT_FALSE(complaints(log));
	close(log);
}

/* Guards: main.c vfio_cxl_close_device(), also reached by exit */
TEST_F(cxl, killed_tenant)
{
	__u32 first[SNAPSHOT], then[SNAPSHOT];
	struct vfio_cxl_dev *dev = &self->dev;
	int ready[2], status;
	char c = 0, *p;
	pid_t pid;

	snapshot(dev, first);
	vfio_cxl_close(dev);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vfio_cxl_dev victim;

		if (vfio_cxl_open(&victim, vfio_cxl_bdf))
			_exit(1);
		c = dirty(&victim) ? 'd' : '?';
		p = vfio_cxl_xmap_dpa(&victim, 0, SZ_2M, SZ_2M, 0);
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		/* Open and mapped, and in the middle of using it */
		for (;;)
			if (vfio_cxl_read(&victim, &victim.dpa, 0, p, SZ_64K) < 0)
				vfio_cxl_fill(p, SZ_64K, TENANT);
	}
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ('d', c);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	snapshot(dev, then);
	EXPECT_EQ(0, memcmp(first, then, sizeof(first)));
	expect_zero(_metadata, dev);
}

/*
 * A device that VFIO_CXL_BIG_BDF names, whose CXL Reset Timeout is 10 seconds or
 * more, and to the emulator VFIO_CXL_BIG_EMULATED
 */
FIXTURE(slow) {
	struct vfio_cxl_dev dev;
	const char *bdf;
};

FIXTURE_SETUP(slow)
{
	const char *emulated = getenv("VFIO_CXL_BIG_EMULATED");

	self->bdf = getenv("VFIO_CXL_BIG_BDF");
	if (!self->bdf || !emulated)
		SKIP(return, "VFIO_CXL_BIG_EMULATED names no device");
	setenv("VFIO_CXL_EMULATED", emulated, 1);
	if (!vfio_cxl_emulate("x-cxl-reset-delay", "3000"))
		SKIP(return, "needs an emulated device");
}

FIXTURE_TEARDOWN_PARENT(slow)
{
	if (!getenv("VFIO_CXL_BIG_EMULATED"))
		return;
	setenv("VFIO_CXL_EMULATED", getenv("VFIO_CXL_BIG_EMULATED"), 1);
	vfio_cxl_emulate("x-cxl-reset-delay", "0");
}

/* Wait until the driver says that it resets the device. */
static bool in_reset(const char *bdf)
{
	__u64 end = vfio_cxl_now_ms() + 20000;
	char path[64], text[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio-cxl-pci/%s", bdf);
	do {
		fd = open(path, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n < 0 ? 0 : n] = 0;
		if (strstr(text, "in reset"))
			return true;
		usleep(10 * 1000);
	} while (vfio_cxl_now_ms() < end);
	return false;
}

/*
 * Who closes the device may be killed while its memory is cleared. The next one
 * waits for the device, and finds its memory clear.
 *
 * Guards: ctrl2.c vfio_cxl_wait_status2(), killable; cxl_reset.c
 * vfio_cxl_cxl_reset_outlast(); settle.c vfio_cxl_settle_wait(); main.c
 * clear_memory(), needs_clear
 */
TEST_F(slow, killed_in_close)
{
	struct vfio_cxl_dev *dev = &self->dev;
	int ready[2], status;
	__u64 began;
	pid_t pid;
	char c, *p;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (vfio_cxl_open(dev, self->bdf))
			_exit(1);
		p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
		vfio_cxl_fill(p, SZ_2M, TENANT);
		munmap(p, SZ_2M);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		vfio_cxl_close(dev);
		_exit(2);
	}
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_TRUE(in_reset(self->bdf));
	began = vfio_cxl_now_ms();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	TH_LOG("gone after %llu ms", vfio_cxl_now_ms() - began);
	EXPECT_GT(2000, vfio_cxl_now_ms() - began);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(vfio_cxl_emulate("x-cxl-reset-delay", "0"));
	ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, SZ_2M));
	munmap(p, SZ_2M);
}

/*
 * Guards: cxl_reset.c vfio_cxl_cxl_reset_wait(), killable; region.c
 * dpa_huge_fault(), which does not wait
 */
TEST_F(slow, killed_in_reset)
{
	struct vfio_cxl_dev *dev = &self->dev;
	int status;
	__u64 began;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ioctl(dev->fd, VFIO_DEVICE_RESET);
		_exit(0);
	}
	EXPECT_TRUE(in_reset(self->bdf));
	EXPECT_EQ(SIGBUS, vfio_cxl_touch(p, true));
	began = vfio_cxl_now_ms();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	TH_LOG("gone after %llu ms", vfio_cxl_now_ms() - began);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(1500, vfio_cxl_now_ms() - began);
	EXPECT_EQ(0, vfio_cxl_mem_wait(dev));
	EXPECT_EQ(0, vfio_cxl_touch(p, true));
	munmap(p, SZ_2M);
}

/*
 * The device is closed in the middle of a CXL Reset by its user, one that does not
 * clear. It ignores another one that does, and would complete the first.
 *
 * Guards: main.c vfio_cxl_close_device(), clear_memory(); cxl_reset.c
 * vfio_cxl_cxl_reset_outlast()
 */
TEST_F(slow, closed_in_reset)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p;

	ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	vfio_cxl_fill(p, SZ_2M, TENANT);
	munmap(p, SZ_2M);
	vfio_cxl_xput(dev, &dev->cfg, vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) +
		      DVSEC_CTRL2, 2, DVSEC_CTRL2_RESET);
	EXPECT_TRUE(in_reset(self->bdf));
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, self->bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, SZ_2M));
	munmap(p, SZ_2M);
}

/*
 * A mapping holds the device file: the device stays open, and the memory the
 * tenant's, until it is gone as well.
 *
 * Guards: main.c vfio_cxl_close_device(): not before the last mapping
 */
TEST_F(cxl, mapping_keeps_it_open)
{
	struct vfio_cxl_dev *dev = &self->dev, other;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);

	vfio_cxl_fill(p, SZ_2M, TENANT);
	vfio_cxl_close(dev);
	EXPECT_NE(0, vfio_cxl_open(&other, vfio_cxl_bdf));
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, TENANT));
	munmap(p, SZ_2M);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	expect_zero(_metadata, dev);
}

/*
 * The physical decoder outlives a tenant as it is, and what was taken from the
 * kernel is given back, and nothing else.
 *
 * Guards: state.c vfio_cxl_state_restore_decoder(); comp_bar.c
 * vfio_cxl_unmap_comp_bar()
 */
TEST_F(cxl, hardware_as_before)
{
	__u32 before[VFIO_CXL_PAGE_SIZE / 4], after[VFIO_CXL_PAGE_SIZE / 4];
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int i, j;
	int log;

	log = open_log();
	ASSERT_LE(0, log);
	vfio_cxl_xhost_page(dev, before);
	for (i = 0; i < 5; i++) {
		vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, i & 1 ? HDM_CTRL_COMMIT : 0);
		EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
		vfio_cxl_close(dev);
		ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
		vfio_cxl_xhost_page(dev, after);
		for (j = 0; j < VFIO_CXL_PAGE_SIZE / 4; j++) {
			EXPECT_EQ(before[j], after[j]) {
				TH_LOG("turn %u at %#x", i, 4 * j);
			}
		}
	}
	EXPECT_FALSE(complaints(log));
}

static int map_dma(struct vfio_cxl_dev *dev, void *p, __u64 len, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (__u64)p,
		.iova = iova,
		.size = len,
	};

	return ioctl(dev->iommu, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int unmap_dma(struct vfio_cxl_dev *dev, __u64 len, __u64 iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(dev->iommu, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	return unmap.size == len ? 0 : -EIO;
}

/*
 * Type1 would keep what it maps past the close, into the next tenant's time: it
 * refuses the memory, unless whoever runs the host says otherwise: before the
 * mapping or, for memory with struct pages, before the device is bound.
 *
 * Guards: region.c dpa_vm_flags(); pages.c vfio_cxl_pages_init(), clear_reserved()
 */
TEST_F(cxl, type1_is_an_opt_in)
{
	const char *param = "/sys/module/vfio_cxl_pci/parameters/unsafe_type1_dma";
	bool pages = vfio_cxl_has_pages(vfio_cxl_bdf);
	struct vfio_cxl_dev *dev = &self->dev;
	char *p;

	vfio_cxl_close(dev);
	if (access("/dev/vfio/vfio", R_OK | W_OK))
		SKIP(return, "no VFIO container in this kernel");
	ASSERT_EQ(0, vfio_cxl_open_group(dev, vfio_cxl_bdf));
	ASSERT_NE(0, dev->dpa.info.size);
	p = vfio_cxl_xmap_dpa(dev, 0, 4 * SZ_2M, SZ_2M, 0);
	EXPECT_EQ(-EFAULT, map_dma(dev, p, 4 * SZ_2M, SZ_256M));
	EXPECT_EQ(0, vfio_cxl_touch(p, true));
	EXPECT_EQ(-EFAULT, map_dma(dev, p, 4 * SZ_2M, SZ_256M));

	ASSERT_TRUE(vfio_cxl_write_file(param, "1"));
	if (pages) {
		EXPECT_EQ(-EFAULT, map_dma(dev, p, 4 * SZ_2M, SZ_256M));
		munmap(p, 4 * SZ_2M);
		vfio_cxl_close(dev);
		ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
		ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
		ASSERT_EQ(0, vfio_cxl_open_group(dev, vfio_cxl_bdf));
	}
	/* Not faulted in before, also at an odd 4 KiB page */
	p = vfio_cxl_xmap_dpa(dev, 0, 4 * SZ_2M, SZ_2M, 0);
	EXPECT_EQ(0, map_dma(dev, p, 4 * SZ_2M, SZ_256M));
	EXPECT_EQ(0, unmap_dma(dev, 4 * SZ_2M, SZ_256M));
	EXPECT_EQ(0, map_dma(dev, p + SZ_64K, SZ_64K, SZ_256M));
	EXPECT_EQ(0, vfio_cxl_touch(p, true));
	EXPECT_EQ(0, unmap_dma(dev, SZ_64K, SZ_256M));
	EXPECT_TRUE(vfio_cxl_write_file(param, "0"));
	if (!pages)
		return;
	munmap(p, 4 * SZ_2M);
	vfio_cxl_close(dev);
	ASSERT_TRUE(vfio_cxl_unbind(vfio_cxl_bdf));
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
	ASSERT_EQ(0, vfio_cxl_open_group(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, 4 * SZ_2M, SZ_2M, 0);
	EXPECT_EQ(-EFAULT, map_dma(dev, p, 4 * SZ_2M, SZ_256M));
}

/*
 * Without clearing the next user finds what the last one left; with it again,
 * the next open clears.
 *
 * Guards: main.c open_memory(), vfio_cxl_close_device(), clear_on_close
 */
TEST_F(cxl, clear_on_close_off)
{
	const char *param = "/sys/module/vfio_cxl_pci/parameters/clear_on_close";
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 71);

	ASSERT_TRUE(vfio_cxl_write_file(param, "0"));
	munmap(p, VFIO_CXL_TENANT);
	vfio_cxl_close(dev);
	EXPECT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_same(p, VFIO_CXL_TENANT, 71));
	munmap(p, VFIO_CXL_TENANT);
	vfio_cxl_close(dev);

	ASSERT_TRUE(vfio_cxl_write_file(param, "1"));
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, VFIO_CXL_TENANT, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, VFIO_CXL_TENANT));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
