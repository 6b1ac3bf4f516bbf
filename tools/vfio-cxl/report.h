/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports for people, and as JSON
 */
#ifndef REPORT_H
#define REPORT_H

#include "judge.h"

void report_list(const struct host *host, const GPtrArray *devices, bool json);
void report_status(const struct host *host, const struct device *device,
		   bool json);

/* @devices may be empty. Return: how many prerequisites are missing. */
unsigned int report_check(const struct host *host, const GPtrArray *devices,
			  bool json);

/* Words for a shell, two a line; a text, which as JSON is one string */
void report_words(const GPtrArray *words, bool json);
void report_text(const char *text, bool json);

void report_change(const struct device *device, const char *driver, bool json);

#endif
