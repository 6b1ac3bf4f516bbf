// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where devices go in a guest; that QEMU takes it is shown in the host VM
 */
#include <string.h>

#include "fake.h"
#include "guest.h"

/* A device with memory of @size at @bdf, beside the one of the fake host */
static struct device *other(const struct host *host, const char *bdf, uint64_t size)
{
	struct device *device = device_collect(host, BDF, NULL);

	device->bdf = g_intern_string(bdf);
	device->gate.known = true;
	device->gate.committed = size;
	device->gate.base = BASE;
	device->gate.size = size;
	return device;
}

static char *joined(const struct plan *plan)
{
	g_autoptr(GPtrArray) words = plan_qemu(plan);

	g_ptr_array_add(words, NULL);
	return g_strjoinv(" ", (char **)words->pdata);
}

static struct plan *plan_of(const struct host *host, const uint64_t *sizes,
			    unsigned int count)
{
	g_autoptr(GPtrArray) devices =
		g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
	struct plan *plan;
	unsigned int i;
	static GPtrArray *kept;		/* a plan refers to its devices */

	for (i = 0; i < count; i++) {
		g_autofree char *bdf = g_strdup_printf("0000:%02x:00.0", i);

		g_ptr_array_add(devices, other(host, bdf, sizes[i]));
	}
	plan = plan_new(host, devices, NULL);
	g_clear_pointer(&kept, g_ptr_array_unref);
	kept = g_ptr_array_ref(devices);
	return plan;
}

static void one_device(void)
{
	static const char * const wants[] = {
		"-machine", "q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=256M",
		"-object", "iommufd,id=iommufd0",
		"-device", "pxb-cxl,bus_nr=32,bus=pcie.0,id=cxl.1",
		"-device", "cxl-rp,port=0,bus=cxl.1,id=rp0,chassis=200,slot=0",
		"-device", "vfio-pci,host=0000:00:00.0,id=accel0,bus=rp0,iommufd=iommufd0,cxl=on",
	};
	struct host *host;
	const uint64_t size = SIZE;
	g_autofree char *text = NULL;
	g_auto(GStrv) words = NULL;
	struct plan *plan;
	unsigned int i;

	fake_host();
	host = host_collect();
	plan = plan_of(host, &size, 1);
	text = joined(plan);
	words = g_strsplit(text, " ", 0);
	for (i = 0; i < G_N_ELEMENTS(wants); i++)
		g_assert_cmpstr(words[i], ==, wants[i]);
	g_assert_null(words[i]);
	plan_free(plan);
	host_free(host);
}

/* 4 x 96 GiB, each at a multiple of a GiB; 3.5 GiB; and one without memory */
static void sizes(void)
{
	const uint64_t sizes[] = {
		96ull << 30, 96ull << 30, 7ull << 29, 96ull << 30, 96ull << 30, 0,
	};
	struct host *host;
	g_autofree char *text = NULL;
	struct plan *plan;

	fake_host();
	fake_delete("/dev/iommu");
	fake_file("/boot/config-7.3.4-fake", "CONFIG_VFIO_DEVICE_CDEV=y\n");
	host = host_collect();
	plan = plan_of(host, sizes, G_N_ELEMENTS(sizes));
	text = joined(plan);
	g_assert_cmpuint(plan->window[0], ==, (4 * 97ull + 5) << 30);
	g_assert_nonnull(strstr(text, "cxl-fmw.0.size=402432M "));
	g_assert_null(strstr(text, "iommufd"));
	g_assert_nonnull(strstr(text, "host=0000:04:00.0,id=accel4,bus=rp4,cxl=on "));
	g_assert_true(g_str_has_suffix(text, "host=0000:05:00.0,id=accel5,bus=rp5"));
	plan_free(plan);
	host_free(host);
}

/* Ten decoders are all that a host bridge has, and port numbers are unique in it. */
static void bridges(void)
{
	g_autofree uint64_t *sizes = g_new(uint64_t, 81);
	struct host *host;
	g_autofree char *text = NULL;
	struct plan *plan;
	unsigned int i;

	fake_host();
	host = host_collect();
	for (i = 0; i < 81; i++)
		sizes[i] = i < 10 ? 0 : SIZE;
	plan = plan_of(host, sizes, 12);
	text = joined(plan);
	g_assert_cmpuint(plan->bridges, ==, 2);
	/* The first bridge needs no window: the only one there is, is of the second. */
	g_assert_nonnull(strstr(text, "q35,cxl=on,cxl-fmw.0.targets.0=cxl.2,cxl-fmw.0.size=512M "));
	g_assert_nonnull(strstr(text, "pxb-cxl,bus_nr=48,bus=pcie.0,id=cxl.2 "));
	g_assert_nonnull(strstr(text, "cxl-rp,port=9,bus=cxl.1,id=rp9,chassis=200,slot=9 "));
	g_assert_nonnull(strstr(text, "cxl-rp,port=0,bus=cxl.2,id=rp10,chassis=201,slot=0 "));
	plan_free(plan);
	plan = plan_of(host, sizes, 80);
	g_assert_cmpuint(plan->bridges, ==, 8);
	plan_free(plan);
	g_assert_null(plan_of(host, sizes, 81));
	host_free(host);
}

static void assert_refused(const struct host *host, struct device *a,
			   struct device *b, const char *want)
{
	g_autoptr(GPtrArray) devices =
		g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
	g_autoptr(GError) error = NULL;

	g_ptr_array_add(devices, a);
	if (b)
		g_ptr_array_add(devices, b);
	g_assert_null(plan_new(host, devices, &error));
	g_assert_nonnull(strstr(error->message, want));
}

static void refusals(void)
{
	struct host *host;

	fake_host();
	fake_no_endpoint = true;
	host = host_collect();
	assert_refused(host, other(host, BDF, SIZE), other(host, BDF, SIZE), "given twice");
	fake_config(0x1f, true, 64);
	assert_refused(host, device_collect(host, BDF, NULL), NULL, "run as root");
	fake_config(0x1b, true, 4096);
	assert_refused(host, device_collect(host, BDF, NULL), NULL, "without CXL.mem");
	host_free(host);
}

static void libvirt(void)
{
	static const char * const wants[] = {
		"<controller type='pci' index='20' model='pcie-expander-bus'>",
		"<target busNr='32'/>",
		"<controller type='pci' index='22' model='pcie-root-port'>",
		"<target chassis='22' port='1'/>",
		"<address type='pci' bus='20' slot='1' function='0'/>",
		"<driver model='vfio-cxl-pci'/>",
		"<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>",
		"<address type='pci' bus='22' slot='0' function='0'/>",
		"<qemu:arg value='cxl=on,cxl-fmw.0.targets.0=pci.20,cxl-fmw.0.size=512M'/>",
		"<alias name='ua-accel1'/>",
		"<qemu:device alias='pci.20'>",
		"<qemu:device alias='ua-accel1'>",
	};
	const uint64_t sizes[] = { SIZE, SIZE };
	struct host *host;
	g_autofree char *xml = NULL;
	struct plan *plan;
	unsigned int i;

	fake_host();
	host = host_collect();
	plan = plan_of(host, sizes, 2);
	xml = plan_libvirt(plan, 20);
	for (i = 0; i < G_N_ELEMENTS(wants); i++)
		if (!strstr(xml, wants[i]))
			g_error("no %s in %s", wants[i], xml);
	plan_free(plan);
	host_free(host);
}

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/guest/one-device", one_device);
	g_test_add_func("/guest/sizes", sizes);
	g_test_add_func("/guest/bridges", bridges);
	g_test_add_func("/guest/refusals", refusals);
	g_test_add_func("/guest/libvirt", libvirt);
	status = g_test_run();
	fake_remove();
	return status;
}
