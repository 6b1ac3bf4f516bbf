/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What follows from facts. Pure: these functions read nothing but their arguments.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "facts.h"

/**
 * enum verdict - whether a prerequisite is met
 * @MISSING: it is not, and the device cannot be passed through
 * @MET: it is
 * @LIMITED: it is not, and the device works with less than it could
 * @UNSURE: it cannot be known, or not by this user
 */
enum verdict { MISSING, MET, LIMITED, UNSURE };

struct finding {
	const char *name;	/* of the prerequisite: "iommu" */
	enum verdict verdict;
	char *found;
	const char *remedy;	/* NULL if met */
};

/* struct finding; the order is that in which to mend what is missing */
GPtrArray *findings_new(void);
void finding_add(GPtrArray *findings, const char *name, enum verdict verdict,
		 const char *remedy, const char *found, ...) G_GNUC_PRINTF(5, 6);

/* Whether VFIO can give devices to iommufd */
bool host_has_iommufd(const struct host *host);

void judge_host(const struct host *host, GPtrArray *findings);
void judge_device(const struct host *host, const struct device *device,
		  GPtrArray *findings);

/* First finding that is MISSING, or NULL */
const struct finding *first_missing(const GPtrArray *findings);

/* Whether a device is a CXL accelerator; @why: why not, or why not known */
enum fact device_is_accelerator(const struct host *host,
				const struct device *device, const char **why);
bool device_below_cxl(const struct host *host, const struct device *device);

/* Range of the device's memory, from the driver, the CXL core or the DVSEC */
bool device_range(const struct host *host, const struct device *device,
		  uint64_t *base, uint64_t *size);

/*
 * Whether the device can be bound or unbound now. Return: the reason why not,
 * to be freed; or NULL.
 */
char *refuse_bind(const struct host *host, const struct device *device,
		  bool replace);
char *refuse_unbind(const struct host *host, const struct device *device);

#endif
