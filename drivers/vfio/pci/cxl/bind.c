// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: When a bind must wait
 *
 * When a driver that uses the CXL core is unbound, the CXL core queues work
 * (detach_memdev()) that releases the device's driver, even if another driver has
 * been bound meanwhile. A bind right after an unbind, which management tools do,
 * would be undone.
 *
 * That work needs the device lock, which probe holds, so probe cannot wait for it.
 * The driver therefore monitors unbinds of CXL devices, flushes the CXL core's
 * workqueue after each, and defers a probe that comes before the flush is done.
 *
 * A probe before the CXL core has enumerated the topology is also deferred.
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
 * @deferred: a probe was deferred and must be retried
 * @deferring: the driver core has not reported that deferral yet
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

/* Same as "echo 1 > /sys/bus/cxl/flush" */
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
		return;	/* A bind may be undone. */
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
 * vfio_cxl_bind_must_wait - test whether a bind might be undone
 * @dev: device being probed
 *
 * Return: true if the probe must be deferred. It is then retried automatically
 * within milliseconds.
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
 * vfio_cxl_bind_has_root - test whether the CXL core has enumerated the topology
 *
 * It has when cxl_acpi is bound to the parent of the CXL root. Host bridges are
 * not sufficient, because their driver binds during enumeration. The driver core
 * retries deferred probes whenever a driver binds, and cxl_acpi is the last one.
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
 * vfio_cxl_bind_init - start to monitor unbinds
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
	/* Flush work that was queued before. */
	cxl_flush->store(&cxl_bus_type, "1", 1);
	return 0;
}

/**
 * vfio_cxl_bind_exit - stop monitoring unbinds
 */
void vfio_cxl_bind_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &bus_nb);
	destroy_workqueue(unbound_wq);
}
