// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the pure models: each vector of vectors.h is one case
 *
 * The same vectors, and far more, run in user space: tools/testing/vfio-cxl.
 * What is tested here is that the kernel's compiler and flags make no
 * difference.
 */
#include <kunit/test.h>

#include <linux/array_size.h>
#include <linux/module.h>

#include "vectors.h"

/*
 * The driver exports nothing, so that a module has the models once more. When
 * built in it is linked with the driver, which Kconfig sees to, and uses the
 * driver's.
 */
#ifdef MODULE
#include "../dvsec.c"
#include "../hdm.c"
#endif

static void hdm_desc(struct kunit *test, const void *param, char *desc)
{
	const struct hdm_vector *v = param;

	strscpy(desc, v->name, KUNIT_PARAM_DESC_SIZE);
}

static int hdm_params(struct kunit *test)
{
	kunit_register_params_array(test, hdm_vectors, ARRAY_SIZE(hdm_vectors),
				    hdm_desc);
	return 0;
}

static void hdm(struct kunit *test)
{
	struct vfio_cxl_hdm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ_MSG(test, hdm_vector_run(test->param_value, s), 0,
			    "the number of the wrong step, or -1 for init");
}

static void dvsec_desc(struct kunit *test, const void *param, char *desc)
{
	const struct dvsec_vector *v = param;

	strscpy(desc, v->name, KUNIT_PARAM_DESC_SIZE);
}

static int dvsec_params(struct kunit *test)
{
	kunit_register_params_array(test, dvsec_vectors,
				    ARRAY_SIZE(dvsec_vectors), dvsec_desc);
	return 0;
}

static void dvsec(struct kunit *test)
{
	struct vfio_cxl_dvsec *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ_MSG(test, dvsec_vector_run(test->param_value, s), 0,
			    "the number of the wrong step");
}

/* By way of an init function, so that KUnit prints how many there will be. */
static struct kunit_case vfio_cxl_cases[] = {
	KUNIT_CASE_PARAM_WITH_INIT(hdm, kunit_array_gen_params, hdm_params,
				   NULL),
	KUNIT_CASE_PARAM_WITH_INIT(dvsec, kunit_array_gen_params, dvsec_params,
				   NULL),
	{}
};

static struct kunit_suite vfio_cxl_suite = {
	.name = "vfio-cxl",
	.test_cases = vfio_cxl_cases,
};

kunit_test_suite(vfio_cxl_suite);

MODULE_DESCRIPTION("KUnit tests of VFIO support for CXL accelerators");
MODULE_LICENSE("GPL");
