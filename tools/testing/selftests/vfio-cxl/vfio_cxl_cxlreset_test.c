// SPDX-License-Identifier: GPL-2.0-only
/*
 * CXL Reset and cache write-back, by the guest's doorbells in the Device DVSEC
 * and by VFIO_DEVICE_RESET; and devices that fail in them, which an emulator
 * has to play.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#define VFIO_CXL_OWN_FIXTURE
#include "vfio_cxl_lib.h"

#define LEN		VFIO_CXL_TENANT

static __u16 dv_get(struct vfio_cxl_dev *dev, __u32 off)
{
	return vfio_cxl_xget(dev, &dev->cfg,
			     vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + off,
			     2);
}

static void dv_put(struct vfio_cxl_dev *dev, __u32 off, __u16 val)
{
	vfio_cxl_xput(dev, &dev->cfg,
		      vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + off, 2, val);
}

/* What Status2 says of a reset: nothing while it is in progress */
static __u16 reset_status(struct vfio_cxl_dev *dev)
{
	return dv_get(dev, DVSEC_STATUS2) &
	       (DVSEC_STATUS2_DONE | DVSEC_STATUS2_ERR);
}

/* What the guest gets to see of a reset that it asks for with @bits */
static __u16 guest_reset(struct vfio_cxl_dev *dev, __u16 bits)
{
	unsigned int i;

	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_RESET | bits);
	for (i = 0; i < 3000 && !reset_status(dev); i++)
		usleep(10000);
	return reset_status(dev);
}

static void expect_open(struct __test_metadata *_metadata,
			struct vfio_cxl_dev *dev, char *p)
{
	ASSERT_EQ(0, vfio_cxl_touch(p, true));
	vfio_cxl_fill(p, LEN, 91);
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 91));
}

/* Every test ends with the emulated device as it was. */
FIXTURE(reset) {
	struct vfio_cxl_dev dev;
	__u16 cap;
	__u32 before[VFIO_CXL_PAGE_SIZE / 4];
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, vfio_cxl_open(&self->dev, vfio_cxl_bdf));
	ASSERT_NE(0, self->dev.dpa.info.size);
	self->cap = dv_get(&self->dev, DVSEC_CAP);
	vfio_cxl_xhost_page(&self->dev, self->before);
	if (!(self->cap & DVSEC_CAP_RESET))
		SKIP(return, "device has no CXL Reset");
}

FIXTURE_TEARDOWN_PARENT(reset)
{
	if (!getenv("VFIO_CXL_EMULATED"))
		return;
	vfio_cxl_emulate("x-cxl-reset-fail", "off");
	vfio_cxl_emulate("x-mem-active-delay", "0");
	vfio_cxl_emulate("x-lose-decoder", "off");
}

/* The decoders, and all else in the page, are as at the start. */
static void expect_restored(struct __test_metadata *_metadata,
			    struct vfio_cxl_dev *dev, const __u32 *before)
{
	__u32 after[VFIO_CXL_PAGE_SIZE / 4], i;

	vfio_cxl_xhost_page(dev, after);
	for (i = dev->hdm / 4; i < (dev->hdm + 0x30) / 4; i++) {
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("HDM decoders at %#x", 4 * i - dev->hdm);
		}
	}
}

/*
 * Guards: config.c dvsec_write(); cxl_reset.c issue_cxl_reset(),
 * cxl_reset_work(); dvsec.c dvsec_ring()
 */
TEST_F(reset, guest_keeps_memory)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 81);

	EXPECT_FALSE(vfio_cxl_faults(p));
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	EXPECT_EQ(0, dv_get(dev, DVSEC_CTRL2));

	/* Zapped, and there again with its content, without a new mapping */
	EXPECT_TRUE(vfio_cxl_faults(p));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 81));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	EXPECT_EQ(0x7a, vfio_cxl_hdm_get(dev, HDM_BASE_HI(0)));
	expect_restored(_metadata, dev, self->before);
}

/* Guards: the same; %VFIO_CXL_DVSEC_MEM_CLR, %VFIO_CXL_RESET_CLEAR */
TEST_F(reset, guest_clears_memory)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 83);

	if (!(self->cap & DVSEC_CAP_MEM_CLR))
		SKIP(return, "device cannot clear its memory");
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, DVSEC_CTRL2_MEM_CLR));
	EXPECT_TRUE(vfio_cxl_zero(p, LEN));
	EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
	expect_restored(_metadata, dev, self->before);

	/* The reset takes the bit, so the next one keeps the memory. */
	vfio_cxl_fill(p, LEN, 84);
	EXPECT_EQ(0, dv_get(dev, DVSEC_CTRL2));
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 84));
}

/*
 * CONFIG_LOCK takes neither resets away nor Mem_Clr.
 *
 * Guards: dvsec.c dvsec_ring(), dvsec_regs[]
 */
TEST_F(reset, guest_in_spite_of_lock)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 84);

	dv_put(dev, DVSEC_LOCK, 1);
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	EXPECT_EQ(1, dv_get(dev, DVSEC_LOCK));
	if (!(self->cap & DVSEC_CAP_MEM_CLR))
		return;
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 84));
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, DVSEC_CTRL2_MEM_CLR));
	EXPECT_TRUE(vfio_cxl_zero(p, LEN));
}

/*
 * What CXL r4.0 Table 8-1 says of the registers: Mem_Enable and HDM Decoder
 * Enable go, a decoder that is not locked is uncommitted.
 *
 * Guards: dvsec.c vfio_cxl_dvsec_cxl_reset(); hdm.c vfio_cxl_hdm_cxl_reset()
 */
TEST_F(reset, guest_finds_registers_reset)
{
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	vfio_cxl_hdm_put(dev, HDM_GLOBAL, 2);
	dv_put(dev, DVSEC_CTRL, 4);
	ASSERT_NE(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_COMMITTED);
	ASSERT_EQ(4, dv_get(dev, DVSEC_CTRL) & 4);
	ASSERT_EQ(2, vfio_cxl_hdm_get(dev, HDM_GLOBAL) & 2);

	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_COMMITTED);
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_BASE_HI(0)));
	EXPECT_EQ(0, vfio_cxl_hdm_get(dev, HDM_GLOBAL) & 2);
	EXPECT_EQ(0, dv_get(dev, DVSEC_CTRL) & 4);
}

/*
 * The doorbell returns at once, the memory is out of reach from then on, and
 * the feature and its eventfd tell until when.
 *
 * Guards: cxl_reset.c vfio_cxl_cxl_reset_start(); gate.c gate_set(), gate_get()
 */
TEST_F(reset, doorbell_does_not_wait)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 86);
	int efd = eventfd(0, EFD_NONBLOCK);
	struct vfio_device_feature_cxl_mem mem;
	__u64 began, told, closures;
	struct pollfd pfd = { .fd = efd, .events = POLLIN };

	if (!vfio_cxl_emulate("x-mem-active-delay", "1500"))
		SKIP(return, "needs an emulated device");
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	EXPECT_EQ(0, mem.reasons);
	closures = mem.closures;
	ASSERT_EQ(0, vfio_cxl_mem_set(dev, efd));

	began = vfio_cxl_now_ms();
	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_RESET);
	EXPECT_GT(1000, vfio_cxl_now_ms() - began);
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	EXPECT_EQ(VFIO_CXL_MEM_RESET, mem.reasons);
	EXPECT_EQ(closures + 1, mem.closures);
	vfio_cxl_expect_closed(_metadata, dev, p);
	EXPECT_EQ(8, read(efd, &told, 8));

	EXPECT_EQ(1, poll(&pfd, 1, 60000));
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	EXPECT_EQ(0, mem.reasons);
	EXPECT_EQ(closures + 1, mem.closures);
	EXPECT_LE(1500, vfio_cxl_now_ms() - began);
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 86));
	close(efd);
}

/*
 * A guest that has seen the end of a CXL Reset goes on at once: what it writes to
 * config space is taken, and so is the next doorbell.
 *
 * Guards: cxl_reset.c cxl_reset_work(), own.lock
 */
TEST_F(reset, guest_goes_on_at_once)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE), status = 0;
	unsigned int turn, i;

	for (turn = 0; turn < 50; turn++) {
		vfio_cxl_xput(dev, &dev->cfg, dvsec + DVSEC_CTRL2, 2, DVSEC_CTRL2_RESET);
		for (i = 0; i < 10000000; i++) {
			status = vfio_cxl_xget(dev, &dev->cfg, dvsec + DVSEC_STATUS2, 2);
			if (status & (DVSEC_STATUS2_DONE | DVSEC_STATUS2_ERR))
				break;
		}
		vfio_cxl_xput(dev, &dev->cfg, PCI_INTERRUPT_LINE, 1, turn);
		ASSERT_EQ(DVSEC_STATUS2_DONE, status & (DVSEC_STATUS2_DONE | DVSEC_STATUS2_ERR)) {
			TH_LOG("turn %u", turn);
		}
		ASSERT_EQ(turn, vfio_cxl_xget(dev, &dev->cfg, PCI_INTERRUPT_LINE, 1));
	}
}

/* Guards: ctrl2.c vfio_cxl_write_back(), vfio_cxl_set_caching(); dvsec.c vfio_cxl_dvsec_done() */
TEST_F(reset, guest_writes_back)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 85);
	__u32 before, after;
	__u16 pos;

	if (!(self->cap & DVSEC_CAP_WBI))
		SKIP(return, "device has no cache write-back");
	pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + DVSEC_CTRL2;
	vfio_cxl_xhost_config(dev->bdf, &before, pos, 2);
	EXPECT_EQ(0, dv_get(dev, DVSEC_STATUS2) & DVSEC_STATUS2_INV);
	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_NO_CACHE);
	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_NO_CACHE | DVSEC_CTRL2_WBI);
	EXPECT_EQ(DVSEC_CTRL2_NO_CACHE, dv_get(dev, DVSEC_CTRL2));
	EXPECT_NE(0, dv_get(dev, DVSEC_STATUS2) & DVSEC_STATUS2_INV);
	/* It is the device's own cache that is off now. */
	vfio_cxl_xhost_config(dev->bdf, &after, pos, 2);
	EXPECT_EQ(DVSEC_CTRL2_NO_CACHE, (__u16)after);
	dv_put(dev, DVSEC_CTRL2, 0);
	EXPECT_EQ(0, dv_get(dev, DVSEC_STATUS2) & DVSEC_STATUS2_INV);

	vfio_cxl_xhost_config(dev->bdf, &after, pos, 2);
	EXPECT_EQ((__u16)before, (__u16)after);
	/* Caching goes on after a write-back that found it on. */
	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_WBI);
	vfio_cxl_xhost_config(dev->bdf, &after, pos, 2);
	EXPECT_EQ((__u16)before, (__u16)after);
	EXPECT_FALSE(vfio_cxl_faults(p));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 85));
}

/*
 * The write-back before a reset leaves the cache on or off, as the guest has it.
 *
 * Guards: ctrl2.c vfio_cxl_write_back(); reset.c vfio_cxl_reset_prepare()
 */
TEST_F(reset, flr_leaves_cache_as_it_was)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 before, after;
	__u16 pos;

	if (!(self->cap & DVSEC_CAP_WBI))
		SKIP(return, "device has no cache write-back");
	pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE) + DVSEC_CTRL2;
	vfio_cxl_xhost_config(dev->bdf, &before, pos, 2);
	ASSERT_EQ(0, before & DVSEC_CTRL2_NO_CACHE);
	ASSERT_TRUE(vfio_cxl_guest_flr(dev));
	vfio_cxl_xhost_config(dev->bdf, &after, pos, 2);
	EXPECT_EQ((__u16)before, (__u16)after);
	dv_put(dev, DVSEC_CTRL2, DVSEC_CTRL2_NO_CACHE);
	ASSERT_TRUE(vfio_cxl_guest_flr(dev));
	vfio_cxl_xhost_config(dev->bdf, &after, pos, 2);
	EXPECT_EQ((__u16)before | DVSEC_CTRL2_NO_CACHE, (__u16)after);
}

/* Guards: cxl_reset.c reset_over(), %VFIO_CXL_GATE_RESET_FAILED */
TEST_F(reset, failed_reset_leaves_it_closed)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 87);

	if (!vfio_cxl_emulate("x-cxl-reset-fail", "error"))
		SKIP(return, "needs an emulated device");
	EXPECT_EQ(DVSEC_STATUS2_ERR, guest_reset(dev, 0));
	vfio_cxl_expect_closed(_metadata, dev, p);
	EXPECT_EQ(-1, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(EIO, errno);
	vfio_cxl_expect_closed(_metadata, dev, p);

	ASSERT_TRUE(vfio_cxl_emulate("x-cxl-reset-fail", "off"));
	vfio_cxl_expect_closed(_metadata, dev, p);
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	expect_open(_metadata, dev, p);
	expect_restored(_metadata, dev, self->before);
}

/* Guards: ctrl2.c vfio_cxl_wait_status2(), the time that the device itself gives */
TEST_F(reset, reset_that_does_not_end)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 89);

	if (!vfio_cxl_emulate("x-cxl-reset-fail", "stuck"))
		SKIP(return, "needs an emulated device");
	EXPECT_EQ(-1, ioctl(dev->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(ETIMEDOUT, errno);
	vfio_cxl_expect_closed(_metadata, dev, p);
	ASSERT_TRUE(vfio_cxl_emulate("x-cxl-reset-fail", "off"));
	EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	expect_open(_metadata, dev, p);
}

/*
 * A tenant that left when the device could no longer be reset: the CPU clears.
 *
 * Guards: main.c clear_memory()
 */
TEST_F(reset, failed_reset_is_cleared_too)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 size = dev->dpa.info.size;
	char *p;

	if (!vfio_cxl_emulate("x-cxl-reset-fail", "error"))
		SKIP(return, "needs an emulated device");
	p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
	vfio_cxl_fill(p, size, 93);
	EXPECT_EQ(-1, ioctl(dev->fd, VFIO_DEVICE_RESET));
	munmap(p, size);
	vfio_cxl_close(dev);

	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	p = vfio_cxl_xmap_dpa(dev, 0, size, SZ_2M, 0);
	EXPECT_TRUE(vfio_cxl_zero(p, size));
	expect_open(_metadata, dev, p);
}

/* The last close has the device clear its memory. Guards: main.c clear_memory() */
TEST_F(reset, close_resets)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pos = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE), status;

	if (!(self->cap & DVSEC_CAP_MEM_CLR))
		SKIP(return, "device cannot clear its memory");
	/* This sets an error in the device, which another reset takes away */
	if (!vfio_cxl_emulate("x-cxl-reset-fail", "error"))
		SKIP(return, "needs an emulated device");
	EXPECT_EQ(DVSEC_STATUS2_ERR, guest_reset(dev, 0));
	ASSERT_TRUE(vfio_cxl_emulate("x-cxl-reset-fail", "off"));
	vfio_cxl_xhost_config(dev->bdf, &status, pos + DVSEC_STATUS2, 2);
	EXPECT_NE(0, status & DVSEC_STATUS2_ERR);
	vfio_cxl_close(dev);
	vfio_cxl_xhost_config(vfio_cxl_bdf, &status, pos + DVSEC_STATUS2, 2);
	EXPECT_EQ(DVSEC_STATUS2_DONE,
		  status & (DVSEC_STATUS2_DONE | DVSEC_STATUS2_ERR));
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
}

/* Guards: settle.c settle_work() */
TEST_F(reset, slow_memory_is_waited_for)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 95);

	if (!vfio_cxl_emulate("x-mem-active-delay", "800"))
		SKIP(return, "needs an emulated device");
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	vfio_cxl_expect_closed(_metadata, dev, p);
	EXPECT_EQ(0, vfio_cxl_mem_wait(dev));
	EXPECT_EQ(0, vfio_cxl_touch(p, false));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 95));
}

/*
 * A device that is put to sleep before its memory is active is asleep, and no
 * more: that its decoder cannot be read says nothing about it.
 *
 * Guards: settle.c settle_work(), vfio_cxl_is_asleep()
 */
TEST_F(reset, asleep_before_memory_is_active)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 pm = vfio_cxl_cap_pos(dev, PCI_CAP_ID_PM);
	struct vfio_device_feature_cxl_mem mem;
	char *p = vfio_cxl_xtenant(dev, 96);
	unsigned int i;

	if (!pm)
		SKIP(return, "device has no PM capability");
	if (!vfio_cxl_emulate("x-mem-active-delay", "800"))
		SKIP(return, "needs an emulated device");
	EXPECT_EQ(DVSEC_STATUS2_DONE, guest_reset(dev, 0));
	vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 3);
	ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	ASSERT_EQ(VFIO_CXL_MEM_SUSPENDED | VFIO_CXL_MEM_RESET, mem.reasons);
	for (i = 0; i < 3000 && mem.reasons & VFIO_CXL_MEM_RESET; i++) {
		usleep(10000);
		ASSERT_EQ(0, vfio_cxl_mem_get(dev, &mem));
	}
	EXPECT_EQ(VFIO_CXL_MEM_SUSPENDED, mem.reasons);
	vfio_cxl_expect_closed(_metadata, dev, p);
	vfio_cxl_xput(dev, &dev->cfg, pm + PCI_PM_CTRL, 2, 0);
	EXPECT_EQ(0, vfio_cxl_mem_wait(dev));
	EXPECT_TRUE(vfio_cxl_same(p, LEN, 96));
	expect_restored(_metadata, dev, self->before);
}

/* Guards: the same, settle_timed_out() */
TEST_F(reset, memory_that_is_too_slow)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 97);

	if (!vfio_cxl_emulate("x-mem-active-delay", "600000"))
		SKIP(return, "needs an emulated device");
	guest_reset(dev, 0);
	EXPECT_EQ(VFIO_CXL_MEM_NO_DECODER, vfio_cxl_mem_wait(dev));
	vfio_cxl_expect_closed(_metadata, dev, p);
	ASSERT_TRUE(vfio_cxl_emulate("x-mem-active-delay", "0"));
	EXPECT_EQ(0, ioctl(dev->fd, VFIO_DEVICE_RESET));
	expect_open(_metadata, dev, p);
}

/*
 * An FLR must not touch CXL.mem. From a device that does not know that, the
 * decoder is put back.
 *
 * Guards: state.c decoder_restore()
 */
TEST_F(reset, flr_that_loses_the_decoder)
{
	struct vfio_cxl_dev *dev = &self->dev;
	char *p = vfio_cxl_xtenant(dev, 99);
	unsigned int i;

	if (!vfio_cxl_emulate("x-lose-decoder", "on"))
		SKIP(return, "needs an emulated device");
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(vfio_cxl_guest_flr(dev));
		EXPECT_EQ(0, vfio_cxl_touch(p, false));
		EXPECT_TRUE(vfio_cxl_same(p, LEN, 99));
		EXPECT_EQ(HDM_CTRL_LOCKED, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_LOCKED);
		expect_restored(_metadata, dev, self->before);
	}
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
