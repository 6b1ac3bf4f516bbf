/*
 * Dynamic capacity backed by tagged memory
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CXL_TAGGED_H
#define CXL_TAGGED_H

#include "hw/cxl/cxl.h"

/*
 * A cxl-type3 device with dc-regions-total-size has dynamic capacity regions
 * but no memory for them. An extent gets its memory when it is added: the tag
 * that it is added with names a memory backend. These functions look after
 * such extents; those that the host knows about are also in CXLType3Dev, as all
 * extents of a device are.
 *
 * All of these are for the main thread, or with the BQL held.
 */

/* Whether the memory for @ct3d's dynamic capacity is chosen by tags */
static inline bool cxl_tagged(const CXLType3Dev *ct3d)
{
    return ct3d->dc.tagged_size;
}

/**
 * cxl_tagged_check: check the properties that dynamic capacity depends on
 */
bool cxl_tagged_check(CXLType3Dev *ct3d, Error **errp);

void cxl_tagged_init(CXLType3Dev *ct3d);
void cxl_tagged_cleanup(CXLType3Dev *ct3d);

/**
 * cxl_tagged_claim: take memory for extents that are about to be offered
 * @extents: aligned, in regions, and neither offered nor accepted
 *
 * Extents with the same tag share its backend: each gets the part that follows
 * that of the one before, and they use up all of it.
 *
 * Returns: CXL_MBOX_SUCCESS, or @errp is set, and nothing is taken.
 */
CXLRetCode cxl_tagged_claim(CXLType3Dev *ct3d, const CXLDCExtentRaw *extents,
                            uint32_t count, Error **errp);

/* Whether exactly this extent is offered */
bool cxl_tagged_offered(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len);

/*
 * The host accepted an extent that is offered: from now on it is in the DPA
 * space, for whose place in the windows cxl_tagged_update() has to be called.
 */
void cxl_tagged_accept(CXLType3Dev *ct3d, uint64_t dpa);

/* Give back the memory of those that the host has not accepted */
void cxl_tagged_reject(CXLType3Dev *ct3d, const CXLDCExtentList *offered);

/* Whether a range consists of whole extents */
bool cxl_tagged_whole(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len);

/**
 * cxl_tagged_set_sanitize: note whether to clear memory when it is released
 * @dpa: with @len, whole extents
 */
void cxl_tagged_set_sanitize(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                             bool sanitize);

/* Give back the memory of whole extents */
void cxl_tagged_drop(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len);

/* HDM decoders have changed, here or on the way here, or extents have */
void cxl_tagged_update(PCIDevice *d);

typedef struct CXLTaggedStatus {
    HostMemoryBackend *backend;
    bool direct;
} CXLTaggedStatus;

/* Returns: false if there is no extent with its own memory at @dpa */
bool cxl_tagged_status(CXLType3Dev *ct3d, uint64_t dpa,
                       CXLTaggedStatus *status);

/**
 * cxl_dc_describe: name device, region, DPA, length and tag in a message
 * @tag: or NULL, for that of the extent that @dpa is in
 */
char *cxl_dc_describe(CXLType3Dev *ct3d, uint64_t dpa, uint64_t len,
                      const uint8_t *tag);

#endif
