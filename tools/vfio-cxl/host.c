// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "facts.h"
#include "sysfs.h"

struct decoder *decoder_new(const char *name, bool window)
{
	struct decoder *decoder = g_new0(struct decoder, 1);

	decoder->name = g_intern_string(name);
	decoder->ports = g_ptr_array_new();
	decoder->window = window;
	decoder->ways = 1;
	return decoder;
}

static void decoder_free(void *data)
{
	struct decoder *decoder = data;

	g_ptr_array_unref(decoder->ports);
	g_free(decoder);
}

/* "CONFIG_CXL_MEM=m"; zlib reads what is not compressed as well. */
static GHashTable *read_config(const char *path)
{
	gzFile file = gzopen(path, "r");
	GHashTable *config;
	char line[4096];

	if (!file)
		return NULL;
	config = g_hash_table_new(g_str_hash, g_str_equal);
	while (gzgets(file, line, sizeof(line))) {
		char *value = strchr(g_strchomp(line), '=');

		if (!g_str_has_prefix(line, "CONFIG_") || !value)
			continue;
		*value++ = 0;
		g_hash_table_insert(config,
				    (void *)g_intern_string(line + strlen("CONFIG_")),
				    (void *)g_intern_string(value));
	}
	gzclose(file);
	return config;
}

static void collect_kernel(struct host *host)
{
	g_autofree char *debian = sys_path("/boot/config-%s", host->release);
	g_autofree char *fedora = sys_path("/lib/modules/%s/config", host->release);
	g_autofree char *proc = sys_path("/proc/config.gz");
	const char *modules;

	if (sscanf(host->release, "%u.%u", &host->major, &host->minor) != 2)
		host->major = 0;
	host->config = read_config(debian) ?: read_config(fedora) ?: read_config(proc);

	modules = sys_read("/lib/modules/%s/modules.dep", host->release);
	host->module_loaded = sys_exists("/sys/module/" MODULE);
	host->module_installed = host->module_loaded ||
		(modules && strstr(modules, "/" DRIVER ".ko"));
	host->unsafe_type1_dma =
		sys_read("/sys/module/" MODULE "/parameters/unsafe_type1_dma") ==
		g_intern_static_string("Y");
	host->struct_pages = sys_read("/sys/module/" MODULE "/parameters/struct_pages");
}

/* Addresses in /proc/iomem are zeroes for all but root. */
static void collect_iomem(struct host *host)
{
	const char *text = sys_read("/proc/iomem");
	g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", 0);
	bool known = false;
	char **line;

	host->iomem = g_ptr_array_new_with_free_func(g_free);
	for (line = lines; *line; line++) {
		struct resource *r = g_new0(struct resource, 1);
		const char *name = strstr(*line, " : ");

		if (!name || sscanf(*line, " %" G_GINT64_MODIFIER "x-%"
				    G_GINT64_MODIFIER "x", &r->start, &r->end) != 2) {
			g_free(r);
			continue;
		}
		r->name = g_intern_string(name + strlen(" : "));
		known |= r->end != 0;
		g_ptr_array_add(host->iomem, r);
	}
	if (!known)
		g_clear_pointer(&host->iomem, g_ptr_array_unref);
}

/* What x86 calls IR, and what Arm's ITS does by design */
static enum fact remapping(const char *machine)
{
	const char *interrupts = sys_read("/proc/interrupts");

	if (!interrupts)
		return UNKNOWN;
	if (strstr(interrupts, " IR-") || strstr(interrupts, " ITS-"))
		return YES;
	return strcmp(machine, "x86_64") ? UNKNOWN : NO;
}

static void collect_iommu(struct host *host)
{
	g_autoptr(GPtrArray) groups = sys_list("/sys/kernel/iommu_groups");

	host->iommus = sys_list("/sys/class/iommu");
	host->groups = groups->len;
	host->remapping = remapping(host->machine);
	host->iommufd = sys_exists("/dev/iommu") ||
		(host->config && g_hash_table_contains(host->config, "IOMMUFD"));
	host->type1 = sys_exists("/dev/vfio/vfio") ||
		(host->config && g_hash_table_contains(host->config,
						       "VFIO_IOMMU_TYPE1"));
}

/* Of "key : value" lines, the value of the first that begins with key */
static const char *value_of(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;
	g_autofree char *line = NULL;
	char *value;

	if (!at)
		return NULL;
	line = g_strndup(at, strcspn(at, "\n"));
	value = strchr(line, ':');
	return value ? g_intern_string(g_strstrip(value + 1)) : NULL;
}

/* Arm: how many bits of address a guest can have is KVM's to say. */
static unsigned int ipa_bits(void)
{
	g_autofree char *path = sys_path("/dev/kvm");
	int bits = 0, fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		bits = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
		close(fd);
	}
	return bits > 0 ? bits : 0;
}

static void collect_cpu(struct host *host)
{
	const char *cpus = sys_read("/proc/cpuinfo");
	const char *sizes = value_of(cpus, "address sizes");
	const char *total = value_of(sys_read("/proc/meminfo"), "MemTotal");
	struct rlimit limit;

	host->kvm = sys_exists("/dev/kvm");
	host->cpu_vendor = value_of(cpus, "vendor_id");
	if (!sizes || sscanf(sizes, "%u bits", &host->phys_bits) != 1)
		host->phys_bits = ipa_bits();
	host->memory = total ? strtoull(total, NULL, 10) << 10 : 0;
	host->memlock = UINT64_MAX;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		host->memlock = limit.rlim_cur;
}

struct host *host_collect(void)
{
	struct host *host = g_new0(struct host, 1);
	const char *release = sys_read("/proc/sys/kernel/osrelease");
	struct utsname name;

	uname(&name);
	host->root = geteuid() == 0;
	host->release = release ?: "";
	host->machine = g_intern_string(name.machine);
	host->decoders = g_ptr_array_new_with_free_func(decoder_free);
	collect_kernel(host);
	collect_iomem(host);
	collect_iommu(host);
	collect_cpu(host);
	topology_collect(host);
	return host;
}

void host_free(struct host *host)
{
	if (host->config)
		g_hash_table_unref(host->config);
	if (host->iomem)
		g_ptr_array_unref(host->iomem);
	g_ptr_array_unref(host->iommus);
	g_ptr_array_unref(host->decoders);
	g_free(host);
}
