/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel says of the host and of its CXL accelerators
 *
 * These are facts; judge.h says what follows from them. Strings are interned.
 */
#ifndef FACTS_H
#define FACTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DRIVER	"vfio-cxl-pci"
#define MODULE	"vfio_cxl_pci"

/* What cannot be read, because we are not root or the kernel does not tell */
enum fact { UNKNOWN = -1, NO, YES };

#define CLASS_BRIDGE	0x06

/**
 * struct decoder - an HDM decoder, or a window of the CEDT, as the CXL core has it
 * @name: "decoder0.0"
 * @ports: names of what it belongs to: the host bridges that a window targets
 *	("pci0000:0c"), the host bridge or switch port, or the device
 * @window: it is a window of the CEDT
 * @known: @base and @size are known; only root can read them
 * @ways: targets that it interleaves
 */
struct decoder {
	const char *name;
	GPtrArray *ports;
	bool window;
	bool known;
	uint64_t base;
	uint64_t size;
	unsigned int ways;
};

/* A line of /proc/iomem */
struct resource {
	uint64_t start;
	uint64_t end;
	const char *name;
};

struct host {
	bool root;
	const char *release;
	const char *machine;	/* x86_64, aarch64 */
	unsigned int major, minor;
	GHashTable *config;	/* "CXL_MEM" to "y" or "m"; NULL: unknown */
	bool module_loaded;
	bool module_installed;
	bool unsafe_type1_dma;	/* parameters of the module */
	const char *struct_pages;	/* NULL: not loaded, or older */
	bool cxl_root;		/* cxl_acpi found a topology */
	GPtrArray *decoders;	/* struct decoder, windows among them */
	GPtrArray *iomem;	/* struct resource; NULL: unknown */
	GPtrArray *iommus;
	unsigned int groups;
	enum fact remapping;	/* of interrupts */
	bool iommufd;
	bool type1;
	bool kvm;
	const char *cpu_vendor;
	unsigned int phys_bits;	/* of the guest's addresses; 0: unknown */
	uint64_t memory;	/* bytes of RAM */
	uint64_t memlock;	/* bytes; UINT64_MAX: no limit */
};

/* What the DVSECs in a device's config space say; see dvsec_parse() */
struct dvsec {
	enum fact device;	/* it has a CXL Device DVSEC */
	uint16_t cap;
	bool cxl_mode;
	bool mem_valid;
	bool mem_active;
	uint64_t base;
	uint64_t size;
};

/* What the driver says in debugfs; see gate_parse() */
struct gate {
	bool known;
	bool committed;
	bool reachable;
	const char *reasons;	/* "" or "not open, in reset" */
	uint64_t closures;
	uint64_t base;
	uint64_t size;
	bool reset_function;
	bool reset_cxl;
	bool pages;		/* the memory has struct pages */
};

struct user {
	int pid;
	const char *name;
};

struct device {
	const char *bdf;
	unsigned int vendor, id, class;
	const char *driver;		/* NULL: none */
	const char *override;		/* driver_override, or NULL */
	const char *group;		/* number of its IOMMU group, or NULL */
	const char *vfio;		/* "vfio3", its character device, or NULL */
	int node;
	const char *resets;		/* "" for none, NULL if unknown */
	GPtrArray *path;		/* "pci0000:0c", ports, and the device */
	GPtrArray *neighbours;		/* "BDF DRIVER" in the same IOMMU group */
	struct dvsec dvsec;
	struct gate gate;
	GPtrArray *users;		/* struct user */
	bool users_known;
};

struct host *host_collect(void);
void host_free(struct host *host);

/* NULL with an error if there is no such PCI device */
struct device *device_collect(const struct host *host, const char *bdf,
			      GError **error);
void device_free(struct device *device);

/* All devices that are, or may be, CXL accelerators: struct device */
GPtrArray *devices_collect(const struct host *host);

/* Pure; what an unprivileged read gets is the first 64 bytes. */
void dvsec_parse(const uint8_t *config, size_t length, struct dvsec *dvsec);
void gate_parse(const char *text, struct gate *gate);

/* The CXL core's decoders, through libcxl; tests have one of their own. */
void topology_collect(struct host *host);
struct decoder *decoder_new(const char *name, bool window);

static inline bool device_is_ours(const struct device *device)
{
	return !g_strcmp0(device->driver, DRIVER);
}

#endif
