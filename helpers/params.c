// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters. The module! macro knows integers that nobody can read back
 * in /sys/module/rnvme/parameters; users of a driver expect to.
 */
#include <linux/moduleparam.h>
#include "device.h"

bool rnvme_claim_all;
module_param_named(claim_all, rnvme_claim_all, bool, 0444);
MODULE_PARM_DESC(claim_all,
		 "take every NVMe function that no other driver holds; default: only those whose driver_override is rnvme");

unsigned int rnvme_io_timeout = 30;
module_param_named(io_timeout, rnvme_io_timeout, uint, 0644);
MODULE_PARM_DESC(io_timeout, "time-out of an I/O command, seconds (default 30)");

unsigned int rnvme_admin_timeout = 60;
module_param_named(admin_timeout, rnvme_admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "time-out of an admin command, seconds (default 60)");

unsigned int rnvme_shutdown_timeout = 5;
module_param_named(shutdown_timeout, rnvme_shutdown_timeout, uint, 0644);
MODULE_PARM_DESC(shutdown_timeout,
		 "least time granted to the shutdown of a controller, seconds (default 5)");

unsigned int rnvme_io_queue_depth = 1024;
module_param_named(io_queue_depth, rnvme_io_queue_depth, uint, 0644);
MODULE_PARM_DESC(io_queue_depth, "entries of each I/O queue, 2 to 4095 (default 1024)");

unsigned int rnvme_max_retries = 5;
module_param_named(max_retries, rnvme_max_retries, uint, 0644);
MODULE_PARM_DESC(max_retries, "how often a failed command is tried again (default 5)");
