// SPDX-License-Identifier: GPL-2.0
/* The helpers of mq/ and os/, as an object of this module. */
#include "../../helpers/helpers.c"
