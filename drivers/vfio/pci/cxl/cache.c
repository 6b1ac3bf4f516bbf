// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: CPU caches
 *
 * CPUs cache device memory. A dirty line that is written back after the decoder
 * is lost or the device is suspended is dropped or causes an error. A stale line
 * may hide later writes of the device, or overwrite memory that the device has
 * cleared. Therefore all lines that may be cached are written back and invalidated
 * before the memory becomes unreachable.
 *
 * cpu_cache_invalidate_memregion() does this for all caches (WBINVD on x86), but
 * stalls the whole host. As a guest can trigger it, it is ratelimited. Beyond the
 * limit, small amounts of memory are flushed line by line at the expense of the
 * caller, and for large amounts the caller waits, unless it is killed. Where the kernel has no such
 * operation (in a virtual machine, on most arm64), memory is always flushed line
 * by line.
 */
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/libnvdimm.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/memregion.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "priv.h"

#ifndef CONFIG_ARCH_HAS_PMEM_API
#error "vfio-cxl-pci needs an architecture that can write back cache lines"
#endif

/* Bytes to process between two calls of cond_resched() */
#define CACHE_CHUNK	SZ_64K

/* Accesses are tracked in at most this many pieces of at least 2 MiB. */
#define CACHE_PIECES	4096
/* Larger amounts are not flushed line by line if there is another way. */
#define CACHE_LINES_MAX	SZ_256M

/* Interval of progress messages */
#define PROGRESS_INTERVAL	(5 * HZ)

/* For all devices together: one stall of the host every 2.5 seconds */
static struct ratelimit_state wbinvd_limit =
	RATELIMIT_STATE_INIT_FLAGS(wbinvd_limit, 10 * HZ, 4,
				   RATELIMIT_MSG_ON_RELEASE);

static bool flush_all_caches(struct vfio_cxl_device *cxl, u64 touched)
{
	if (!cpu_cache_has_invalidate_memregion())
		return false;
	while (!__ratelimit(&wbinvd_limit)) {
		if (touched <= CACHE_LINES_MAX)
			return false;
		/* Nobody is to wait for a task that ends, or for it to flush lines. */
		if (fatal_signal_pending(current) ||
		    READ_ONCE(cxl->cxl_reset.cancel))
			break;
		schedule_timeout_killable(HZ / 10);
	}
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

static u64 piece_size(struct vfio_cxl_device *cxl)
{
	u64 size = cxl->decoder.size / CACHE_PIECES;

	return size <= SZ_2M ? SZ_2M : roundup_pow_of_two(size);
}

static unsigned long nr_pieces(struct vfio_cxl_device *cxl)
{
	return DIV_ROUND_UP_ULL(cxl->decoder.size, piece_size(cxl));
}

/**
 * vfio_cxl_cache_init - start to track CPU accesses
 * @cxl: a firmware-committed device, being bound
 *
 * Return: 0 or -ENOMEM.
 */
int vfio_cxl_cache_init(struct vfio_cxl_device *cxl)
{
	cxl->gate.touched = kvcalloc(BITS_TO_LONGS(nr_pieces(cxl)),
				     sizeof(long), GFP_KERNEL);
	return cxl->gate.touched ? 0 : -ENOMEM;
}

/**
 * vfio_cxl_cache_touch - record that CPU caches may hold lines of the memory
 * @cxl: device; the caller holds gate.lock
 * @off: DPA of the first byte
 * @len: bytes, not zero
 */
void vfio_cxl_cache_touch(struct vfio_cxl_device *cxl, u64 off, u64 len)
{
	unsigned long first = off / piece_size(cxl);
	unsigned long last = (off + len - 1) / piece_size(cxl);

	guard(spinlock)(&cxl->gate.touched_lock);
	bitmap_set(cxl->gate.touched, first, last - first + 1);
}

/* In a virtual machine the caches are the responsibility of the hypervisor. */
static bool in_virtual_machine(void)
{
#ifdef CONFIG_X86
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
#else
	return false;
#endif
}

/**
 * vfio_cxl_flush_cpu_caches - write back and invalidate CPU caches of the memory
 * @cxl: device; the gate is closed
 * @kaddr: kernel mapping of the memory
 *
 * The cost depends on what CPUs have touched since the last flush. A virtual
 * machine can only flush line by line, and skips large amounts of memory; see
 * vfio_cxl_caches_dropped().
 */
void vfio_cxl_flush_cpu_caches(struct vfio_cxl_device *cxl, void *kaddr)
{
	const unsigned long nr = nr_pieces(cxl);
	const u64 size = piece_size(cxl);
	u64 off, end, touched;
	unsigned long i;

	touched = bitmap_weight(cxl->gate.touched, nr) * size;
	if (!touched)
		return;
	if (flush_all_caches(cxl, touched)) {
		bitmap_zero(cxl->gate.touched, nr);
		return;
	}
	if (touched > CACHE_LINES_MAX && in_virtual_machine())
		return;
	for_each_set_bit(i, cxl->gate.touched, nr) {
		end = min(i * size + size, cxl->decoder.size);
		for (off = i * size; off < end; off += CACHE_CHUNK) {
			flush_lines(kaddr + off, CACHE_CHUNK);
			cond_resched();
		}
	}
	bitmap_zero(cxl->gate.touched, nr);
	atomic_long_add(touched / L1_CACHE_BYTES, &cxl->stats.flushed_lines);
}

/**
 * vfio_cxl_caches_dropped - test whether CPU caches hold no lines of the memory
 * @cxl: device, closed
 *
 * Otherwise a later write-back may undo what the device has written or cleared.
 *
 * Return: true if they hold none.
 */
bool vfio_cxl_caches_dropped(struct vfio_cxl_device *cxl)
{
	return bitmap_empty(cxl->gate.touched, nr_pieces(cxl));
}

/**
 * vfio_cxl_clear_by_cpu - zero all of the device memory
 * @cxl: device, closed and quiet, with its decoder in place
 *
 * On return the zeroes have been written back to the device.
 *
 * Return: 0, -ENOMEM if the memory cannot be mapped, -EAGAIN if the device was
 * reset meanwhile, so that zeroes may be lost, or -EINTR if the task was killed.
 */
int vfio_cxl_clear_by_cpu(struct vfio_cxl_device *cxl)
{
	void *kaddr = memremap(cxl->mem->hpa.start, cxl->decoder.size,
			       MEMREMAP_WB);
	unsigned long tell = jiffies + PROGRESS_INTERVAL;
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
		/* A reset waits for this chunk, and is detected before the next. */
		scoped_guard(rwsem_read, &cxl->gate.lock) {
			if (seq != cxl->gate.seq) {
				rc = -EAGAIN;
			} else {
				memset(kaddr + off, 0, CACHE_CHUNK);
				flush_lines(kaddr + off, CACHE_CHUNK);
			}
		}
		cond_resched();
		if (vfio_cxl_killed())
			rc = -EINTR;
		if (time_after(jiffies, tell)) {
			pci_info(cxl->core.pdev, "clearing device memory: %llu of %llu MiB\n",
				 off / SZ_1M, cxl->decoder.size / SZ_1M);
			tell = jiffies + PROGRESS_INTERVAL;
		}
	}
	memunmap(kaddr);
	vm_unmap_aliases();
	if (!rc)
		bitmap_zero(cxl->gate.touched, nr_pieces(cxl));
	return rc;
}
