// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: When a bind must wait
 *
 * When a driver that uses the CXL core leaves a device, the CXL core queues work
 * (detach_memdev()) that takes the driver away from the device: the one it was
 * queued for, or whichever has been bound meanwhile. A bind right after an
 * unbind, as management tools do it, would be undone.
 *
 * That work needs the device's lock, which is held in probe. So the driver keeps
 * watch over unbinds of CXL devices, flushes the CXL core's workqueue after each,
 * and has a probe that comes earlier deferred; it is done when the flush is over.
 *
 * A probe that comes before the CXL core knows the topology is deferred, too.
 */
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "priv.h"

/* Exported, but in no header outside drivers/cxl */
extern const struct bus_type cxl_bus_type;

/**
 * struct unbound - a device that lost its driver
 * @node: in unbound_list
 * @work: flushes the CXL core's workqueue
 * @dev: the device, with a reference
 * @deferred: a probe was deferred, and is to be done
 * @deferring: the driver core has not yet told of that
 */
struct unbound {
	struct list_head node;
	struct work_struct work;
	struct device *dev;
	bool deferred;
	bool deferring;
};

static LIST_HEAD(unbound_list);
static DEFINE_MUTEX(unbound_lock);	/* unbound_list */
static struct workqueue_struct *unbound_wq;
static const struct bus_attribute *cxl_flush;

/* What "echo 1 > /sys/bus/cxl/flush" is, the CXL core's own way to wait */
static const struct bus_attribute *find_cxl_flush(void)
{
	const struct attribute_group *const *group;
	struct attribute **attr;

	for (group = cxl_bus_type.bus_groups; group && *group; group++)
		for (attr = (*group)->attrs; attr && *attr; attr++)
			if (!strcmp((*attr)->name, "flush"))
				return container_of(*attr, struct bus_attribute,
						    attr);
	return NULL;
}

static void unbound_work(struct work_struct *work)
{
	struct unbound *u = container_of(work, struct unbound, work);

	cxl_flush->store(&cxl_bus_type, "1", 1);
	scoped_guard(mutex, &unbound_lock)
		list_del(&u->node);
	if (u->deferred && device_attach(u->dev) < 0)
		dev_dbg(u->dev, "deferred bind failed\n");
	put_device(u->dev);
	kfree(u);
}

static struct unbound *find_unbound(struct device *dev)
{
	struct unbound *u;

	list_for_each_entry(u, &unbound_list, node)
		if (u->dev == dev)
			return u;
	return NULL;
}

static void watch(struct device *dev)
{
	struct unbound *u = kzalloc_obj(*u);

	if (!u)
		return;	/* and a bind may be undone */
	u->dev = get_device(dev);
	INIT_WORK(&u->work, unbound_work);
	list_add_tail(&u->node, &unbound_list);
	queue_work(unbound_wq, &u->work);
}

static int bus_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;
	struct unbound *u;

	if (action != BUS_NOTIFY_UNBOUND_DRIVER &&
	    action != BUS_NOTIFY_DRIVER_NOT_BOUND)
		return NOTIFY_DONE;
	if (!pcie_is_cxl(to_pci_dev(dev)))
		return NOTIFY_DONE;

	guard(mutex)(&unbound_lock);
	u = find_unbound(dev);
	/* A probe that has just been deferred leaves nothing behind. */
	if (u && u->deferring)
		u->deferring = false;
	else
		watch(dev);
	return NOTIFY_DONE;
}

static struct notifier_block bus_nb = { .notifier_call = bus_notify };

/**
 * vfio_cxl_bind_must_wait - whether a bind now might be undone
 * @dev: device that is being probed
 *
 * Return: true if the probe must be deferred; the device is then probed again
 * without anybody asking, within milliseconds.
 */
bool vfio_cxl_bind_must_wait(struct device *dev)
{
	struct unbound *u;

	guard(mutex)(&unbound_lock);
	u = find_unbound(dev);
	if (!u)
		return false;
	u->deferred = true;
	u->deferring = true;
	return true;
}

static int is_root(struct device *dev, const void *unused)
{
	return strstarts(dev_name(dev), "root");
}

/**
 * vfio_cxl_bind_has_root - whether the CXL core knows the CXL topology
 *
 * It does when cxl_acpi has found all of it, and is bound to the device that is
 * the parent of the root. Host bridges, whose driver binds on the way, are not
 * enough. With each driver that binds, that one being the last, the driver core
 * tries deferred probes again.
 *
 * Return: true if so. This is a hint: no lock keeps it true.
 */
bool vfio_cxl_bind_has_root(void)
{
	struct device *root = bus_find_device(&cxl_bus_type, NULL, NULL,
					      is_root);
	bool found = root && root->parent && device_is_bound(root->parent);

	put_device(root);
	return found;
}

/**
 * vfio_cxl_bind_init - keep watch from now on
 *
 * Return: 0 or an error.
 */
int vfio_cxl_bind_init(void)
{
	int rc;

	cxl_flush = find_cxl_flush();
	if (!cxl_flush) {
		pr_err("the CXL core has no \"flush\" attribute, cannot wait for unbinds\n");
		return -EOPNOTSUPP;
	}
	unbound_wq = alloc_ordered_workqueue(KBUILD_MODNAME, 0);
	if (!unbound_wq)
		return -ENOMEM;
	rc = bus_register_notifier(&pci_bus_type, &bus_nb);
	if (rc) {
		destroy_workqueue(unbound_wq);
		return rc;
	}
	/* What was queued before the watch began */
	cxl_flush->store(&cxl_bus_type, "1", 1);
	return 0;
}

/**
 * vfio_cxl_bind_exit - keep watch no longer
 */
void vfio_cxl_bind_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &bus_nb);
	destroy_workqueue(unbound_wq);
}
