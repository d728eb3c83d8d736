// SPDX-License-Identifier: GPL-2.0

//! Module parameters, as they are at this moment.
//!
//! The administrator may write some of them in `/sys/module/rnvme/parameters`, so
//! each is read where it takes effect. Writes are single stores of a word.

use crate::bindings;

macro_rules! parameter {
    ($(#[$meta:meta])* $name:ident: $type:ty = $variable:ident) => {
        $(#[$meta])*
        pub(crate) fn $name() -> $type {
            // SAFETY: a static of the C part of this module, valid for reads; the
            // parameter code writes it in one store.
            unsafe { (&raw const bindings::$variable).read_volatile() }
        }
    };
}

parameter!(
    /// Take functions whose `driver_override` does not name this driver, too.
    claim_all: bool = rnvme_claim_all
);
parameter!(
    /// The time-out of an I/O command, in seconds.
    io_timeout: u32 = rnvme_io_timeout
);
parameter!(
    /// The time-out of an admin command, in seconds.
    admin_timeout: u32 = rnvme_admin_timeout
);
parameter!(
    /// The least time for a controller's shutdown, in seconds.
    shutdown_timeout: u32 = rnvme_shutdown_timeout
);
parameter!(
    /// The entries of each I/O queue.
    io_queue_depth: u32 = rnvme_io_queue_depth
);
parameter!(
    /// How often a failed command is tried again.
    max_retries: u32 = rnvme_max_retries
);
