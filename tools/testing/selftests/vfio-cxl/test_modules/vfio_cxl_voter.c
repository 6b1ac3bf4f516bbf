// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for a function beside the one under test. After any error of the link it
 * has the PCI core reset the bus, which resets that one too.
 */
#include <linux/module.h>
#include <linux/pci.h>

static int voter_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static pci_ers_result_t voter_error_detected(struct pci_dev *pdev,
					     pci_channel_state_t state)
{
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t voter_slot_reset(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers voter_err_handlers = {
	.error_detected	= voter_error_detected,
	.slot_reset	= voter_slot_reset,
};

/* Bound by driver_override only; may share an IOMMU group with a VFIO user. */
static struct pci_driver voter_driver = {
	.name = KBUILD_MODNAME,
	.probe = voter_probe,
	.err_handler = &voter_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(voter_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Has the bus reset after an error, for the vfio-cxl-pci selftests");
