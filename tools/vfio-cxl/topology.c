// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoders that the CXL core knows, through libcxl
 */
#include <cxl/libcxl.h>
#include <limits.h>

#include "facts.h"
#include "sysfs.h"

/* What reading an attribute gives that is not there, or not for us */
#define NOT_READ	ULLONG_MAX

static void add_name(GPtrArray *names, const char *name)
{
	g_ptr_array_add(names, (void *)g_intern_string(name));
}

static void add_decoder(struct host *host, struct cxl_decoder *from,
			const char *port)
{
	bool window = cxl_port_is_root(cxl_decoder_get_port(from));
	struct decoder *to = decoder_new(cxl_decoder_get_devname(from), window);
	struct cxl_target *target;

	to->base = cxl_decoder_get_resource(from);
	to->size = cxl_decoder_get_size(from);
	to->known = to->base != NOT_READ && to->size != NOT_READ;
	to->ways = cxl_decoder_get_interleave_ways(from);
	if (!window) {
		add_name(to->ports, port);
	} else {
		cxl_target_foreach(from, target)
			add_name(to->ports, cxl_target_get_physical_node(target));
	}
	g_ptr_array_add(host->decoders, to);
}

/* "mem0" of a device is a child of it. */
static const char *owner_of(const char *memdev)
{
	g_auto(GStrv) path = sys_real("/sys/bus/cxl/devices/%s", memdev);
	unsigned int length = g_strv_length(path);

	return length < 2 ? memdev : g_intern_string(path[length - 2]);
}

static void add_port(struct host *host, struct cxl_port *port)
{
	struct cxl_endpoint *endpoint;
	struct cxl_decoder *decoder;
	struct cxl_port *child;

	cxl_decoder_foreach(port, decoder)
		add_decoder(host, decoder, cxl_port_get_host(port));
	cxl_endpoint_foreach(port, endpoint) {
		const char *owner = owner_of(cxl_endpoint_get_host(endpoint));

		cxl_decoder_foreach(cxl_endpoint_get_port(endpoint), decoder)
			add_decoder(host, decoder, owner);
	}
	cxl_port_foreach(port, child)
		add_port(host, child);
}

void topology_collect(struct host *host)
{
	struct cxl_ctx *cxl;
	struct cxl_bus *bus;

	if (cxl_new(&cxl))
		return;
	cxl_bus_foreach(cxl, bus) {
		host->cxl_root = true;
		add_port(host, cxl_bus_get_port(bus));
	}
	cxl_unref(cxl);
}
