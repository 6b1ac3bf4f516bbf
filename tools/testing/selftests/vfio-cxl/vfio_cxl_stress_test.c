// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: threads that fault, read, write, map for CPUs and for DMA,
 * reset and switch Memory Space, while the device is closed and opened, and another process
 * unbinds it.
 *
 * What is looked for is in the kernel's log (lock order, use after free, a
 * hang) and in the data: what a thread reads of its own piece of memory is what
 * it wrote, or zero when a reset or a close came between, or an error.
 *
 * VFIO_CXL_ROUNDS says how long: one round is one change of Memory Space.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"
#include "vfio_cxl_dma.h"

#define ROUNDS_PER_OPEN	100
#define OPENS_PER_BIND	2
#define RESET_PAUSE_US	(200 * 1000)
#define IOVA		0x40000000ULL

struct stress {
	struct vfio_cxl_dev *dev;
	bool stop;
	unsigned int resets;
	unsigned long ops, wrong, mapped;
};

static bool over(struct stress *s)
{
	return __atomic_load_n(&s->stop, __ATOMIC_RELAXED);
}

static void count(struct stress *s, bool right)
{
	__atomic_fetch_add(&s->ops, 1, __ATOMIC_RELAXED);
	if (!right)
		__atomic_fetch_add(&s->wrong, 1, __ATOMIC_RELAXED);
}

/* Both directions of the device file, on a piece of memory of its own */
static void *by_file(void *arg)
{
	struct stress *s = arg;
	static const char zero[4096];
	char put[4096], got[4096];
	__u64 seed = 1;
	ssize_t n;

	if (!vfio_cxl_by_file(s->dev))
		return NULL;
	while (!over(s)) {
		vfio_cxl_fill(put, sizeof(put), seed++);
		n = vfio_cxl_write(s->dev, &s->dev->dpa, SZ_2M + 123, put,
				   sizeof(put));
		count(s, n == sizeof(put) || n == -EIO);
		if (n != sizeof(put))
			continue;
		n = vfio_cxl_read(s->dev, &s->dev->dpa, SZ_2M + 123, got,
				  sizeof(got));
		count(s, n == -EIO || (n == sizeof(got) &&
				       (!memcmp(put, got, n) ||
					!memcmp(zero, got, n))));
	}
	return NULL;
}

/* In a process of its own, as SIGBUS is for the process. */
static void by_fault(struct vfio_cxl_dev *dev, unsigned int seed)
{
	__u64 state = seed + 1, off;
	char *p;

	for (;;) {
		off = vfio_cxl_rand(&state) % (dev->dpa.info.size / SZ_2M - 2);
		p = vfio_cxl_mmap(dev, &dev->dpa, off * SZ_2M, 2 * SZ_2M);
		if (p == MAP_FAILED)
			_exit(1);
		for (off = 0; off < 8; off++)
			vfio_cxl_touch(p + vfio_cxl_rand(&state) % (2 * SZ_2M),
				       off & 1);
		munmap(p, 2 * SZ_2M);
	}
}

static void *by_register(void *arg)
{
	struct stress *s = arg;
	__u32 val;

	while (!over(s)) {
		vfio_cxl_hdm_program(s->dev, 0x7a50000000ULL, HDM_CTRL_COMMIT);
		vfio_cxl_hdm_put(s->dev, HDM_CTRL(0), 0);
		/* RAS and the rest come from the device: -EIO when it's off */
		for (val = 0; val < VFIO_CXL_PAGE_SIZE; val += 256) {
			__u64 reg;
			ssize_t n = vfio_cxl_read(s->dev, &s->dev->regs, val,
						  &reg, 8);

			count(s, n == 8 || n == -EIO);
		}
	}
	return NULL;
}

/*
 * Device memory for DMA, by dma-buf: exported, mapped and unmapped, or let go of in
 * another order. -ENODEV: it is revoked. What is mapped at the end close takes away.
 */
static void *by_dmabuf(void *arg)
{
	struct stress *s = arg;
	__u64 state = 3, off;
	__u32 ioas = 0;
	int fd, rc;

	if (make_ioas(s->dev, &ioas))
		return NULL;
	while (!over(s)) {
		off = vfio_cxl_rand(&state) % (s->dev->dpa.info.size / SZ_2M);
		fd = export(s->dev, s->dev->dpa.info.index, off * SZ_2M, SZ_2M, 0, 0);
		if (fd == -EOPNOTSUPP || fd == -ENOTTY)
			break;
		count(s, fd >= 0);
		if (fd < 0)
			continue;
		rc = map_file(s->dev, ioas, fd, 0, SZ_2M, IOVA);
		count(s, !rc || rc == -ENODEV);
		s->mapped += !rc;
		if (vfio_cxl_rand(&state) & 1)
			usleep(vfio_cxl_rand(&state) % 5000);
		if (vfio_cxl_rand(&state) & 1) {
			close(fd);
			fd = -1;
		}
		if (!rc && !over(s))
			count(s, !unmap(s->dev, ioas, SZ_2M, IOVA));
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

/* -EAGAIN: somebody else has the device locked */
static void *by_reset(void *arg)
{
	struct stress *s = arg;
	__u64 state = 1;
	unsigned int i;

	for (i = 0; !over(s); i++) {
		if (i & 1)
			vfio_cxl_guest_flr(s->dev);
		else
			count(s, !ioctl(s->dev->fd, VFIO_DEVICE_RESET) ||
			      errno == EAGAIN);
		s->resets++;
		/* All else waits during a reset, and needs time in between. */
		usleep(vfio_cxl_rand(&state) % RESET_PAUSE_US);
	}
	return NULL;
}

/* One time that the device is open; says whether it came to its end. */
static bool one_open(unsigned int rounds, struct stress *s)
{
	void *(*const body[])(void *) = {
		by_file, by_register, by_dmabuf, by_reset,
	};
	pthread_t thread[ARRAY_SIZE(body)];
	struct vfio_cxl_dev dev;
	pid_t child[2];
	unsigned int i;

	if (vfio_cxl_open(&dev, vfio_cxl_bdf))
		return false;
	s->dev = &dev;
	s->stop = false;
	for (i = 0; i < ARRAY_SIZE(child); i++) {
		child[i] = fork();
		if (!child[i])
			by_fault(&dev, i);
	}
	for (i = 0; i < ARRAY_SIZE(body); i++)
		pthread_create(&thread[i], NULL, body[i], s);
	for (i = 0; i < rounds; i++) {
		vfio_cxl_memory_space(&dev, false);
		sched_yield();
		vfio_cxl_memory_space(&dev, true);
		usleep(500);
	}
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(body); i++)
		pthread_join(thread[i], NULL);
	/* Killed while they have it mapped, and perhaps in the last close */
	vfio_cxl_close(&dev);
	for (i = 0; i < ARRAY_SIZE(child); i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
	return true;
}

FIXTURE(stress) {
	unsigned int rounds;
};

FIXTURE_SETUP(stress)
{
	self->rounds = atoi(getenv("VFIO_CXL_ROUNDS") ?: "200");
}

FIXTURE_TEARDOWN(stress)
{
}

/*
 * Guards: the lock order in priv.h; region.c, dmabuf.c, reset.c and main.c as a whole.
 * It is the debug kernel's log that tells.
 */
TEST_F_TIMEOUT(stress, everything_at_once, 3600)
{
	unsigned int rounds = self->rounds, done = 0, opens = 0, i;
	const struct sched_param first = { .sched_priority = 1 };
	struct stress s = {};
	struct vfio_cxl_dev dev;
	int status, unbinds = 0;
	pid_t pid = -1;

	/* The rounds are this task's, and all others are always busy. */
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first));
	while (done < rounds) {
		for (i = 0; i < OPENS_PER_BIND && done < rounds; i++) {
			/* Waits until the device is closed, at the latest. */
			if (i == OPENS_PER_BIND - 1) {
				pid = fork();
				if (!pid) {
					usleep(300 * 1000);
					_exit(!vfio_cxl_unbind(vfio_cxl_bdf));
				}
			}
			ASSERT_TRUE(one_open(ROUNDS_PER_OPEN, &s)) {
				TH_LOG("after %u rounds", done);
			}
			done += ROUNDS_PER_OPEN;
			opens++;
		}
		if (pid > 0) {
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status);
			ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
			unbinds++;
			pid = -1;
		}
	}
	TH_LOG("%u rounds, %u opens, %d unbinds, %u resets, %lu maps for DMA, %lu operations",
	       done, opens, unbinds, s.resets, s.mapped, s.ops);
	EXPECT_EQ(0, s.wrong);
	EXPECT_LT(0, s.ops);

	/* And it works. */
	ASSERT_EQ(0, vfio_cxl_open(&dev, vfio_cxl_bdf));
	ASSERT_EQ(0, ioctl(dev.fd, VFIO_DEVICE_RESET));
	vfio_cxl_close(&dev);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
