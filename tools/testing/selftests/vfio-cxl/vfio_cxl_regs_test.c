// SPDX-License-Identifier: GPL-2.0-only
/*
 * The component register page as a region and in its BAR: which accesses it
 * takes, that both views are one, and that neither shows or changes what
 * firmware programmed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "vfio_cxl_lib.h"

#define PAGE_WORDS	(VFIO_CXL_PAGE_SIZE / 4)

/*
 * Guards: comp_regs.c vfio_cxl_comp_regs_user(), the test of count and offset
 */
TEST_F(cxl, widths)
{
	struct vfio_cxl_dev *dev = &self->dev;
	static const size_t bad[] = { 1, 2, 3, 5, 6, 7, 9, 12, 16, 64, 4096 };
	unsigned int i, off;
	__u8 buf[4096];
	int rc;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (off = 0; off < 256; off += bad[i]) {
			memset(buf, 0xa5, sizeof(buf));
			EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->regs, off,
							 buf, bad[i]));
			EXPECT_EQ(0xa5, buf[0]);
			EXPECT_EQ(-EINVAL, vfio_cxl_write(dev, &dev->regs, off,
							  buf, bad[i]));
		}
	}
	for (off = 0; off < 64; off++) {
		rc = off % 4 ? -EINVAL : 4;
		EXPECT_EQ(rc, vfio_cxl_read(dev, &dev->regs, off, buf, 4));
		EXPECT_EQ(rc, vfio_cxl_read(dev, &dev->bar, dev->page + off,
					    buf, 4));
		rc = off % 8 ? -EINVAL : 8;
		EXPECT_EQ(rc, vfio_cxl_read(dev, &dev->regs, off, buf, 8));
		EXPECT_EQ(rc, vfio_cxl_read(dev, &dev->bar, dev->page + off,
					    buf, 8));
	}
	EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->bar, dev->page, buf, 2));
}

/*
 * Guards: comp_regs.c vfio_cxl_comp_regs_rw(), vfio_cxl_comp_regs_user(), the end
 * of the page
 */
TEST_F(cxl, past_the_end)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 off[] = { 4096, 4100, 8192, 1ULL << 32, (1ULL << 40) - 8 };
	__u64 val = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->regs, off[i], &val,
						 4));
		EXPECT_EQ(-EINVAL, vfio_cxl_write(dev, &dev->regs, off[i], &val,
						  4));
	}
	EXPECT_EQ(4, vfio_cxl_read(dev, &dev->regs, 4092, &val, 4));
	EXPECT_EQ(8, vfio_cxl_read(dev, &dev->regs, 4088, &val, 8));
	EXPECT_EQ(-EINVAL, vfio_cxl_read(dev, &dev->regs, 4092, &val, 8));
}

/* Guards: comp_regs.c comp_regs_one(), CR_CAP_ARRAY; probe.c find_comp_regs() */
TEST_F(cxl, cap_array_read_only)
{
	__u32 hw[PAGE_WORDS], now[PAGE_WORDS], i, nr;
	struct vfio_cxl_dev *dev = &self->dev;

	vfio_cxl_xhost_page(dev, hw);
	nr = (hw[0] >> 24) + 1;
	ASSERT_LE(2, nr);
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(hw[i], vfio_cxl_xget(dev, &dev->regs, 4 * i, 4));
		vfio_cxl_xput(dev, &dev->regs, 4 * i, 4, ~hw[i]);
		vfio_cxl_xput(dev, &dev->bar, dev->page + 4 * i, 4, ~hw[i]);
		EXPECT_EQ(hw[i], vfio_cxl_xget(dev, &dev->regs, 4 * i, 4));
	}
	vfio_cxl_xhost_page(dev, now);
	EXPECT_EQ(0, memcmp(hw, now, sizeof(hw)));
}

/* Guards: comp_bar.c vfio_cxl_bar_rw(); comp_regs.c comp_regs_access() */
TEST_F(cxl, views_are_one)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 off;
	__u64 val;

	vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, HDM_CTRL_COMMIT);
	for (off = 0; off < VFIO_CXL_PAGE_SIZE; off += 4) {
		val = vfio_cxl_xget(dev, &dev->regs, off, 4);
		EXPECT_EQ(val, vfio_cxl_xget(dev, &dev->bar, dev->page + off,
					     4)) TH_LOG("at %#x", off);
		if (off % 8)
			continue;
		val |= vfio_cxl_xget(dev, &dev->regs, off + 4, 4) << 32;
		EXPECT_EQ(val, vfio_cxl_xget(dev, &dev->regs, off, 8)) {
			TH_LOG("at %#x", off);
		}
		EXPECT_EQ(val, vfio_cxl_xget(dev, &dev->bar, dev->page + off,
					     8)) TH_LOG("at %#x", off);
	}
}

/* Guards: comp_bar.c vfio_cxl_bar_rw(); comp_regs.c comp_regs_hdm(): one state */
TEST_F(cxl, writes_are_seen_in_both_views)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u64 at = dev->page + dev->hdm;

	vfio_cxl_xput(dev, &dev->bar, at + HDM_BASE_LO(0), 4, 0x50000000);
	EXPECT_EQ(0x50000000, vfio_cxl_hdm_get(dev, HDM_BASE_LO(0)));
	vfio_cxl_hdm_put(dev, HDM_BASE_HI(0), 0x7a);
	EXPECT_EQ(0x7a, vfio_cxl_xget(dev, &dev->bar, at + HDM_BASE_HI(0), 4));
	vfio_cxl_xput(dev, &dev->bar, at + HDM_CTRL(0), 4, HDM_CTRL_COMMIT);
	EXPECT_NE(0, vfio_cxl_hdm_get(dev, HDM_CTRL(0)) & HDM_CTRL_COMMITTED);
	vfio_cxl_hdm_put(dev, HDM_CTRL(0), 0);

	/* In one piece: BASE lies on a multiple of 8 if the structure does */
	if ((dev->hdm + HDM_BASE_LO(0)) % 8)
		return;
	vfio_cxl_xput(dev, &dev->bar, at + HDM_BASE_LO(0), 8, VFIO_CXL_GPA + SZ_256M);
	EXPECT_EQ(VFIO_CXL_GPA + SZ_256M,
		  vfio_cxl_xget(dev, &dev->regs, dev->hdm + HDM_BASE_LO(0), 8));
}

/*
 * Whether @want, or the page it is in, stands somewhere in @buf: with its high
 * half after the low one, as in decoders, or before, as in DVSECs.
 */
static long find_hpa(const __u8 *buf, size_t len, __u64 want)
{
	__u32 a, b;
	size_t i;

	for (i = 0; i + 8 <= len; i += 4) {
		memcpy(&a, buf + i, 4);
		memcpy(&b, buf + i + 4, 4);
		if (((__u64)b << 32 | (a & 0xf0000000)) == want ||
		    ((__u64)a << 32 | (b & 0xf0000000)) == want)
			return i;
	}
	return -1;
}

/* Everything that the user can read of the device's registers */
static void read_all(struct vfio_cxl_dev *dev, __u8 *regs4, __u8 *regs8,
		     __u8 *bar, __u8 *cfg)
{
	__u64 val;
	__u32 i;

	for (i = 0; i < VFIO_CXL_PAGE_SIZE; i += 4) {
		val = vfio_cxl_xget(dev, &dev->regs, i, 4);
		memcpy(regs4 + i, &val, 4);
		val = vfio_cxl_xget(dev, &dev->bar, dev->page + i, 4);
		memcpy(bar + i, &val, 4);
		val = vfio_cxl_xget(dev, &dev->regs, i & ~7, 8);
		memcpy(regs8 + (i & ~7), &val, 8);
	}
	for (i = 0; i < dev->cfg.info.size; i += 4) {
		val = vfio_cxl_xget(dev, &dev->cfg, i, 4);
		memcpy(cfg + i, &val, 4);
	}
}

/* Whether the CXL core has a region there as well */
static bool region_at(__u64 hpa)
{
	DIR *dir = opendir("/sys/bus/cxl/devices");
	unsigned long long res;
	bool found = false;
	struct dirent *e;
	char path[300];
	FILE *f;

	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/cxl/devices/%s/resource",
			 e->d_name);
		if (strncmp(e->d_name, "region", 6))
			continue;
		f = fopen(path, "r");
		if (f && fscanf(f, "%llx", &res) == 1)
			found |= res == hpa;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * The host address is also planted in the physical ranges of the Device DVSEC.
 *
 * Guards: comp_regs.c comp_regs_kind(), CR_HDM; config.c cfg_kind(),
 * CFG_DVSEC; dvsec.c dvsec_regs[]
 */
TEST_F(cxl, hpa_nowhere)
{
	static __u8 regs4[4096], regs8[4096], bar[4096], cfg[4096];
	__u32 hw[PAGE_WORDS], ctrl[] = { 0, HDM_CTRL_COMMIT }, i, planted;
	struct vfio_cxl_dev *dev = &self->dev;
	__u16 dvsec = vfio_cxl_dvsec(dev, PCI_DVSEC_CXL_DEVICE);
	static const __u8 zero[16];
	__u32 old[8], lie[8];
	__u64 hpa;
	int fd;

	vfio_cxl_xhost_page(dev, hw);
	hpa = vfio_cxl_hpa(hw, dev->hdm);
	ASSERT_NE(0, hpa);
	ASSERT_TRUE(region_at(hpa)) TH_LOG("no region at %#llx", hpa);
	/* The search finds it where it is. */
	ASSERT_EQ(dev->hdm + HDM_BASE_LO(0),
		  find_hpa((__u8 *)hw, sizeof(hw), hpa));

	vfio_cxl_xhost_config(dev->bdf, old, dvsec + DVSEC_RANGE1_SIZE_HI, 32);
	memcpy(lie, old, sizeof(old));
	lie[2] = hpa >> 32;
	lie[3] = hpa;
	lie[6] = hpa >> 32;
	lie[7] = hpa;
	fd = vfio_cxl_xhost_open(dev->bdf, "config", O_RDWR);
	pwrite(fd, lie, 32, dvsec + DVSEC_RANGE1_SIZE_HI);
	vfio_cxl_xhost_config(dev->bdf, lie, dvsec + DVSEC_RANGE1_SIZE_HI, 32);
	planted = find_hpa((__u8 *)lie, 32, hpa) >= 0;
	TH_LOG("HPA %#llx %splanted in the Device DVSEC", hpa,
	       planted ? "" : "not ");

	for (i = 0; i < ARRAY_SIZE(ctrl); i++) {
		vfio_cxl_hdm_program(dev, VFIO_CXL_GPA, ctrl[i]);
		read_all(dev, regs4, regs8, bar, cfg);
		EXPECT_EQ(-1, find_hpa(regs4, sizeof(regs4), hpa));
		EXPECT_EQ(-1, find_hpa(regs8, sizeof(regs8), hpa));
		EXPECT_EQ(-1, find_hpa(bar, sizeof(bar), hpa));
		EXPECT_EQ(-1, find_hpa(cfg, sizeof(cfg), hpa));
		/* While what was put there instead is found. */
		EXPECT_EQ(dev->hdm + HDM_BASE_LO(0),
			  find_hpa(regs4, sizeof(regs4), VFIO_CXL_GPA));
	}
	/* A fresh shadow does not take it over either, not even half of it. */
	vfio_cxl_close(dev);
	ASSERT_EQ(0, vfio_cxl_open(dev, vfio_cxl_bdf));
	read_all(dev, regs4, regs8, bar, cfg);
	EXPECT_EQ(-1, find_hpa(regs4, sizeof(regs4), hpa));
	EXPECT_EQ(-1, find_hpa(cfg, sizeof(cfg), hpa));
	EXPECT_EQ(0, memcmp(cfg + dvsec + DVSEC_RANGE1_BASE_HI, zero, 8));
	EXPECT_EQ(0, memcmp(cfg + dvsec + DVSEC_RANGE2, zero, 16));
	EXPECT_EQ(0, memcmp(regs4 + dev->hdm + HDM_BASE_LO(0), zero, 8));

	pwrite(fd, old, 32, dvsec + DVSEC_RANGE1_SIZE_HI);
	close(fd);
}

/* Each offset of the page, in each width, at once and in pieces */
static void scribble(struct vfio_cxl_dev *dev, __u32 ras)
{
	__u64 seed = 0x1e98, val;
	__u32 off, len, end;

	for (off = 0; off < VFIO_CXL_PAGE_SIZE; off++) {
		for (len = 1; len <= 8 && off + len <= VFIO_CXL_PAGE_SIZE;
		     len++) {
			end = off + len;
			val = vfio_cxl_rand(&seed);
			/* RAS is the guest's own, and gets zeros here. */
			if (ras && end > ras && off < ras + CM_CAP_RAS_LEN)
				val = 0;
			vfio_cxl_write(dev, &dev->regs, off, &val, len);
			vfio_cxl_write(dev, &dev->bar, dev->page + off, &val,
				       len);
		}
	}
}

static void expect_same_page(struct __test_metadata *_metadata, __u32 ras,
			     const __u32 *before, const __u32 *after)
{
	__u32 i;

	for (i = 0; i < PAGE_WORDS; i++) {
		if (ras && 4 * i >= ras && 4 * i < ras + CM_CAP_RAS_LEN)
			continue;
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("at %#x", 4 * i);
		}
	}
}

/*
 * Write everything everywhere, and find the physical page as it was: as the
 * host's kernel sees it, and as the emulator does that is the hardware.
 *
 * Guards: comp_regs.c comp_regs_one(), CR_HDM and CR_OTHER
 */
TEST_F_TIMEOUT(cxl, writes_reach_no_hardware, 120)
{
	static __u32 before[PAGE_WORDS], after[PAGE_WORDS], deep[PAGE_WORDS];
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 ras = vfio_cxl_cm_cap(dev, CM_CAP_RAS), i;
	bool emulated;
	char *p;

	p = vfio_cxl_mmap(dev, &dev->dpa, 0, SZ_2M);
	vfio_cxl_fill(p, SZ_2M, 21);
	vfio_cxl_xhost_page(dev, before);
	emulated = vfio_cxl_emulator_page(dev, deep);
	if (emulated)
		expect_same_page(_metadata, 0, before, deep);

	scribble(dev, ras);

	vfio_cxl_xhost_page(dev, after);
	expect_same_page(_metadata, ras, before, after);
	if (emulated) {
		ASSERT_TRUE(vfio_cxl_emulator_page(dev, after));
		expect_same_page(_metadata, ras, deep, after);
	}
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 21));
	munmap(p, SZ_2M);
	p = vfio_cxl_mmap(dev, &dev->dpa, 0, SZ_2M);
	EXPECT_TRUE(vfio_cxl_same(p, SZ_2M, 21));

	/* Masks and severities are the device's: as they were */
	for (i = 0; ras && i < CM_CAP_RAS_LEN; i += 4)
		vfio_cxl_xput(dev, &dev->regs, ras + i, 4,
			      before[(ras + i) / 4]);
}

/* Guards: comp_regs.c comp_regs_one(), CR_RAS: this one does reach hardware */
TEST_F(cxl, ras_passes_through)
{
	__u32 hw[PAGE_WORDS], ras, mask, i;
	struct vfio_cxl_dev *dev = &self->dev;

	ras = vfio_cxl_cm_cap(dev, CM_CAP_RAS);
	if (!ras)
		SKIP(return, "device has no RAS capability");
	vfio_cxl_xhost_page(dev, hw);
	for (i = 0; i < CM_CAP_RAS_LEN; i += 4)
		EXPECT_EQ(hw[(ras + i) / 4],
			  vfio_cxl_xget(dev, &dev->regs, ras + i, 4));

	/* Correctable Error Mask, CXL r4.0 sec 8.2.4.17.5 */
	mask = hw[(ras + 0x10) / 4];
	vfio_cxl_xput(dev, &dev->regs, ras + 0x10, 4, mask ^ 1);
	vfio_cxl_xhost_page(dev, hw);
	EXPECT_EQ(mask ^ 1, hw[(ras + 0x10) / 4]);
	EXPECT_EQ(mask ^ 1, vfio_cxl_xget(dev, &dev->bar,
					  dev->page + ras + 0x10, 4));
	vfio_cxl_xput(dev, &dev->regs, ras + 0x10, 4, mask);
}

/* Have the emulated device find an error, with @log in its header log */
static bool find_error(const char *type, __u32 log)
{
	static const char json[] =
		"{'path': '/machine/peripheral/%s', 'errors': [{'type': '%s', 'header': [%u]}]}";
	char arguments[256], *answer;

	snprintf(arguments, sizeof(arguments), json,
		 getenv("VFIO_CXL_EMULATED"), type, log);
	answer = vfio_cxl_qmp("cxl-inject-uncorrectable-errors", arguments);
	free(answer);
	return answer;
}

/*
 * Errors of the memory are recorded by the device, seen by the tenant, and
 * cleared by it (CXL r4.0 sec 8.2.4.17.1, .4 and .7).
 *
 * Guards: comp_regs.c comp_regs_one(), CR_RAS, in both directions
 */
TEST_F(cxl, ras_shows_errors)
{
	struct vfio_cxl_dev *dev = &self->dev;
	__u32 page[PAGE_WORDS], ras, mask;

	ras = vfio_cxl_cm_cap(dev, CM_CAP_RAS);
	if (!ras || !getenv("VFIO_CXL_EMULATED"))
		SKIP(return, "needs an emulated device");
	mask = vfio_cxl_xget(dev, &dev->regs, ras + RAS_UNC_MASK, 4);
	vfio_cxl_xput(dev, &dev->regs, ras + RAS_UNC_MASK, 4,
		      mask & ~(RAS_MEM_DATA_ECC | RAS_IDE_RX));
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->regs, ras + RAS_UNC_STATUS, 4));

	ASSERT_TRUE(find_error("mem-data-ecc", 0x12345678));
	ASSERT_TRUE(find_error("cxl-ide-rx", 2));

	EXPECT_EQ(RAS_MEM_DATA_ECC | RAS_IDE_RX,
		  vfio_cxl_xget(dev, &dev->regs, ras + RAS_UNC_STATUS, 4));
	EXPECT_EQ(RAS_MEM_DATA_ECC | RAS_IDE_RX,
		  vfio_cxl_xget(dev, &dev->bar,
				dev->page + ras + RAS_UNC_STATUS, 4));
	/* The header of a CXL.mem request holds a host address. */
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->regs, ras + RAS_HEADER_LOG, 4));
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->bar,
				   dev->page + ras + RAS_HEADER_LOG, 8));
	vfio_cxl_xhost_page(dev, page);
	EXPECT_EQ(0x12345678, page[(ras + RAS_HEADER_LOG) / 4]);
	vfio_cxl_xput(dev, &dev->regs, ras + RAS_UNC_STATUS, 4,
		      RAS_MEM_DATA_ECC);
	EXPECT_EQ(RAS_IDE_RX,
		  vfio_cxl_xget(dev, &dev->regs, ras + RAS_UNC_STATUS, 4));
	vfio_cxl_xput(dev, &dev->bar, dev->page + ras + RAS_UNC_STATUS, 4,
		      RAS_IDE_RX);
	EXPECT_EQ(0, vfio_cxl_xget(dev, &dev->regs, ras + RAS_UNC_STATUS, 4));
	vfio_cxl_xput(dev, &dev->regs, ras + RAS_UNC_MASK, 4, mask);
}

int main(int argc, char **argv)
{
	vfio_cxl_args(argc, argv);
	return test_harness_run(argc, argv);
}
