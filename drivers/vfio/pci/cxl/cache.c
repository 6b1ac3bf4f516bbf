// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: CPU caches
 *
 * CPUs cache the device memory. A line that is written back while the decoder
 * is gone or the device sleeps is lost, or worse; one that is left over may
 * later hide what the device wrote, or bring back what the device cleared. So
 * before the memory goes away all lines that may be cached are written back and
 * dropped.
 *
 * The kernel can do that for all CPUs and caches at once
 * (cpu_cache_invalidate_memregion(): WBINVD on x86), which stalls the whole
 * host. A guest can cause it, so not more often than a host can bear; otherwise,
 * and where the kernel cannot do it (in a virtual machine, on most arm64), line
 * by line, which costs only who asked for it.
 */
#include <linux/io.h>
#include <linux/libnvdimm.h>
#include <linux/memregion.h>
#include <linux/ratelimit.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "priv.h"

#ifndef CONFIG_ARCH_HAS_PMEM_API
#error "vfio-cxl-pci needs an architecture that can write back cache lines"
#endif

/* Bytes handled between two points where the CPU may do something else */
#define CACHE_CHUNK	SZ_64K

/* Of all devices: a stall of the host every 2.5 seconds */
static struct ratelimit_state wbinvd_limit =
	RATELIMIT_STATE_INIT_FLAGS(wbinvd_limit, 10 * HZ, 4,
				   RATELIMIT_MSG_ON_RELEASE);

static bool flush_all_caches(struct vfio_cxl_device *cxl)
{
	if (!cpu_cache_has_invalidate_memregion() || !__ratelimit(&wbinvd_limit))
		return false;
	if (cpu_cache_invalidate_memregion(cxl->decoder.base, cxl->decoder.size))
		return false;
	atomic_long_inc(&cxl->stats.flushes);
	return true;
}

static void flush_lines(void *p, u64 len)
{
	/* In this order: on arm64 the second one discards dirty lines. */
	arch_wb_cache_pmem(p, len);
	arch_invalidate_pmem(p, len);
}

/**
 * vfio_cxl_flush_cpu_caches - write back and drop what CPUs cache of the memory
 * @cxl: device; no user has a translation for its memory
 * @kaddr: kernel mapping of it
 *
 * Does nothing when no CPU touched the memory since the last time.
 */
void vfio_cxl_flush_cpu_caches(struct vfio_cxl_device *cxl, void *kaddr)
{
	u64 off, lo, hi;

	scoped_guard(spinlock, &cxl->gate.touched_lock) {
		lo = ALIGN_DOWN(cxl->gate.touched_lo, CACHE_CHUNK);
		hi = cxl->gate.touched_hi;
		cxl->gate.touched_lo = U64_MAX;
		cxl->gate.touched_hi = 0;
	}
	if (!hi || flush_all_caches(cxl))
		return;
	for (off = lo; off < hi; off += CACHE_CHUNK) {
		flush_lines(kaddr + off, CACHE_CHUNK);
		cond_resched();
	}
	atomic_long_add((hi - lo) / L1_CACHE_BYTES, &cxl->stats.flushed_lines);
}

/**
 * vfio_cxl_clear_by_cpu - zero all of the device memory
 * @cxl: device, closed and quiet, with its decoder in place
 *
 * On return the zeroes are in the device, not in caches.
 *
 * Return: 0, -ENOMEM when the memory cannot be mapped, or -EAGAIN when the
 * device was reset meanwhile: some of the zeroes may not have arrived.
 */
int vfio_cxl_clear_by_cpu(struct vfio_cxl_device *cxl)
{
	void *kaddr = memremap(cxl->mem->hpa.start, cxl->decoder.size,
			       MEMREMAP_WB);
	unsigned int seq;
	bool active;
	int rc = 0;
	u64 off;

	if (!kaddr)
		return -ENOMEM;
	seq = vfio_cxl_reset_seq(cxl, &active);
	if (active)
		rc = -EAGAIN;
	for (off = 0; !rc && off < cxl->decoder.size; off += CACHE_CHUNK) {
		/* A reset waits for the piece, and nothing follows it. */
		scoped_guard(rwsem_read, &cxl->gate.lock) {
			if (seq != cxl->gate.seq) {
				rc = -EAGAIN;
			} else {
				memset(kaddr + off, 0, CACHE_CHUNK);
				flush_lines(kaddr + off, CACHE_CHUNK);
			}
		}
		cond_resched();
	}
	memunmap(kaddr);
	vm_unmap_aliases();
	return rc;
}
