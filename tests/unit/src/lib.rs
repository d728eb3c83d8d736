// SPDX-License-Identifier: GPL-2.0

//! Host tests of the driver's pure parts.
//!
//! The modules below are the driver's own files, under the paths that they have in its crate.
//! What those need of the kernel is in `stand_in/`. Tests of one file are in a file of that name
//! in `tests/`, models of what runs concurrently in `../loom/`.

#![cfg_attr(not(test), no_std)]

// The kernel's crate, as far as the files below use it.
#[cfg(test)]
extern crate self as kernel;
#[cfg(test)]
#[path = "stand_in/bindings.rs"]
pub(crate) mod bindings;
#[cfg(test)]
#[path = "stand_in/prelude.rs"]
pub(crate) mod prelude;
#[cfg(test)]
pub(crate) mod ffi {
    //! Stands for `kernel::ffi`, where a C `long` is a `usize`.

    #[allow(non_camel_case_types, reason = "as C has it")]
    pub(crate) type c_ulong = usize;
}
#[cfg(test)]
pub(crate) mod page {
    //! Stands for `kernel::page`.

    pub(crate) const PAGE_SIZE: usize = 4096;
}

// The suites that run in a kernel, too.
#[cfg(test)]
#[path = "../../kunit/mod.rs"]
mod kunit;

#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../../../dma"]
pub(crate) mod dma {
    //! Stands for `dma/mod.rs`, most of which needs a kernel.

    pub(crate) mod addr;
    #[cfg(test)]
    #[path = "../tests/unit/src/stand_in/coherent.rs"]
    pub(crate) mod coherent;
    #[cfg(test)]
    #[path = "../tests/kunit/prp.rs"]
    mod kunit_prp;
    pub(crate) mod pool;
    pub(crate) mod prp;
    #[cfg(test)]
    pub(crate) mod stopped;

    pub(crate) use self::addr::DmaAddr;
    #[cfg(test)]
    pub(crate) use self::{
        coherent::Coherent,
        stopped::DmaStopped, //
    };

    /// An address out of nothing: there is no device in these tests.
    #[cfg(test)]
    pub(crate) const fn test_addr(bits: u64) -> DmaAddr {
        // SAFETY: No device ever sees the address.
        unsafe { DmaAddr::new(bits) }
    }

    /// Gives several numbers back at once, which is for this module alone.
    #[cfg(any(test, feature = "no-panic"))]
    pub(crate) fn put_all(pool: &pool::Pool, bits: u64) {
        pool.put_all(bits);
    }
}

#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../../../mq"]
pub(crate) mod mq {
    //! Stands for `mq/mod.rs`, most of which needs a kernel.

    #[allow(
        unused_imports,
        reason = "only the rest of the driver uses all of them"
    )]
    pub(crate) mod atomic;
    #[cfg(test)]
    pub(crate) mod block_size;
    pub(crate) mod cid;
    #[cfg(test)]
    pub(crate) mod integrity;
    #[cfg(test)]
    #[path = "../tests/kunit/limits.rs"]
    mod kunit_limits;
    #[cfg(test)]
    pub(crate) mod limits;
    #[cfg(test)]
    pub(crate) mod limits_raw;
    #[cfg(test)]
    #[path = "../tests/unit/src/stand_in/operations.rs"]
    pub(crate) mod operations;
    #[cfg(test)]
    pub(crate) mod queue;
    #[cfg(test)]
    #[path = "../tests/unit/src/stand_in/request.rs"]
    pub(crate) mod request;
    pub(crate) mod slot;
    #[cfg(test)]
    pub(crate) mod slots;

    #[cfg(test)]
    pub(crate) use self::{
        block_size::{
            BlockSize,
            PowerOfTwo, //
        },
        cid::Cid,
        limits::QueueLimits,
        operations::{
            Completion,
            Operations,
            StopProof, //
        },
        queue::Queue,
        request::Completed,
        slots::Slots,
    };

    /// The limits as C has them, which is for this module alone to ask for.
    #[cfg(test)]
    pub(crate) fn to_raw(
        limits: &QueueLimits,
    ) -> Result<crate::bindings::queue_limits, limits_raw::InvalidLimits> {
        limits.to_raw()
    }

    /// The other way.
    #[cfg(test)]
    pub(crate) fn read(
        raw: &crate::bindings::queue_limits,
    ) -> Result<QueueLimits, limits_raw::InvalidLimits> {
        QueueLimits::read(raw)
    }

    /// What an update does.
    #[cfg(test)]
    pub(crate) fn write(
        limits: &QueueLimits,
        raw: &mut crate::bindings::queue_limits,
    ) -> Result<(), limits_raw::InvalidLimits> {
        limits.write(raw)
    }

    /// A queue without data, which is for this module alone to make.
    #[cfg(test)]
    pub(crate) fn new_queue<T: Operations<Queue = ()>>(
        depth: u32,
    ) -> crate::prelude::Result<Queue<T>> {
        Queue::new((), 0, depth, true)
    }
}

#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../../../nvme"]
pub(crate) mod nvme {
    //! Stands for `nvme/mod.rs`, most of which needs a kernel.

    pub(crate) mod command_data;
    pub(crate) mod cursor;
    #[cfg(test)]
    pub(crate) mod event_table;
    #[cfg(test)]
    #[path = "fault_none.rs"]
    pub(crate) mod fault;
    #[cfg(test)]
    pub(crate) mod recent;
    #[cfg(test)]
    pub(crate) mod registers;
    #[cfg(test)]
    pub(crate) mod ring;
    pub(crate) mod spec;
    pub(crate) mod state;
    #[cfg(test)]
    pub(crate) mod tally;
}

#[cfg(test)]
#[path = "stand_in"]
pub(crate) mod os {
    //! Stands for `os/mod.rs`.

    pub(crate) mod wait;
}

#[cfg(test)]
#[path = "stand_in/pci.rs"]
pub(crate) mod pci;

#[cfg(feature = "no-panic")]
mod no_panic;
#[cfg(test)]
mod tests;
