// SPDX-License-Identifier: GPL-2.0
/*
 * A module for tests: from its load to its unload, the bus of one device seems to reach only the
 * memory below 4 GiB, as behind some bridges. The DMA layer then bounces what lies above.
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>

static char *device = "";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "address of the PCI function");

static struct device *limited;
static u64 before;

static int __init dma_limit_init(void)
{
	limited = bus_find_device_by_name(&pci_bus_type, NULL, device);
	if (!limited)
		return -ENODEV;
	before = limited->bus_dma_limit;
	limited->bus_dma_limit = DMA_BIT_MASK(32);
	return 0;
}
module_init(dma_limit_init);

static void __exit dma_limit_exit(void)
{
	limited->bus_dma_limit = before;
	put_device(limited);
}
module_exit(dma_limit_exit);

MODULE_DESCRIPTION("Test aid: limits the memory that a device reaches");
MODULE_LICENSE("GPL");
