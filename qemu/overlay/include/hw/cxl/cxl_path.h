/*
 * CXL: place an endpoint's memory and commit the decoders that lead to it
 *
 * Platform firmware does two things for an accelerator whose memory the OS is
 * to find in place: it chooses a range in a CXL Fixed Memory Window, and it
 * commits, and usually locks, every HDM decoder on the path from the window to
 * the endpoint to exactly that range. This is that firmware.
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CXL_PATH_H
#define CXL_PATH_H

#include "exec/hwaddr.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/pci_device.h"
#include "qemu/queue.h"
#include "qemu/units.h"
#include "system/memory.h"

/** CXL_PATH_ANY: any base address will do */
#define CXL_PATH_ANY UINT64_MAX

/** CXL_PATH_ALIGN: base and size of an HDM decoder come in units of 256 MiB */
#define CXL_PATH_ALIGN (256 * MiB)

typedef struct CXLPath CXLPath;

/**
 * struct CXLPath - one endpoint's memory and the way to it
 * @dev: the endpoint, below a CXL root port or a CXL switch
 * @mr: its memory; must be @size bytes and stay valid until
 *      cxl_path_unregister(). It is a subregion of the region of @mapped_fw
 *      while that is not NULL.
 * @size: bytes that decoder 0 maps, a multiple of CXL_PATH_ALIGN
 * @wanted: first address asked for by the user, or CXL_PATH_ANY
 * @commit: program, commit and lock the endpoint's own decoder 0 to @base and
 *          @size. Called with @fw and @base valid. On failure it must leave
 *          the endpoint's decoder uncommitted, set @errp and return false;
 *          then neither decoders nor memory of this path are set up.
 * @fw: the window chosen, NULL while not placed
 * @base: first address, valid while @fw is not NULL
 * @committed: every decoder of the path is committed to @base, by
 *             firmware, and @mr is mapped there
 * @mapped_fw: the window that @mr is mapped in, by firmware's commitment or by
 *             software's (see cxl_path_follow()), or NULL
 * @mapped_base: where, valid while @mapped_fw is not NULL
 * @next: list of all paths, in order of registration
 *
 * The owner sets the fields up to @commit; the others are read-only to it.
 * All of it is protected by the BQL.
 */
struct CXLPath {
    PCIDevice *dev;
    MemoryRegion *mr;
    uint64_t size;
    hwaddr wanted;
    bool (*commit)(CXLPath *path, Error **errp);

    CXLFixedWindow *fw;
    hwaddr base;
    bool committed;
    CXLFixedWindow *mapped_fw;
    hwaddr mapped_base;
    QTAILQ_ENTRY(CXLPath) next;
};

/**
 * cxl_path_register: have an endpoint's memory placed and its path committed
 * @path: filled in by the caller, which keeps it until cxl_path_unregister()
 * @errp: pointer to a NULL-initialized error object
 *
 * To be called from realize. The path is placed when the machine is complete
 * (an error then ends QEMU with a message that names the windows tried), and
 * committed at the end of every system reset, once all devices are reset.
 * When the machine is already complete, that is for a hot-plugged device, both
 * happen before this function returns. Once the guest may have read the host
 * bridge's decoders, only a range that is committed there already can be had:
 * one that an unplugged device of the same size left at that port, or one of
 * cxl_path_reserve().
 *
 * Returns: false, with @errp set and nothing registered, when the device is
 * not below a CXL host bridge, @size or @wanted is not a multiple of
 * CXL_PATH_ALIGN, the host bridge was told to have no HDM decoders
 * (hdm_for_passthrough=off), a port on the way has the number of another, or,
 * on hotplug, there is no room.
 */
bool cxl_path_register(CXLPath *path, Error **errp);

/**
 * cxl_path_unregister: take the memory out of the window and forget the path
 * @path: a path that was registered, or only followed (cxl_path_follow()), or a
 *        zeroed one, which is left alone
 *
 * The decoders of the host bridge and of switches that led to it stay as they
 * are until the next reset. The endpoint's own decoder is the caller's.
 */
void cxl_path_unregister(CXLPath *path);

/**
 * cxl_path_lost: the endpoint lost its decoder in a reset
 * @path: a path, registered or only followed, or a zeroed one, which is left
 *        alone
 *
 * To be called at the end of every reset that takes the endpoint's decoder.
 * Takes the memory out of the window, as after a secondary bus reset. The
 * next system reset commits the path again.
 *
 * When the device alone was reset, not its bus, it was just plugged in (qdev
 * resets it again after realize) or its slot was powered up. That is a start
 * for the endpoint, and the path is committed again at once.
 */
void cxl_path_lost(CXLPath *path);

/**
 * cxl_path_withdraw: the endpoint lost its decoder, and firmware has no part
 * @path: a registered path, or a zeroed one, which is left alone
 *
 * As cxl_path_lost(), for a reset of the device alone that software asked the
 * device for, so that it is up to software to commit the decoder again.
 */
void cxl_path_withdraw(CXLPath *path);

/**
 * cxl_path_follow: software committed the endpoint's decoder, or took it back
 * @path: a path, registered or not, of which @dev, @mr and @size are set
 * @d: the endpoint's only committed decoder, or one that is not committed
 *
 * To be called when the endpoint's decoder has changed, and when those on the
 * way have (CXLMemEndpointClass.update). Has @mr appear where @d says, if that
 * is in a window and all decoders on the way lead to the endpoint; otherwise it
 * disappears. Does nothing while firmware's commitment holds.
 */
void cxl_path_follow(CXLPath *path, const CXLHDMDecoder *d);

/**
 * cxl_path_reserve: have a range committed for an endpoint that may be plugged
 * @rp: a CXL root port
 * @size: bytes of the endpoint's memory, a multiple of CXL_PATH_ALIGN
 * @errp: pointer to a NULL-initialized error object
 *
 * To be called from realize of @rp, which stays for the life of the machine.
 * From the first reset on a decoder of the host bridge leads to @rp. An
 * endpoint of that size takes the range when it is plugged in there, and leaves
 * it when it is unplugged. If there is no room, QEMU ends when the machine is
 * complete, with a message that names the windows tried.
 *
 * Returns: false, with @errp set, when @size is no such multiple, or the host
 * bridge cannot have decoders.
 */
bool cxl_path_reserve(PCIDevice *rp, uint64_t size, Error **errp);

#endif /* CXL_PATH_H */
