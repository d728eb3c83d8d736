// SPDX-License-Identifier: GPL-2.0

//! A limit for lines that a device could make the driver print for ever.

use crate::bindings;

/// True if a line may be printed now; about ten in five seconds are. Any context.
pub(crate) fn may_print() -> bool {
    // SAFETY: no requirements; the limit has its own lock.
    unsafe { bindings::rnvme_may_print() }
}
