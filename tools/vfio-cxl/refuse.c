// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a device can be bound or unbound now; see judge.h
 */
#include "judge.h"

/* Of a device that is not bound yet, only these say that binding must fail. */
char *refuse_bind(const struct host *host, const struct device *device,
		  bool replace)
{
	g_autoptr(GPtrArray) findings = findings_new();
	const struct finding *missing;
	const char *why;

	if (device_is_accelerator(host, device, &why) == NO)
		return g_strdup(why);
	judge_host(host, findings);
	missing = first_missing(findings);
	if (missing)
		return g_strdup_printf("%s: %s; %s", missing->name,
				       missing->found, missing->remedy);
	if (device->driver && !device_is_ours(device) && !replace)
		return g_strdup_printf("bound to %s; --replace takes it over once nothing uses it",
				       device->driver);
	if (!host->root)
		return g_strdup("only root can bind drivers");
	return NULL;
}

char *refuse_unbind(const struct host *host, const struct device *device)
{
	const struct user *user;

	if (!device->driver)
		return g_strdup("bound to no driver");
	if (!device_is_ours(device))
		return g_strdup_printf("bound to %s, not to " DRIVER, device->driver);
	if (device->users->len) {
		user = g_ptr_array_index(device->users, 0);
		return g_strdup_printf("open: process %d (%s) has it", user->pid,
				       user->name);
	}
	if (!host->root)
		return g_strdup("only root can unbind drivers");
	return NULL;
}
