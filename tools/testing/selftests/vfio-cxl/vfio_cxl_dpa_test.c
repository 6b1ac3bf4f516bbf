// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DPA region: device memory through mappings and through the device file.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

/* Guards: region.c dpa_huge_fault(), the pfn; dpa_copy(), both directions */
TEST_F(cxl, mmap_and_fd_agree)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 off[] = { 0, SZ_2M - SZ_64K, dev->dpa.info.size - SZ_64K };
	char *buf = malloc(SZ_64K), *p;
	unsigned int i;

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		p = vfio_cxl_mmap(dev, &dev->dpa, off[i], SZ_64K);
		ASSERT_NE(MAP_FAILED, p);

		vfio_cxl_fill(p, SZ_64K, 100 + i);
		ASSERT_EQ(SZ_64K, vfio_cxl_read(dev, &dev->dpa, off[i], buf,
						SZ_64K));
		EXPECT_TRUE(vfio_cxl_same(buf, SZ_64K, 100 + i));

		vfio_cxl_fill(buf, SZ_64K, 200 + i);
		ASSERT_EQ(SZ_64K, vfio_cxl_write(dev, &dev->dpa, off[i], buf,
						 SZ_64K));
		EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, 200 + i));
		munmap(p, SZ_64K);
	}
	/* Written one after the other, and all three still there */
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		p = vfio_cxl_mmap(dev, &dev->dpa, off[i], SZ_64K);
		EXPECT_TRUE(vfio_cxl_same(p, SZ_64K, 200 + i));
	}
}

/* Guards: region.c dpa_rw(), the loop; it turns every 64 KiB */
TEST_F(cxl, fd_any_length_and_alignment)
{
	static const struct { __u64 off; size_t len; } at[] = {
		{ 0, 1 }, { 1, 1 }, { 1, 2 }, { 3, 4 }, { 5, 8 }, { 7, 3 },
		{ 4095, 2 }, { 4093, 4099 }, { SZ_64K - 1, 2 },
		{ SZ_64K - 3, 7 }, { 1, SZ_64K }, { 13, SZ_64K + 1 },
		{ 17, 2 * SZ_64K + 31 }, { SZ_2M - 5, 11 }, { 0, SZ_2M + 3 },
	};
	const size_t len = 2 * SZ_2M;
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_mmap(dev, &dev->dpa, 0, len);
	char *buf = malloc(len), *want = malloc(len);
	unsigned int i;
	size_t n;

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		n = at[i].len;
		vfio_cxl_fill(want, len, i + 1);
		memcpy(p, want, len);
		memset(buf, 0xa5, len);
		ASSERT_EQ(n, vfio_cxl_read(dev, &dev->dpa, at[i].off, buf, n));
		EXPECT_EQ(0, memcmp(buf, want + at[i].off, n));
		EXPECT_EQ((char)0xa5, buf[n]);

		/* And nothing but these bytes is written */
		memset(buf, 0x3c, n);
		memset(want + at[i].off, 0x3c, n);
		ASSERT_EQ(n, vfio_cxl_write(dev, &dev->dpa, at[i].off, buf, n));
		EXPECT_EQ(0, memcmp(p, want, len)) {
			TH_LOG("%zu bytes at %llu", n, at[i].off);
		}
	}
}

/* Guards: region.c dpa_rw(), "off >= size", "count = min(...)" */
TEST_F(cxl, fd_past_the_end)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	char *buf = calloc(1, 3 * SZ_64K);

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->dpa, size, buf, 1));
	EXPECT_EQ(-EINVAL, vfio_cxl_write(dev, &dev->dpa, size, buf, 1));
	EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->dpa, size + SZ_2M, buf, 8));
	EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->dpa, (1ULL << 40) - 1, buf,
					 1));
	EXPECT_EQ(1, vfio_cxl_read(dev, &dev->dpa, size - 1, buf, 2));
	EXPECT_EQ(1, vfio_cxl_write(dev, &dev->dpa, size - 1, buf, 2));
	EXPECT_EQ(2 * SZ_64K, vfio_cxl_read(dev, &dev->dpa, size - 2 * SZ_64K,
					    buf, 3 * SZ_64K));
	EXPECT_EQ(0, vfio_cxl_read(dev, &dev->dpa, 0, buf, 0));
}

/* Guards: region.c dpa_rw(), -EFAULT, and the count of what was moved before */
TEST_F(cxl, fd_bad_buffer)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *buf = mmap(NULL, SZ_2M, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	ASSERT_NE(MAP_FAILED, buf);
	munmap(buf + SZ_64K, SZ_64K);
	EXPECT_EQ(-EFAULT, vfio_cxl_read(dev, &dev->dpa, 0, buf + SZ_64K, 8));
	EXPECT_EQ(-EFAULT, vfio_cxl_write(dev, &dev->dpa, 0, buf + SZ_64K, 8));
	EXPECT_EQ(SZ_64K, vfio_cxl_read(dev, &dev->dpa, 0, buf, 2 * SZ_64K));
	EXPECT_EQ(SZ_64K, vfio_cxl_write(dev, &dev->dpa, 0, buf, 2 * SZ_64K));
}

/* Guards: the core's vfio_pci_core_mmap(), which vfio_cxl_mmap() ends in */
TEST_F(cxl, private_mapping_refused)
{
	struct vfio_cxl_dev *dev = &self->dev;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, dev->fd, dev->dpa.info.offset));
	EXPECT_EQ(EINVAL, errno);
}

/* Guards: region.c dpa_mmap(), "end > size" */
TEST_F(cxl, mapping_past_the_end_refused)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size, ps = sysconf(_SC_PAGESIZE);
	struct { __u64 off, len; } bad[] = {
		{ 0, size + ps }, { size - ps, 2 * ps }, { size, ps },
		{ size + SZ_2M, ps }, { (1ULL << 40) - ps, ps },
		{ (1ULL << 40) - ps, 2 * ps },
	};
	unsigned int i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(MAP_FAILED, vfio_cxl_mmap(dev, &dev->dpa, bad[i].off,
						    bad[i].len)) {
			TH_LOG("mapped %#llx bytes at %#llx", bad[i].len,
			       bad[i].off);
		}
	}
	p = vfio_cxl_mmap(dev, &dev->dpa, size - ps, ps);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, vfio_cxl_touch(p + ps - 1, true));
	EXPECT_EQ(MAP_FAILED, mremap(p, ps, 2 * ps, MREMAP_MAYMOVE));
}

/* Touch each page, and say how many faults that took. */
static long faults_of(char *p, size_t len)
{
	long before = vfio_cxl_minor_faults();
	size_t off;

	for (off = 0; off < len; off += SZ_4K)
		__atomic_load_n(p + off, __ATOMIC_RELAXED);
	return vfio_cxl_minor_faults() - before;
}

/* Guards: region.c dpa_huge_fault(), .huge_fault, the alignment test */
TEST_F(cxl, huge_faults)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_256M, SZ_2M, 0);
	long n;

	n = faults_of(p, SZ_256M);
	TH_LOG("%ld faults for 256 MiB", n);
	if (sysconf(_SC_PAGESIZE) == SZ_4K)
		EXPECT_EQ(SZ_256M / SZ_2M, n);
	EXPECT_GT(SZ_256M / sysconf(_SC_PAGESIZE), n);

	/* Each leaf is where it should be: small pages see the same. */
	vfio_cxl_fill(p, SZ_256M, 7);
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_256M, SZ_2M, SZ_4K);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_256M, 7));
}

/*
 * Turns clearing off and on: a large memory takes a while, and is only made
 * when it is written.
 */
#define CLEARING "/sys/module/vfio_cxl_pci/parameters/clear_on_close"

FIXTURE(big) {
	struct vfio_cxl_dev dev;
};

FIXTURE_SETUP(big)
{
	const char *bdf = getenv("VFIO_CXL_BIG_BDF");

	if (!bdf || !*bdf)
		SKIP(return, "VFIO_CXL_BIG_BDF names no device");
	vfio_cxl_write_file(CLEARING, "N");
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, bdf));
}

FIXTURE_TEARDOWN(big)
{
	vfio_cxl_close(&self->dev);
	vfio_cxl_write_file(CLEARING, "Y");
}

/* Guards: region.c dpa_huge_fault(), for PUDs */
TEST_F(big, gib_faults)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 page[VFIO_CXL_PAGE_SIZE / 4];
	__u64 off, len = 4 * SZ_1G;
	char *p;

	/* The first piece that is aligned in the host's memory */
	vfio_cxl_xhost_page(dev, page);
	off = -vfio_cxl_hpa(page, dev->hdm) % SZ_1G;
	if (off + len > dev->dpa.info.size)
		SKIP(return, "no 4 aligned GiB in %llu MiB",
		     dev->dpa.info.size >> 20);

	p = vfio_cxl_xmap_dpa(dev, off, len, SZ_1G, 0);
#ifdef __aarch64__
	/* Linux has no huge pages of 1 GiB there, except in hugetlbfs. */
	EXPECT_EQ(len / SZ_2M, faults_of(p, len));
#else
	EXPECT_EQ(4, faults_of(p, len));
#endif
	vfio_cxl_fill(p + len - SZ_2M, SZ_2M, 17);
	munmap(p, len);
	p = vfio_cxl_xmap_dpa(dev, off + len - SZ_2M, SZ_2M, SZ_2M, SZ_4K);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 17));
}

/* Guards: region.c dpa_huge_fault(), the fallback and its pfn */
TEST_F(cxl, misaligned_mapping)
{
	const size_t len = 4 * SZ_2M, ps = sysconf(_SC_PAGESIZE);
	struct vfio_cxl_dev *dev = &self->dev;
	char *good, *bad;
	long n;

	good = vfio_cxl_xmap_dpa(dev, SZ_2M, len, SZ_2M, 0);
	vfio_cxl_fill(good, len, 9);

	bad = vfio_cxl_xmap_dpa(dev, SZ_2M, len, SZ_2M, ps);
	n = faults_of(bad, len);
	TH_LOG("%ld faults for 8 MiB", n);
	EXPECT_EQ(len / ps, n);
	EXPECT_TRUE(vfio_cxl_same(bad, len, 9));

	/* An odd start in the region instead of in the address space */
	bad = vfio_cxl_xmap_dpa(dev, SZ_2M + ps, len - ps, SZ_2M, 0);
	EXPECT_EQ(len / ps - 1, faults_of(bad, len - ps));
	EXPECT_EQ(0, memcmp(good + ps, bad, len - ps));
}

/* Guards: region.c dpa_huge_fault(): the same memory each time */
TEST_F(cxl, two_mappings)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *a = vfio_cxl_mmap(dev, &dev->dpa, SZ_2M, SZ_2M);
	char *b = vfio_cxl_mmap(dev, &dev->dpa, 0, 2 * SZ_2M);

	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	vfio_cxl_fill(a, SZ_2M, 11);
	EXPECT_TRUE(vfio_cxl_same(b + SZ_2M, SZ_2M, 11));
	munmap(a, SZ_2M);
	EXPECT_TRUE(vfio_cxl_same(b + SZ_2M, SZ_2M, 11));
	munmap(b, 2 * SZ_2M);
	a = vfio_cxl_mmap(dev, &dev->dpa, SZ_2M, SZ_2M);
	EXPECT_TRUE(vfio_cxl_same(a, SZ_2M, 11));
}

static struct {
	int code;
	void *addr;
} poison;

static void on_poison(int sig, siginfo_t *info, void *context)
{
	__atomic_store_n(&poison.code, info->si_code, __ATOMIC_RELAXED);
	poison.addr = info->si_addr;
}

/*
 * Memory that went bad: who has it mapped gets a signal, and nobody else.
 *
 * Guards: region.c dpa_pfn_to_vma_pgoff(), vfio_cxl_register_dpa()
 */
TEST_F(cxl, memory_failure)
{
	struct sigaction sa = { .sa_sigaction = on_poison,
				.sa_flags = SA_SIGINFO };
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 page[VFIO_CXL_PAGE_SIZE / 4];
	const __u64 bad = SZ_2M + 5 * SZ_64K;
	int ready[2], status = -1, fd;
	char text[32], c, *p;
	pid_t other;

	fd = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY);
	if (fd < 0)
		SKIP(return, "no memory failure handling in this kernel");
	vfio_cxl_xhost_page(dev, page);
	snprintf(text, sizeof(text), "%#llx",
		 vfio_cxl_hpa(page, dev->hdm) + bad);

	/* Another process, which has mapped what is before it and after it */
	ASSERT_EQ(0, pipe(ready));
	other = fork();
	ASSERT_LE(0, other);
	if (!other) {
		p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
		vfio_cxl_fill(p, SZ_2M, 1);
		p = vfio_cxl_xmap_dpa(dev, 2 * SZ_2M, SZ_2M, SZ_2M, 0);
		vfio_cxl_fill(p, SZ_2M, 1);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(2);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));

	sigaction(SIGBUS, &sa, NULL);
	p = vfio_cxl_xmap_dpa(dev, SZ_2M, SZ_2M, SZ_2M, 0);
	vfio_cxl_fill(p, SZ_2M, 2);
	EXPECT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text))) {
		TH_LOG("%s: %s", text, strerror(errno));
	}
	EXPECT_EQ(BUS_MCEERR_AR, __atomic_load_n(&poison.code,
						 __ATOMIC_RELAXED));
	EXPECT_EQ((void *)(p + bad - SZ_2M), poison.addr);

	usleep(100 * 1000);
	EXPECT_EQ(0, waitpid(other, &status, WNOHANG));
	kill(other, SIGTERM);
	EXPECT_EQ(other, waitpid(other, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	close(fd);
}

static bool stop;

static void *toggle_memory(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		vfio_cxl_memory_space(arg, false);
		vfio_cxl_memory_space(arg, true);
		usleep(200);
	}
	return NULL;
}

/*
 * The user's buffer is device memory itself, not yet faulted in, and another
 * thread wants the lock for writing: the fault in the middle of the copy must
 * not wait for a lock that the copy holds.
 *
 * Guards: region.c dpa_rw(), no lock is held while user memory is touched
 */
TEST_F_TIMEOUT(cxl, buffer_in_device_memory, 60)
{
	struct vfio_cxl_dev *dev = &self->dev;
	unsigned int i, good = 0;
	pthread_t thread;
	ssize_t rc;
	char *p;

	if (!vfio_cxl_by_file(dev))
		SKIP(return, "no access by file");
	ASSERT_EQ(0, pthread_create(&thread, NULL, toggle_memory, dev));
	for (i = 0; i < 2000 && (i < 200 || good < 20); i++) {
		p = vfio_cxl_mmap(dev, &dev->dpa, SZ_2M, 2 * SZ_64K);
		ASSERT_NE(MAP_FAILED, p);
		rc = i & 1 ? vfio_cxl_write(dev, &dev->dpa, 0, p, 2 * SZ_64K) :
			     vfio_cxl_read(dev, &dev->dpa, 0, p, 2 * SZ_64K);
		good += rc == 2 * SZ_64K;
		EXPECT_TRUE(rc == 2 * SZ_64K || rc == SZ_64K ||
			    rc == -EIO || rc == -EFAULT) {
			TH_LOG("returned %zd", rc);
		}
		munmap(p, 2 * SZ_64K);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%u of %u went through", good, i);

	/* And it does what it says */
	p = vfio_cxl_mmap(dev, &dev->dpa, 0, SZ_2M);
	vfio_cxl_fill(p, SZ_64K, 13);
	EXPECT_EQ(SZ_64K, vfio_cxl_read(dev, &dev->dpa, 0, p + SZ_64K, SZ_64K));
	EXPECT_TRUE(vfio_cxl_same(p + SZ_64K, SZ_64K, 13));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
