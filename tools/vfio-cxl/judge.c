// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of the host is in place; see judge.h
 */
#include <string.h>

#include "judge.h"

#define MIN_MAJOR	7
#define MIN_MINOR	3

static void finding_free(void *data)
{
	struct finding *finding = data;

	g_free(finding->found);
	g_free(finding);
}

GPtrArray *findings_new(void)
{
	return g_ptr_array_new_with_free_func(finding_free);
}

void finding_add(GPtrArray *findings, const char *name, enum verdict verdict,
		 const char *remedy, const char *found, ...)
{
	struct finding *finding = g_new0(struct finding, 1);
	va_list args;

	va_start(args, found);
	finding->found = g_strdup_vprintf(found, args);
	va_end(args);
	finding->name = name;
	finding->verdict = verdict;
	finding->remedy = verdict == MET ? NULL : remedy;
	g_ptr_array_add(findings, finding);
}

const struct finding *first_missing(const GPtrArray *findings)
{
	unsigned int i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = findings->pdata[i];

		if (finding->verdict == MISSING)
			return finding;
	}
	return NULL;
}

static bool configured(const struct host *host, const char *option)
{
	return host->config && g_hash_table_contains(host->config, option);
}

bool host_has_iommufd(const struct host *host)
{
	return host->iommufd &&
	       (!host->config || configured(host, "VFIO_DEVICE_CDEV"));
}

static void judge_kernel(const struct host *host, GPtrArray *findings)
{
	static const char * const needed[] = {
		"CXL_ACPI", "CXL_MEM", "CXL_PORT", "CXL_REGION",
		"IOMMU_SUPPORT", "VFIO", "VFIO_PCI_CORE",
	};
	g_autoptr(GString) absent = g_string_new(NULL);
	bool recent = host->major > MIN_MAJOR ||
		(host->major == MIN_MAJOR && host->minor >= MIN_MINOR);
	unsigned int i;

	finding_add(findings, "kernel", recent ? MET : MISSING,
		    "install Linux 7.3 or newer; Debian has it in backports",
		    "Linux %s", host->release);
	for (i = 0; i < G_N_ELEMENTS(needed); i++)
		if (!configured(host, needed[i]))
			g_string_append_printf(absent, " CONFIG_%s", needed[i]);
	if (!host->config)
		finding_add(findings, "configuration", UNSURE,
			    "set CONFIG_IKCONFIG_PROC, or install /boot/config-* of this kernel",
			    "no configuration of this kernel");
	else if (absent->len)
		finding_add(findings, "configuration", MISSING,
			    "use a kernel that is built with these options",
			    "not set:%s", absent->str);
	else
		finding_add(findings, "configuration", MET, NULL,
			    "all %zu options set", G_N_ELEMENTS(needed));
	finding_add(findings, "module", host->module_installed ? MET : MISSING,
		    "install vfio-cxl-dkms, or run make modules_install in the sources",
		    DRIVER " is %s", host->module_loaded ? "loaded" :
		    host->module_installed ? "installed" : "not installed");
	finding_add(findings, "cxl-core", host->cxl_root ? MET : MISSING,
		    "modprobe cxl_acpi; if there is no CEDT, switch CXL on in firmware setup",
		    "the CXL core has %s topology", host->cxl_root ? "found the" : "no");
}

static void judge_iommu(const struct host *host, GPtrArray *findings)
{
	bool on = host->iommus->len && host->groups;
	bool cdev = host_has_iommufd(host);
	bool dmabuf = !host->config || configured(host, "VFIO_PCI_DMABUF");

	finding_add(findings, "iommu", on ? MET : MISSING,
		    "switch it on in firmware setup; on Intel boot with intel_iommu=on",
		    "%u IOMMUs, %u groups", host->iommus->len, host->groups);
	finding_add(findings, "interrupt-remapping",
		    host->remapping == YES ? MET :
		    host->remapping == NO ? MISSING : UNSURE,
		    "switch it on in firmware setup, and boot without intremap=off",
		    host->remapping == YES ? "on" :
		    host->remapping == NO ? "off" : "/proc/interrupts does not tell");
	if (!host->iommufd && !host->type1)
		finding_add(findings, "dma", MISSING,
			    "use a kernel with CONFIG_IOMMUFD or CONFIG_VFIO_IOMMU_TYPE1",
			    "neither iommufd nor type1");
	else if (cdev && dmabuf)
		finding_add(findings, "dma", MET, NULL,
			    "iommufd; devices can reach the device memory by dma-buf");
	else if (cdev)
		finding_add(findings, "dma", LIMITED,
			    "use a kernel with CONFIG_VFIO_PCI_DMABUF",
			    "iommufd without dma-bufs: no DMA to device memory");
	else
		finding_add(findings, "dma", LIMITED,
			    "use a kernel with CONFIG_IOMMUFD, CONFIG_VFIO_DEVICE_CDEV",
			    "type1 only: %s", host->unsafe_type1_dma ?
			    "DMA to device memory may outlive its user" :
			    "the driver refuses DMA to device memory");
}

/* KVM on Intel maps memory without struct page uncached. */
static void judge_struct_pages(const struct host *host, const char *name,
			       GPtrArray *findings)
{
	if (host->config && !configured(host, "DEVICE_PRIVATE"))
		finding_add(findings, name, LIMITED,
			    "use a kernel with CONFIG_DEVICE_PRIVATE",
			    "Intel without struct pages: a guest's accesses are uncached, and slow");
	else if (!g_strcmp0(host->struct_pages, "off"))
		finding_add(findings, name, LIMITED,
			    "set the module's parameter struct_pages to auto, and bind devices again",
			    "Intel with struct_pages=off: a guest's accesses are uncached, and slow");
	else
		finding_add(findings, name, host->config ? MET : UNSURE,
			    host->config ? NULL : "check that the kernel has CONFIG_DEVICE_PRIVATE",
			    "Intel: a guest's accesses are cached, by struct pages");
}

/* KVM decides by the CPU what becomes of memory without struct page. */
static void judge_kvm(const struct host *host, GPtrArray *findings)
{
	const char *name = "kvm-memory";

	if (!host->kvm)
		finding_add(findings, name, LIMITED,
			    "switch on virtualization in firmware setup; modprobe kvm_amd or kvm_intel",
			    "no /dev/kvm: a guest is emulated");
	else if (!g_strcmp0(host->cpu_vendor, "AuthenticAMD") ||
		 !g_strcmp0(host->cpu_vendor, "HygonGenuine"))
		finding_add(findings, name, MET, NULL,
			    "AMD: a guest's accesses are cached");
	else if (!g_strcmp0(host->cpu_vendor, "GenuineIntel"))
		judge_struct_pages(host, name, findings);
	else if (!strcmp(host->machine, "aarch64"))
		finding_add(findings, name, UNSURE,
			    "dmesg | grep 'Stage-2 Force Write-Back'; without it KVM refuses the memory",
			    "Arm: cached on CPUs with S2FWB and CTR_EL0.DIC");
	else
		finding_add(findings, name, UNSURE, "try it",
			    "unknown CPU %s", host->cpu_vendor ?: "");
}

/* RAM of the host is the most that a guest can have, windows double at most. */
static void judge_sizes(const struct host *host, GPtrArray *findings)
{
	uint64_t need = host->memory;
	unsigned int i, bits = 0;

	for (i = 0; i < host->decoders->len; i++) {
		struct decoder *d = g_ptr_array_index(host->decoders, i);

		if (d->window && d->known)
			need += 2 * d->size;
	}
	while (bits < 63 && need > 1ull << bits)
		bits++;

	if (host->memlock == UINT64_MAX || host->root)
		finding_add(findings, "memlock", MET, NULL, "no limit for this user");
	else
		finding_add(findings, "memlock", host->memlock < host->memory ? LIMITED : MET,
			    "raise ulimit -l above the RAM of the guest; libvirt does it by itself",
			    "%" G_GUINT64_FORMAT " KiB, which RAM of a guest must fit in",
			    host->memlock >> 10);
	if (!host->phys_bits)
		finding_add(findings, "address-bits", UNSURE, "modprobe kvm",
			    "the width of a guest's addresses is unknown");
	else
		finding_add(findings, "address-bits",
			    bits <= host->phys_bits ? MET : LIMITED,
			    "give the guest less RAM, or fewer devices",
			    "%u; %u are enough for all RAM and all windows of this host",
			    host->phys_bits, bits);
}

void judge_host(const struct host *host, GPtrArray *findings)
{
	judge_kernel(host, findings);
	judge_iommu(host, findings);
	judge_kvm(host, findings);
	judge_sizes(host, findings);
}
