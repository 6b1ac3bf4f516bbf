// SPDX-License-Identifier: GPL-2.0-only
/*
 * What "check" says of a host and of a device, from files to verdicts
 */
#include <string.h>

#include "fake.h"

#define DEVICE	"/sys/bus/pci/devices/" BDF
#define CONFIG	"/boot/config-7.3.4-fake"

struct world {
	struct host *host;
	struct device *device;
};

static struct world look(void)
{
	struct world w = { .host = host_collect() };

	w.host->root = true;
	w.device = device_collect(w.host, BDF, NULL);
	g_assert_nonnull(w.device);
	return w;
}

static void look_away(struct world w)
{
	device_free(w.device);
	host_free(w.host);
}

static enum verdict verdict(const char *name)
{
	struct world w = look();
	enum verdict v = verdict_on(w.host, w.device, name);

	look_away(w);
	return v;
}

/* Nothing is missing or unknown on a good host, bound or not. */
static void good(void)
{
	g_autoptr(GPtrArray) findings = findings_new();
	struct world w;
	unsigned int i;

	fake_host();
	fake_bound("unreachable, not open");
	w = look();
	judge_host(w.host, findings);
	judge_device(w.host, w.device, findings);
	for (i = 0; i < findings->len; i++) {
		const struct finding *f = findings->pdata[i];

		if (f->verdict != MET)
			g_error("%s: %s", f->name, f->found);
	}
	g_assert_cmpuint(findings->len, ==, 18);
	g_assert_null(first_missing(findings));
	look_away(w);
}

/* One file is another one, or is gone: one verdict changes, and says what it found. */
static const struct {
	const char *path, *content, *name;
	enum verdict verdict;
	const char *found;
} broken[] = {
	{ "/proc/sys/kernel/osrelease", "7.2.9\n", "kernel", MISSING, "7.2.9" },
	{ "/proc/sys/kernel/osrelease", "8.0.0-rc1\n", "kernel", MET, "8.0.0-rc1" },
	{ "/proc/sys/kernel/osrelease", "unreadable\n", "kernel", MISSING, "unreadable" },
	{ CONFIG, NULL, "configuration", UNSURE, "no configuration" },
	{ CONFIG, "CONFIG_VFIO=m\n", "configuration", MISSING, "CONFIG_CXL_ACPI CONFIG_CXL_MEM" },
	{ CONFIG, "CONFIG_VFIO_IOMMU_TYPE1=m\n", "dma", LIMITED, "type1 only" },
	{ CONFIG, "CONFIG_VFIO_DEVICE_CDEV=y\n", "dma", LIMITED, "without dma-bufs" },
	{ "/lib/modules/7.3.4-fake/modules.dep", "kernel/vfio.ko:\n", "module", MISSING,
	  "not installed" },
	{ "/sys/class/iommu/dmar0", NULL, "iommu", MISSING, "0 IOMMUs" },
	{ "/proc/interrupts", " 24: 0 PCI-MSI 0-edge\n", "interrupt-remapping", MISSING, "off" },
	{ "/proc/interrupts", NULL, "interrupt-remapping", UNSURE, "" },
	{ "/dev/kvm", NULL, "kvm-memory", LIMITED, "emulated" },
	{ "/proc/cpuinfo", "vendor_id\t: GenuineIntel\naddress sizes : 46 bits\n", "kvm-memory",
	  LIMITED, "uncached" },
	{ "/proc/cpuinfo", "vendor_id\t: AuthenticAMD\naddress sizes : 35 bits\n", "address-bits",
	  LIMITED, "35; 36 are enough" },
	{ "/proc/cpuinfo", "vendor_id\t: AuthenticAMD\n", "address-bits", UNSURE, "" },
	{ DEVICE "/class", "0x050210\n", "accelerator", MISSING, "Type 3" },
	{ DEVICE "/class", "0x060400\n", "accelerator", MISSING, "bridge" },
	{ DEVICE "/reset_method", "\n", "reset", UNSURE, "knows none" },
	{ DEVICE "/iommu_group", NULL, "group", MISSING, "no IOMMU group" },
	{ "/proc/iomem", " 190000000-19fffffff : dax0.0\n", "range", UNSURE, "not known" },
};

static void remove_tree_entry(const char *path)
{
	if (!strcmp(path, "/sys/class/iommu/dmar0"))
		fake_delete("/sys/class/iommu/dmar0/type");
	fake_delete(path);
}

static void one_broken(const void *data)
{
	unsigned int i = GPOINTER_TO_UINT(data);

	fake_host();
	if (!strcmp(broken[i].name, "range"))
		fake_no_endpoint = true;
	if (broken[i].content)
		fake_file(broken[i].path, broken[i].content);
	else
		remove_tree_entry(broken[i].path);
	g_assert_cmpint(verdict(broken[i].name), ==, broken[i].verdict);
	g_assert_nonnull(strstr(verdict_found, broken[i].found));
}

static void no_iommufd(void)
{
	fake_host();
	fake_file(CONFIG, "CONFIG_VFIO_IOMMU_TYPE1=m\n");
	fake_delete("/dev/iommu");
	g_assert_cmpint(verdict("dma"), ==, LIMITED);
	g_assert_nonnull(strstr(verdict_found, "refuses"));
	fake_file("/sys/module/vfio_cxl_pci/parameters/unsafe_type1_dma", "Y\n");
	g_assert_cmpint(verdict("dma"), ==, LIMITED);
	g_assert_nonnull(strstr(verdict_found, "outlive"));
	fake_file(CONFIG, "CONFIG_VFIO=m\n");
	g_assert_cmpint(verdict("dma"), ==, MISSING);
}

static void intel(void)
{
	fake_host();
	fake_file("/proc/cpuinfo", "vendor_id\t: GenuineIntel\naddress sizes : 46 bits\n");
	fake_file(CONFIG, "CONFIG_DEVICE_PRIVATE=y\n");
	g_assert_cmpint(verdict("kvm-memory"), ==, MET);
	fake_file("/sys/module/vfio_cxl_pci/parameters/struct_pages", "off\n");
	g_assert_cmpint(verdict("kvm-memory"), ==, LIMITED);
	g_assert_nonnull(strstr(verdict_found, "struct_pages=off"));
	fake_file("/sys/module/vfio_cxl_pci/parameters/struct_pages", "auto\n");
	g_assert_cmpint(verdict("kvm-memory"), ==, MET);
	fake_file(CONFIG, "CONFIG_VFIO=m\n");
	g_assert_cmpint(verdict("kvm-memory"), ==, LIMITED);
	fake_delete(CONFIG);
	g_assert_cmpint(verdict("kvm-memory"), ==, UNSURE);
}

static void window(void)
{
	fake_host();
	fake_ways = 2;
	g_assert_cmpint(verdict("window"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "interleaves 2"));
	fake_ways = 1;
	fake_unreadable = true;
	g_assert_cmpint(verdict("window"), ==, UNSURE);
	fake_no_root = true;
	g_assert_cmpint(verdict("cxl-core"), ==, MISSING);
	g_assert_cmpint(verdict("window"), ==, UNSURE);
}

static void decoders(void)
{
	fake_host();
	g_assert_cmpint(verdict("decoders"), ==, MET);
	fake_no_bridge = true;
	g_assert_cmpint(verdict("decoders"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "pci0000:0c"));
	fake_no_bridge = false;
	fake_unreadable = true;
	g_assert_cmpint(verdict("decoders"), ==, UNSURE);
	fake_no_endpoint = true;
	g_assert_cmpint(verdict("decoders"), ==, UNSURE);
	fake_file("/sys/kernel/debug/vfio-cxl-pci/" BDF, "firmware committed: no\n");
	g_assert_cmpint(verdict("decoders"), ==, MISSING);
}

static void range_has_an_owner(void)
{
	fake_host();
	g_assert_cmpint(verdict("range"), ==, MET);
	fake_file("/proc/iomem", " 190000000-58fffffff : CXL Window 0\n"
		  "  190000000-19fffffff : Soft Reserved\n   190000000-19fffffff : hmem.0\n");
	g_assert_cmpint(verdict("range"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "hmem.0"));
	/* Ends where the device's memory begins, begins where that ends */
	fake_file("/proc/iomem", "180000000-18fffffff : dax0.0\n1a0000000-1afffffff : dax1.0\n");
	g_assert_cmpint(verdict("range"), ==, MET);
	fake_file("/proc/iomem", "180000000-190000000 : dax0.0\n");
	g_assert_cmpint(verdict("range"), ==, MISSING);
	fake_file("/proc/iomem", "00000000-00000000 : dax0.0\n");
	g_assert_cmpint(verdict("range"), ==, UNSURE);
	fake_bound("unreachable, not open");
	g_assert_cmpint(verdict("range"), ==, MET);
}

static void group_is_shared(void)
{
	const char *other = "/sys/bus/pci/devices/0000:0d:00.1";

	fake_host();
	fake_file("/sys/kernel/iommu_groups/5/devices/0000:0d:00.1", "");
	fake_file("/sys/bus/pci/devices/0000:0d:00.1/class", "0x020000\n");
	g_assert_cmpint(verdict("group"), ==, MET);
	fake_link("/sys/bus/pci/devices/0000:0d:00.1/driver", "../../drivers/e1000e");
	g_assert_cmpint(verdict("group"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, other + strlen("/sys/bus/pci/devices/")));
	fake_link("/sys/bus/pci/devices/0000:0d:00.1/driver", "../../drivers/vfio-pci");
	g_assert_cmpint(verdict("group"), ==, MET);
	fake_link("/sys/bus/pci/devices/0000:0d:00.1/driver", "../../drivers/pcieport");
	fake_file("/sys/bus/pci/devices/0000:0d:00.1/class", "0x060400\n");
	g_assert_cmpint(verdict("group"), ==, MET);
}

static void driver_and_memory(void)
{
	fake_host();
	g_assert_cmpint(verdict("driver"), ==, UNSURE);
	fake_bound("reachable");
	g_assert_cmpint(verdict("driver"), ==, MET);
	g_assert_cmpint(verdict("memory"), ==, MET);
	fake_bound("unreachable, in reset, no decoder");
	g_assert_cmpint(verdict("memory"), ==, MISSING);
	g_assert_cmpstr(verdict_found, ==, "closed: in reset, no decoder");
	fake_delete("/sys/kernel/debug/vfio-cxl-pci/" BDF);
	g_assert_cmpint(verdict("memory"), ==, UNSURE);
	fake_link(DEVICE "/driver", "../../drivers/nvidia");
	g_assert_cmpint(verdict("driver"), ==, MISSING);
}

/* What config space says of an accelerator, and what it says to others than root */
static void accelerator(void)
{
	fake_host();
	g_assert_cmpint(verdict("accelerator"), ==, MET);
	fake_config(0x1b, true, 4096);
	g_assert_cmpint(verdict("accelerator"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "without CXL.mem"));
	fake_config(0x1f, false, 4096);
	g_assert_cmpint(verdict("accelerator"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "plain PCI Express"));
	fake_config(0x1f, true, 256);
	g_assert_cmpint(verdict("accelerator"), ==, MISSING);
	g_assert_nonnull(strstr(verdict_found, "no Device DVSEC"));
	fake_config(0x1f, true, 64);
	g_assert_cmpint(verdict("accelerator"), ==, UNSURE);
	fake_bound("reachable");
	g_assert_cmpint(verdict("accelerator"), ==, MET);
}

static void config_space_that_lies(void)
{
	uint8_t config[4096] = { 0 };
	struct dvsec dvsec;
	unsigned int i;

	/* A list that points to itself, or to where no capability fits */
	config[0x100] = 0x23;
	config[0x103] = 0x10;
	dvsec_parse(config, sizeof(config), &dvsec);
	g_assert_cmpint(dvsec.device, ==, NO);
	config[0x102] = 0xf0;
	config[0x103] = 0xff;
	dvsec_parse(config, sizeof(config), &dvsec);
	g_assert_cmpint(dvsec.device, ==, NO);
	memset(config, 0xff, sizeof(config));
	for (i = 0; i <= sizeof(config); i += 4)
		dvsec_parse(config, i, &dvsec);
	g_assert_cmpint(dvsec.device, ==, NO);
	dvsec_parse(NULL, 0, &dvsec);
	g_assert_cmpint(dvsec.device, ==, UNKNOWN);
}

static void facts(void)
{
	struct world w;

	fake_host();
	fake_bound("unreachable, in reset");
	fake_file("/proc/77/comm", "qemu\n");
	fake_link("/proc/77/fd/9", "anon_inode:[vfio-device]");
	fake_file("/proc/77/fdinfo/9", "vfio-device-syspath: /sys/devices/" BDF "\n");
	fake_link("/proc/78/fd/3", "anon_inode:[vfio-device]");
	fake_file("/proc/78/fdinfo/3", "vfio-device-syspath: /sys/devices/0000:0e:00.0\n");
	fake_link("/proc/79/fd/3", "/dev/vfio/5");
	w = look();
	g_assert_cmpuint(w.device->vendor, ==, 0x1b36);
	g_assert_cmpint(w.device->node, ==, 1);
	g_assert_cmpstr(w.device->group, ==, "5");
	g_assert_null(w.device->override);
	g_assert_cmpuint(w.device->dvsec.size, ==, SIZE);
	g_assert_true(w.device->dvsec.mem_active);
	g_assert_cmpuint(w.device->gate.base, ==, BASE);
	g_assert_cmpuint(w.device->gate.closures, ==, 3);
	g_assert_cmpstr(w.device->gate.reasons, ==, "in reset");
	g_assert_true(w.device->gate.pages);
	g_assert_cmpuint(w.device->users->len, ==, 2);
	g_assert_cmpint(((struct user *)w.device->users->pdata[0])->pid, ==, 77);
	g_assert_cmpstr(((struct user *)w.device->users->pdata[0])->name, ==, "qemu");
	g_assert_cmpint(((struct user *)w.device->users->pdata[1])->pid, ==, 79);
	g_assert_cmpuint(w.device->path->len, ==, 3);
	look_away(w);
}

int main(int argc, char **argv)
{
	unsigned int i;
	int status;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/judge/good", good);
	for (i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autofree char *name = g_strdup_printf("/judge/%s/%u", broken[i].name, i);

		g_test_add_data_func(name, GUINT_TO_POINTER(i), one_broken);
	}
	g_test_add_func("/judge/no-iommufd", no_iommufd);
	g_test_add_func("/judge/intel", intel);
	g_test_add_func("/judge/window", window);
	g_test_add_func("/judge/decoders", decoders);
	g_test_add_func("/judge/range-has-an-owner", range_has_an_owner);
	g_test_add_func("/judge/group-is-shared", group_is_shared);
	g_test_add_func("/judge/driver-and-memory", driver_and_memory);
	g_test_add_func("/judge/accelerator", accelerator);
	g_test_add_func("/judge/config-space-that-lies", config_space_that_lies);
	g_test_add_func("/judge/facts", facts);
	status = g_test_run();
	fake_remove();
	return status;
}
