// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver is taken away from a device that somebody has open and mapped.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define DRIVER	"/sys/bus/pci/drivers/vfio-cxl-pci"

/* How many ranges of the host's memory the driver has claimed */
static unsigned int claims(void)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned int n = 0;
	char line[200];

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "vfio-cxl-pci") ||
		     strstr(line, "vfio_cxl_pci");
	if (f)
		fclose(f);
	return n;
}

/* Until it is so, or a minute is over */
#define wait_until(what) ({						\
	bool _so = false;						\
	unsigned int _i;						\
									\
	for (_i = 0; !_so && _i < 600; _i++) {				\
		_so = (what);						\
		if (!_so)						\
			usleep(100 * 1000);				\
	}								\
	_so;								\
})

/*
 * It waits for the user, asks it to leave, and takes nothing away before.
 *
 * Guards: main.c vfio_cxl_remove(); vfio_cxl_ops.request
 */
TEST_F(cxl, unbind_waits_for_the_user)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	int fd = vfio_cxl_eventfd(dev, VFIO_PCI_REQ_IRQ_INDEX), status = -1;
	unsigned int before = claims();
	pid_t pid;
	__u64 n;

	ASSERT_LE(0, fd);
	ASSERT_NE(0, before);
	vfio_cxl_fill(p, SZ_2M, 111);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Not a user any more */
		munmap(p, SZ_2M);
		vfio_cxl_close(dev);
		close(fd);
		_exit(!vfio_cxl_unbind(vfio_cxl_bdf));
	}
	EXPECT_TRUE(wait_until(read(fd, &n, sizeof(n)) == sizeof(n)));

	/* Mapping, file and registers work as long as they are used. */
	EXPECT_EQ(0, vfio_cxl_touch(p, false));
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 111));
	if (vfio_cxl_by_file(dev))
		EXPECT_EQ(8, vfio_cxl_read(dev, &dev->dpa, 0, &n, 8));
	vfio_cxl_hdm_program(dev, 0x7a50000000ULL, HDM_CTRL_COMMIT);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));

	/* The mapping alone also keeps the device. */
	vfio_cxl_close(dev);
	usleep(300 * 1000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 111));
	munmap(p, SZ_2M);
	ASSERT_TRUE(wait_until(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_EQ(0, status);
	EXPECT_FALSE(vfio_cxl_bound(vfio_cxl_bdf));
	EXPECT_EQ(before - 1, claims());

	/* Bound again, the memory is nobody's. */
	ASSERT_TRUE(vfio_cxl_bind(vfio_cxl_bdf));
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, SZ_2M));
}

/* Guards: main.c vfio_cxl_driver, vfio_cxl_ops; the module's owner */
TEST_F(cxl, module_in_use)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);

	if (access("/sys/module/vfio_cxl_pci/refcnt", F_OK))
		SKIP(return, "the driver is built in");
	vfio_cxl_fill(p, SZ_2M, 113);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vfio_cxl_pci", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
	vfio_cxl_close(dev);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vfio_cxl_pci", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 113));
	munmap(p, SZ_2M);

	EXPECT_EQ(0, syscall(SYS_delete_module, "vfio_cxl_pci", O_NONBLOCK)) {
		TH_LOG("%s", strerror(errno));
	}
	EXPECT_EQ(0, claims());
	/* It finds the devices by their driver_override. */
	ASSERT_EQ(0, system("modprobe vfio-cxl-pci"));
	ASSERT_TRUE(wait_until(vfio_cxl_bound(vfio_cxl_bdf)));
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, SZ_2M, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, SZ_2M));
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
