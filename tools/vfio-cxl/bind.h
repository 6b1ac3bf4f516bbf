/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BIND_H
#define BIND_H

#include "facts.h"

struct bind_options {
	int replace;		/* unbind another driver first */
	int persist;		/* at each boot, by driverctl */
	unsigned int wait_ms;	/* for the driver to bind, which it may defer */
	unsigned int stay_ms;	/* that it must then stay */
};

/*
 * Both change nothing if they refuse; what a failed bind had changed is put back.
 */
bool device_bind(const struct host *host, const struct device *device,
		 const struct bind_options *options, GError **error);
bool device_unbind(const struct host *host, const struct device *device,
		   const struct bind_options *options, GError **error);

/* Runs a program, silently; tests have another one. */
extern bool (*run_program)(const char * const *argv, GError **error);

#endif
