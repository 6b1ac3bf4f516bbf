/*
 * Requests to add and release dynamic capacity
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CXL_DCD_H
#define CXL_DCD_H

#include "qapi/qapi-types-cxl.h"
#include "hw/cxl/cxl.h"

/*
 * What a fabric manager, or the user in its place, asks a cxl-type3 device to
 * do. On failure nothing has changed, and @errp is set to a message that names
 * device, region, DPA, length and tag.
 */

/**
 * cxl_dcd_check_host: whether a request is for the host that the device has
 * @host_id: of the request; a device that is no LD of an MLD has host 0 alone
 *
 * Returns: CXL_MBOX_SUCCESS, or @errp is set.
 */
CXLRetCode cxl_dcd_check_host(CXLType3Dev *ct3d, uint16_t host_id,
                              Error **errp);

/**
 * cxl_dcd_add: offer extents to the host
 * @extents: with DPA, length, tag and sequence number
 */
CXLRetCode cxl_dcd_add(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                       uint32_t count, Error **errp);

typedef struct CXLDCDRelease {
    bool forced;                /* do not wait for the host */
    bool sanitize;
} CXLDCDRelease;

/**
 * cxl_dcd_release: ask the host for extents, or with @how->forced take them
 * @extents: DPA and length; their tags, unless zero, are checked
 *
 * An offer that the host has not responded to can only be taken back by force.
 */
CXLRetCode cxl_dcd_release(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                           uint32_t count, const CXLDCDRelease *how,
                           Error **errp);

/**
 * cxl_dcd_release_tag: the same for all extents of a region that have a tag
 */
CXLRetCode cxl_dcd_release_tag(CXLType3Dev *ct3d, uint8_t rid,
                               const uint8_t *tag, const CXLDCDRelease *how,
                               Error **errp);

/* An extent, or part of one, that an event is about; it outlives the device */
typedef struct CXLDCNotice CXLDCNotice;

CXLDCNotice *cxl_dc_notice_new(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                               const uint8_t *tag);
/* Emit CXL_DYNAMIC_CAPACITY, and free @notice */
void cxl_dc_notice_send(CXLDCNotice *notice, CxlDynamicCapacityChange change);

/* Emit it for all of a list that is in a range */
void cxl_dc_notify(CXLType3Dev *ct3d, const CXLDCExtentList *list,
                   uint64_t dpa, uint64_t len,
                   CxlDynamicCapacityChange change);

/* Extents, offered or accepted, are lost in a migration; allow it without */
void cxl_dc_allow_migration(CXLType3Dev *ct3d);

/* The device at a QOM path, which must have dynamic capacity */
CXLType3Dev *cxl_dcd_find(const char *path, Error **errp);

#endif
