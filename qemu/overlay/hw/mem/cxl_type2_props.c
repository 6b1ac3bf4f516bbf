/*
 * Emulated CXL Type-2 accelerator: what the user asks for
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/cxl/cxl.h"
#include "hw/cxl/cxl_path.h"
#include "system/hostmem.h"
#include "cxl_type2.h"

bool cxl_type2_check(CXLType2Dev *s, Error **errp)
{
    const uint64_t unit = CXL_PATH_ALIGN;
    MemoryRegion *mr;

    if (!s->memdev) {
        error_setg(errp, "memdev must be set");
        return false;
    }
    if (host_memory_backend_is_mapped(s->memdev)) {
        error_setg(errp, "memdev is used by another device");
        return false;
    }
    mr = host_memory_backend_get_memory(s->memdev);
    if (memory_region_is_rom(mr)) {
        error_setg(errp, "memdev '%s' is read-only; the device needs memory "
                   "that it can write to",
                   object_get_canonical_path_component(OBJECT(s->memdev)));
        return false;
    }
    s->capacity = memory_region_size(mr);
    if (s->capacity % unit) {
        error_setg(errp, "size of memdev, 0x%" PRIx64 ", is not a multiple of "
                   "256 MiB", s->capacity);
        return false;
    }
    if (s->decoders != 1 &&
        (!s->decoders || s->decoders % 2 ||
         s->decoders > CXL_HDM_DECODER_COUNT)) {
        error_setg(errp, "hdm-decoders, %u, is neither 1 nor an even number up "
                   "to %u", s->decoders, CXL_HDM_DECODER_COUNT);
        return false;
    }
    if (!s->commit_decoders || s->commit_decoders > s->decoders ||
        s->capacity % (s->commit_decoders * unit)) {
        error_setg(errp, "x-commit-decoders: %u of %u decoders cannot share "
                   "0x%" PRIx64 " bytes in units of 256 MiB",
                   s->commit_decoders, s->decoders, s->capacity);
        return false;
    }
    if (!is_power_of_2(s->bar_size) ||
        s->bar_size < 2 * CXL2_COMPONENT_BLOCK_SIZE) {
        error_setg(errp, "component-bar-size is not a power of two, at least "
                   "128 KiB");
        return false;
    }
    if (s->component_offset % CXL2_COMPONENT_BLOCK_SIZE ||
        s->component_offset > s->bar_size - CXL2_COMPONENT_BLOCK_SIZE) {
        error_setg(errp, "component-offset is not a multiple of 64 KiB inside "
                   "the BAR");
        return false;
    }
    if (s->reset_timeout > CXL_TYPE2_RESET_TIMEOUT_MAX) {
        error_setg(errp, "x-cxl-reset-timeout, %u, is above %u",
                   s->reset_timeout, CXL_TYPE2_RESET_TIMEOUT_MAX);
        return false;
    }
    if (s->config_lock && !s->firmware_committed) {
        error_setg(errp, "x-config-lock=on is for firmware to do, and needs "
                   "firmware-committed=on; found off");
        return false;
    }
    return true;
}

/* ---- properties that can be set at any time ---- */

static const QEnumLookup ct2_reset_fail_lookup = {
    .array = (const char *const[]) {
        [CXL_TYPE2_RESET_OK] = "off",
        [CXL_TYPE2_RESET_ERROR] = "error",
        [CXL_TYPE2_RESET_STUCK] = "stuck",
    },
    .size = CXL_TYPE2_RESET_STUCK + 1,
};

static const QEnumLookup ct2_media_lookup = {
    .array = (const char *const[]) {
        [CXL_TYPE2_MEDIA_VOLATILE] = "volatile",
        [CXL_TYPE2_MEDIA_NONVOLATILE] = "nonvolatile",
        [CXL_TYPE2_MEDIA_CDAT] = "cdat",
    },
    .size = CXL_TYPE2_MEDIA_CDAT + 1,
};

static int ct2_get_reset_fail(Object *obj, Error **errp)
{
    return CXL_TYPE2(obj)->reset_fail;
}

static void ct2_set_reset_fail(Object *obj, int value, Error **errp)
{
    CXL_TYPE2(obj)->reset_fail = value;
}

static int ct2_get_media(Object *obj, Error **errp)
{
    return CXL_TYPE2(obj)->media;
}

static void ct2_set_media(Object *obj, int value, Error **errp)
{
    CXL_TYPE2(obj)->media = value;
}

static bool ct2_get_lose_decoder(Object *obj, Error **errp)
{
    return CXL_TYPE2(obj)->lose_decoder;
}

static void ct2_set_lose_decoder(Object *obj, bool value, Error **errp)
{
    CXL_TYPE2(obj)->lose_decoder = value;
}

/* Those that decide whether the memory answers */
static void ct2_set_gate(Object *obj, bool *property, bool value)
{
    *property = value;
    if (DEVICE(obj)->realized) {
        cxl_type2_memory_update(CXL_TYPE2(obj));
    }
}

static bool ct2_get_keep_locked(Object *obj, Error **errp)
{
    return CXL_TYPE2(obj)->keep_locked;
}

static void ct2_set_keep_locked(Object *obj, bool value, Error **errp)
{
    ct2_set_gate(obj, &CXL_TYPE2(obj)->keep_locked, value);
}

static bool ct2_get_survives_flr(Object *obj, Error **errp)
{
    return CXL_TYPE2(obj)->engine.survives_flr;
}

static void ct2_set_survives_flr(Object *obj, bool value, Error **errp)
{
    ct2_set_gate(obj, &CXL_TYPE2(obj)->engine.survives_flr, value);
}

void cxl_type2_props_class_init(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "x-cxl-reset-fail", "CXLType2ResetFail",
                                   &ct2_reset_fail_lookup, ct2_get_reset_fail,
                                   ct2_set_reset_fail);
    object_class_property_add_enum(oc, "x-media-type", "CXLType2Media",
                                   &ct2_media_lookup, ct2_get_media,
                                   ct2_set_media);
    object_class_property_add_bool(oc, "x-lose-decoder", ct2_get_lose_decoder,
                                   ct2_set_lose_decoder);
    object_class_property_add_bool(oc, "x-keep-locked", ct2_get_keep_locked,
                                   ct2_set_keep_locked);
    object_class_property_add_bool(oc, "x-engine-survives-flr",
                                   ct2_get_survives_flr, ct2_set_survives_flr);
}

void cxl_type2_props_instance_init(Object *obj)
{
    CXLType2Dev *s = CXL_TYPE2(obj);

    object_property_add_uint32_ptr(obj, "x-cxl-reset-delay", &s->reset_delay,
                                   OBJ_PROP_FLAG_READWRITE);
    object_property_add_uint32_ptr(obj, "x-mem-info-delay", &s->mem_info_delay,
                                   OBJ_PROP_FLAG_READWRITE);
    object_property_add_uint32_ptr(obj, "x-mem-active-delay",
                                   &s->mem_active_delay,
                                   OBJ_PROP_FLAG_READWRITE);
    object_property_add_uint32_ptr(obj, "x-engine-delay", &s->engine.delay,
                                   OBJ_PROP_FLAG_READWRITE);
}
