// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

static const char * const fact_names[] = { "no", "yes" };
static const char * const verdict_names[] = {
	[MISSING] = "no", [MET] = "yes", [LIMITED] = "limited", [UNSURE] = "unknown",
};

static void add_string(struct json_object *object, const char *key,
		       const char *value)
{
	json_object_object_add(object, key,
			       value ? json_object_new_string(value) : NULL);
}

static void add_format(struct json_object *object, const char *key,
		       const char *format, uint64_t value)
{
	char text[32];

	g_snprintf(text, sizeof(text), format, (unsigned long)value);
	json_object_object_add(object, key, json_object_new_string(text));
}

static void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static const char *committed_name(const struct device *device)
{
	return device->gate.known ? fact_names[device->gate.committed] : "unknown";
}

static const char *mode_name(const struct device *device)
{
	return device->dvsec.device == UNKNOWN ? "unknown" :
		fact_names[device->dvsec.cxl_mode];
}

static const char *memory_name(const struct device *device)
{
	return !device->gate.known ? "unknown" :
		device->gate.reachable ? "reachable" : "closed";
}

static uint64_t size_of(const struct host *host, const struct device *device)
{
	uint64_t base, size;

	return device_range(host, device, &base, &size) ? size :
		device->dvsec.size;
}

static struct json_object *device_json(const struct host *host,
				       const struct device *device)
{
	struct json_object *object = json_object_new_object();
	struct json_object *resets = json_object_new_array();
	g_auto(GStrv) methods = g_strsplit(device->resets, " ", 0);
	enum fact is = device_is_accelerator(host, device, NULL);
	uint64_t base, size;
	char **method;

	for (method = methods; *method; method++)
		json_object_array_add(resets, json_object_new_string(*method));
	add_string(object, "bdf", device->bdf);
	add_format(object, "vendor", "0x%04lx", device->vendor);
	add_format(object, "device", "0x%04lx", device->id);
	add_string(object, "accelerator", is == UNKNOWN ? "unknown" : fact_names[is]);
	add_string(object, "driver", device->driver);
	add_string(object, "iommu_group", device->group);
	json_object_object_add(object, "numa_node", json_object_new_int(device->node));
	add_string(object, "cxl_mode", mode_name(device));
	add_string(object, "firmware_committed", committed_name(device));
	if (device_range(host, device, &base, &size))
		add_format(object, "base", "0x%lx", base);
	json_object_object_add(object, "size",
			       json_object_new_int64(size_of(host, device)));
	json_object_object_add(object, "reset_methods", resets);
	return object;
}

void report_list(const struct host *host, const GPtrArray *devices, bool json)
{
	struct json_object *array;
	unsigned int i;

	if (json) {
		array = json_object_new_array();
		for (i = 0; i < devices->len; i++)
			json_object_array_add(array, device_json(host, devices->pdata[i]));
		print_json(array);
		return;
	}
	if (!devices->len) {
		fputs("no CXL accelerator found\n", stderr);
		return;
	}
	printf("%-12s %-9s %-12s %5s %-7s %-9s %10s %4s %s\n", "BDF", "ID",
	       "DRIVER", "GROUP", "CXL", "COMMITTED", "MEMORY", "NODE", "RESETS");
	for (i = 0; i < devices->len; i++) {
		const struct device *d = devices->pdata[i];
		uint64_t size = size_of(host, d);
		char memory[24] = "unknown";

		if (size)
			g_snprintf(memory, sizeof(memory), "%lu MiB",
				   (unsigned long)(size >> 20));
		printf("%-12s %04x:%04x %-12s %5s %-7s %-9s %10s %4d %s\n", d->bdf,
		       d->vendor, d->id, d->driver ?: "-", d->group ?: "-",
		       mode_name(d), committed_name(d), memory, d->node,
		       *d->resets ? d->resets : "-");
	}
}

static struct json_object *status_json(const struct host *host,
				       const struct device *device)
{
	struct json_object *object = device_json(host, device);
	struct json_object *users = json_object_new_array();
	g_auto(GStrv) reasons = g_strsplit(device->gate.reasons, ", ", 0);
	struct json_object *closed = json_object_new_array();
	unsigned int i;

	for (i = 0; reasons[i]; i++)
		json_object_array_add(closed, json_object_new_string(reasons[i]));
	for (i = 0; i < device->users->len; i++) {
		const struct user *user = device->users->pdata[i];
		struct json_object *entry = json_object_new_object();

		json_object_object_add(entry, "pid", json_object_new_int(user->pid));
		add_string(entry, "name", user->name);
		json_object_array_add(users, entry);
	}
	add_string(object, "memory", memory_name(device));
	json_object_object_add(object, "closed_because", closed);
	json_object_object_add(object, "closures",
			       json_object_new_int64(device->gate.closures));
	json_object_object_add(object, "struct_pages",
			       json_object_new_boolean(device->gate.pages));
	json_object_object_add(object, "users", users);
	json_object_object_add(object, "users_complete",
			       json_object_new_boolean(device->users_known));
	return object;
}

void report_status(const struct host *host, const struct device *device,
		   bool json)
{
	uint64_t base, size;
	unsigned int i;

	if (json) {
		print_json(status_json(host, device));
		return;
	}
	printf("device:    %s, %04x:%04x, IOMMU group %s, NUMA node %d\n",
	       device->bdf, device->vendor, device->id, device->group ?: "none",
	       device->node);
	printf("driver:    %s\n", device->driver ?: "none");
	if (device_range(host, device, &base, &size))
		printf("range:     0x%lx, %lu MiB\n", (unsigned long)base,
		       (unsigned long)(size >> 20));
	else
		printf("range:     unknown%s\n", host->root ? "" : ", needs root");
	printf("resets:    %s%s\n", *device->resets ? device->resets : "none",
	       device->gate.reset_cxl ? " CXL-Reset" : "");
	if (!device_is_ours(device))
		return;
	if (device->gate.known && !device->gate.committed)
		puts("memory:    none: firmware committed no decoder");
	else if (device->gate.known)
		printf("memory:    %s%s%s; closed %lu times since it was opened%s\n",
		       memory_name(device),
		       *device->gate.reasons ? ": " : "", device->gate.reasons,
		       (unsigned long)device->gate.closures,
		       device->gate.pages ? "; with struct pages" : "");
	else
		printf("memory:    unknown, needs %s\n",
		       host->root ? "debugfs" : "root");
	for (i = 0; i < device->users->len; i++) {
		const struct user *user = device->users->pdata[i];

		printf("open:      by process %d (%s)\n", user->pid, user->name);
	}
	if (!i)
		puts(device->users_known ? "open:      by nobody" :
		     "open:      unknown, needs root");
}

static struct json_object *findings_json(const GPtrArray *findings)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = findings->pdata[i];
		struct json_object *object = json_object_new_object();

		add_string(object, "name", finding->name);
		add_string(object, "verdict", verdict_names[finding->verdict]);
		add_string(object, "found", finding->found);
		add_string(object, "remedy", finding->remedy);
		json_object_array_add(array, object);
	}
	return array;
}

static void print_findings(const char *title, const GPtrArray *findings)
{
	unsigned int i;

	printf("%s\n", title);
	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = findings->pdata[i];

		printf("  %-8s %-19s %s\n", verdict_names[finding->verdict],
		       finding->name, finding->found);
		if (finding->remedy)
			printf("  %28s -> %s\n", "", finding->remedy);
	}
}

static void count(const GPtrArray *findings, unsigned int *counts)
{
	unsigned int i;

	for (i = 0; i < findings->len; i++)
		counts[((struct finding *)findings->pdata[i])->verdict]++;
}

unsigned int report_check(const struct host *host, const GPtrArray *devices,
			  bool json)
{
	g_autoptr(GPtrArray) of_host = findings_new();
	struct json_object *object = json ? json_object_new_object() : NULL;
	struct json_object *array = json ? json_object_new_array() : NULL;
	unsigned int counts[4] = { 0 }, i;

	judge_host(host, of_host);
	if (!devices->len)
		finding_add(of_host, "accelerator", host->root ? MISSING : UNSURE,
			    host->root ? "look at the slot, and at firmware's setting for CXL" :
			    "run as root", "none found");
	count(of_host, counts);
	if (json)
		json_object_object_add(object, "host", findings_json(of_host));
	else
		print_findings("host", of_host);
	for (i = 0; i < devices->len; i++) {
		const struct device *device = devices->pdata[i];
		g_autoptr(GPtrArray) findings = findings_new();
		struct json_object *entry;

		judge_device(host, device, findings);
		count(findings, counts);
		if (!json) {
			print_findings(device->bdf, findings);
			continue;
		}
		entry = json_object_new_object();
		add_string(entry, "bdf", device->bdf);
		json_object_object_add(entry, "findings", findings_json(findings));
		json_object_array_add(array, entry);
	}
	if (!json) {
		printf("%u yes, %u missing, %u limited, %u unknown%s\n", counts[MET],
		       counts[MISSING], counts[LIMITED], counts[UNSURE],
		       counts[UNSURE] && !host->root ? "; root sees more" : "");
		return counts[MISSING];
	}
	json_object_object_add(object, "devices", array);
	json_object_object_add(object, "missing", json_object_new_int(counts[MISSING]));
	json_object_object_add(object, "limited", json_object_new_int(counts[LIMITED]));
	json_object_object_add(object, "unknown", json_object_new_int(counts[UNSURE]));
	print_json(object);
	return counts[MISSING];
}

void report_change(const struct device *device, const char *driver, bool json)
{
	struct json_object *object;

	if (!json) {
		printf("%s: bound to %s\n", device->bdf, driver ?: "no driver");
		return;
	}
	object = json_object_new_object();
	add_string(object, "bdf", device->bdf);
	add_string(object, "driver", driver);
	print_json(object);
}

void report_words(const GPtrArray *words, bool json)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < words->len; i++) {
		json_object_array_add(array, json_object_new_string(words->pdata[i]));
		if (!json)
			printf("%s%s", (const char *)words->pdata[i],
			       i + 1 == words->len ? "\n" : i % 2 ? " \\\n" : " ");
	}
	if (json)
		print_json(array);
	else
		json_object_put(array);
}

void report_text(const char *text, bool json)
{
	if (json)
		print_json(json_object_new_string(text));
	else
		fputs(text, stdout);
}
