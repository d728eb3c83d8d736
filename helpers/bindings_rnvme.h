/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads to make the driver's bindings_generated.rs. */
#include <linux/blk-mq-dma.h>
#include <linux/interrupt.h>
#include <linux/pci.h>
#include "bindings_helper.h"
#include "device.h"
