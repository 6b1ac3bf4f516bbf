// SPDX-License-Identifier: GPL-2.0-only
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "fake.h"
#include "sysfs.h"

#define RELEASE	"7.3.4-fake"
#define DEVICE	"/sys/bus/pci/devices/" BDF

bool fake_no_root, fake_no_endpoint, fake_no_bridge, fake_unreadable, fake_fails;
unsigned int fake_ways;
GString *fake_ran;
char *verdict_found;

static bool run_fake(const char * const *argv, GError **error)
{
	g_autofree char *driver = sys_path(DEVICE "/driver");

	/* Whatever it is asked for */
	if (!strcmp(*argv, "driverctl"))
		unlink(driver);
	for (; *argv; argv++)
		g_string_append_printf(fake_ran, "%s%s", *argv, argv[1] ? " " : "\n");
	if (fake_fails)
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "it failed");
	return !fake_fails;
}

void fake_file(const char *path, const char *content)
{
	g_autofree char *full = sys_path("%s", path);
	g_autofree char *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	g_assert_true(g_file_set_contents(full, content, -1, NULL));
}

void fake_link(const char *path, const char *target)
{
	g_autofree char *full = sys_path("%s", path);
	g_autofree char *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	unlink(full);
	g_assert_cmpint(symlink(target, full), ==, 0);
}

void fake_delete(const char *path)
{
	g_autofree char *full = sys_path("%s", path);

	g_assert_cmpint(g_remove(full), ==, 0);
}

char *fake_read(const char *path)
{
	g_autofree char *full = sys_path("%s", path);
	char *text = NULL;

	g_file_get_contents(full, &text, NULL, NULL);
	return text;
}

void fake_remove(void)
{
	const char * const argv[] = { "rm", "-rf", sys_root, NULL };

	if (!*sys_root)
		return;
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
				   NULL, NULL, NULL, NULL, NULL));
	g_free((char *)sys_root);
	sys_root = "";
	g_string_free(fake_ran, TRUE);
	g_clear_pointer(&verdict_found, g_free);
}

static void put32(uint8_t *config, size_t offset, uint32_t value)
{
	value = GUINT32_TO_LE(value);
	memcpy(config + offset, &value, sizeof(value));
}

void fake_config(uint16_t cap, bool cxl_mode, size_t length)
{
	g_autofree char *path = sys_path(DEVICE "/config");
	uint8_t config[4096] = { 0 };

	put32(config, 0x100, 0x20010001);		/* AER, then at 0x200 */
	put32(config, 0x200, 0x30010023);		/* Device DVSEC */
	put32(config, 0x204, 0x03c01e98);
	put32(config, 0x208, (uint32_t)cap << 16);
	put32(config, 0x21c, SIZE | 0x3);
	put32(config, 0x300, 0x00010023);		/* Flex Bus Port */
	put32(config, 0x304, 0x02001e98);
	put32(config, 0x308, 7);
	put32(config, 0x30c, cxl_mode ? 7u << 16 : 2u << 16);
	g_assert_true(g_file_set_contents(path, (char *)config, length, NULL));
}

static void fake_pci(void)
{
	const char *real = "/sys/devices/pci0000:0c/0000:0c:00.0/" BDF "/vendor";

	fake_file(real, "0x1b36\n");
	fake_link(DEVICE, "../../../devices/pci0000:0c/0000:0c:00.0/" BDF);
	fake_file(DEVICE "/device", "0x0c12\n");
	fake_file(DEVICE "/class", "0x120000\n");
	fake_file(DEVICE "/numa_node", "1\n");
	fake_file(DEVICE "/reset_method", "flr bus\n");
	fake_file(DEVICE "/driver_override", "(null)\n");
	fake_file("/sys/bus/pci/drivers_probe", "");
	fake_link(DEVICE "/iommu_group", "../../../../kernel/iommu_groups/5");
	fake_file("/sys/kernel/iommu_groups/5/type", "DMA\n");
	fake_link("/sys/kernel/iommu_groups/5/devices/" BDF,
		  "../../../../devices/pci0000:0c/0000:0c:00.0/" BDF);
	fake_config(0x1f, true, 4096);
}

void fake_host(void)
{
	fake_remove();
	sys_root = g_dir_make_tmp("vfio-cxl-XXXXXX", NULL);
	fake_ran = g_string_new(NULL);
	run_program = run_fake;
	fake_no_root = false;
	fake_no_endpoint = false;
	fake_no_bridge = false;
	fake_unreadable = false;
	fake_fails = false;
	fake_ways = 1;

	fake_file("/proc/sys/kernel/osrelease", RELEASE "\n");
	fake_file("/boot/config-" RELEASE,
		  "CONFIG_CXL_ACPI=m\nCONFIG_CXL_MEM=m\nCONFIG_CXL_PORT=m\nCONFIG_CXL_REGION=y\n"
		  "CONFIG_IOMMU_SUPPORT=y\nCONFIG_VFIO=m\nCONFIG_VFIO_PCI_CORE=m\n"
		  "CONFIG_IOMMUFD=m\nCONFIG_VFIO_DEVICE_CDEV=y\nCONFIG_VFIO_PCI_DMABUF=y\n"
		  "# CONFIG_UIO is not set\n");
	fake_file("/lib/modules/" RELEASE "/modules.dep",
		  "updates/dkms/vfio-cxl-pci.ko.xz: kernel/drivers/vfio/vfio.ko\n");
	fake_file("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
		  "address sizes\t: 48 bits physical, 48 bits virtual\n");
	fake_file("/proc/meminfo", "MemTotal:       16777216 kB\n");
	fake_file("/proc/interrupts", " 24:  0  IR-PCI-MSI-0000:00:02.0  0-edge\n");
	fake_file("/proc/iomem",
		  "100000000-18fffffff : System RAM\n190000000-58fffffff : CXL Window 0\n"
		  "  190000000-19fffffff : region0\n");
	fake_file("/sys/class/iommu/dmar0/type", "");
	fake_file("/dev/iommu", "");
	fake_file("/dev/kvm", "");
	fake_pci();
}

void fake_bound(const char *memory)
{
	g_autofree char *text =
		g_strconcat("firmware committed: yes\nmemory: ", memory, "\nclosures: 3\n"
			    "struct pages: yes\n"
			    "physical decoder: base 0x190000000 size 0x10000000 control 0x1500\n"
			    "reset: function yes, CXL Reset yes, Mem_Clr yes\n", NULL);

	fake_file("/sys/bus/pci/drivers/vfio-cxl-pci/bind", "");
	fake_link(DEVICE "/driver", "../../../../bus/pci/drivers/vfio-cxl-pci");
	fake_file("/sys/kernel/debug/vfio-cxl-pci/" BDF, text);
}

static void add(struct host *host, const char *name, const char *port,
		uint64_t base, uint64_t size, unsigned int window_ways)
{
	struct decoder *decoder = decoder_new(name, window_ways);

	g_ptr_array_add(decoder->ports, (void *)g_intern_string(port));
	decoder->known = !fake_unreadable;
	decoder->base = base;
	decoder->size = size;
	decoder->ways = window_ways ?: 1;
	g_ptr_array_add(host->decoders, decoder);
}

void topology_collect(struct host *host)
{
	host->cxl_root = !fake_no_root;
	if (fake_no_root)
		return;
	add(host, "decoder0.0", "pci0000:0c", BASE, 16ull << 30, fake_ways);
	add(host, "decoder1.0", "pci0000:0c", fake_no_bridge ? 0 : BASE,
	    fake_no_bridge ? 0 : SIZE, 0);
	if (!fake_no_endpoint)
		add(host, "decoder2.0", BDF, BASE, SIZE, 0);
}

enum verdict verdict_on(const struct host *host, const struct device *device,
			const char *name)
{
	g_autoptr(GPtrArray) findings = findings_new();
	unsigned int i;

	judge_host(host, findings);
	if (device)
		judge_device(host, device, findings);
	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = findings->pdata[i];

		if (strcmp(finding->name, name))
			continue;
		g_free(verdict_found);
		verdict_found = g_strdup(finding->found);
		g_assert_true(finding->verdict == MET || (finding->remedy && *finding->remedy));
		return finding->verdict;
	}
	g_error("no finding '%s'", name);
}
