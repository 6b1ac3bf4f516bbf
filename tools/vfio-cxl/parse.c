// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device's config space says, and what the driver says in debugfs
 */
#include <stdio.h>
#include <string.h>

#include "facts.h"

#define CONFIG_HEADER		64	/* all that is shown to other users than root */
#define EXT_CAPS		0x100
#define EXT_CAP_DVSEC		0x23
#define VENDOR_CXL		0x1e98

/* DVSECs and their registers, CXL r4.0 sec 8.1.3 and 8.2.1.3 */
#define DVSEC_DEVICE		0
#define DVSEC_FLEXBUS_PORT	7
#define DEVICE_CAP		0x0a
#define DEVICE_SIZE_HIGH	0x18
#define DEVICE_SIZE_LOW		0x1c
#define DEVICE_BASE_HIGH	0x20
#define DEVICE_BASE_LOW		0x24
#define DEVICE_LENGTH		0x28
#define PORT_STATUS		0x0e
#define PORT_STATUS_CACHE_MEM	0x5
#define MEM_INFO_VALID		0x1
#define MEM_ACTIVE		0x2
#define LOW_MASK		0xf0000000u

static uint32_t get32(const uint8_t *config, size_t offset)
{
	uint32_t value;

	memcpy(&value, config + offset, sizeof(value));
	return GUINT32_FROM_LE(value);
}

static uint16_t get16(const uint8_t *config, size_t offset)
{
	return get32(config, offset & ~3ul) >> 8 * (offset & 2);
}

static void device_dvsec(const uint8_t *at, struct dvsec *dvsec)
{
	uint32_t low = get32(at, DEVICE_SIZE_LOW);

	dvsec->device = YES;
	dvsec->cap = get16(at, DEVICE_CAP);
	dvsec->mem_valid = low & MEM_INFO_VALID;
	dvsec->mem_active = low & MEM_ACTIVE;
	dvsec->size = (uint64_t)get32(at, DEVICE_SIZE_HIGH) << 32 | (low & LOW_MASK);
	dvsec->base = (uint64_t)get32(at, DEVICE_BASE_HIGH) << 32 |
		      (get32(at, DEVICE_BASE_LOW) & LOW_MASK);
}

void dvsec_parse(const uint8_t *config, size_t length, struct dvsec *dvsec)
{
	unsigned int hops = (4096 - EXT_CAPS) / 8;	/* a list may be a loop */
	size_t at = EXT_CAPS;

	memset(dvsec, 0, sizeof(*dvsec));
	dvsec->device = length > CONFIG_HEADER ? NO : UNKNOWN;
	while (at >= EXT_CAPS && at + DEVICE_LENGTH <= length && hops--) {
		uint32_t header = get32(config, at);
		unsigned int id = get16(config, at + 8);

		if ((header & 0xffff) == EXT_CAP_DVSEC &&
		    get16(config, at + 4) == VENDOR_CXL) {
			if (id == DVSEC_DEVICE)
				device_dvsec(config + at, dvsec);
			if (id == DVSEC_FLEXBUS_PORT)
				dvsec->cxl_mode = get16(config, at + PORT_STATUS) &
						  PORT_STATUS_CACHE_MEM;
		}
		at = header >> 20 & ~3u;
	}
}

void gate_parse(const char *text, struct gate *gate)
{
	g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", 0);
	g_autoptr(GString) reasons = g_string_new(NULL);
	char **line, **word;

	memset(gate, 0, sizeof(*gate));
	gate->known = text;
	for (line = lines; *line; line++) {
		if (sscanf(*line, "closures: %" G_GUINT64_FORMAT, &gate->closures) == 1 ||
		    sscanf(*line, "physical decoder: base %" G_GINT64_MODIFIER "x size %"
			   G_GINT64_MODIFIER "x", &gate->base, &gate->size) == 2)
			continue;
		if (!strcmp(*line, "firmware committed: yes"))
			gate->committed = true;
		if (!strcmp(*line, "struct pages: yes"))
			gate->pages = true;
		if (g_str_has_prefix(*line, "memory: ")) {
			g_auto(GStrv) words = g_strsplit(*line, ", ", 0);

			gate->reachable = !strcmp(words[0], "memory: reachable");
			for (word = words + 1; *word; word++)
				g_string_append_printf(reasons, "%s%s",
						       reasons->len ? ", " : "",
						       *word);
		}
		if (g_str_has_prefix(*line, "reset: ")) {
			gate->reset_function = strstr(*line, "function yes");
			gate->reset_cxl = strstr(*line, "CXL Reset yes");
		}
	}
	gate->reasons = g_intern_string(reasons->str);
}
