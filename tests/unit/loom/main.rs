// SPDX-License-Identifier: GPL-2.0

//! Models of the driver's parts that several CPUs use at once, in every interleaving.
//!
//! The files under test are the driver's own; only `mq/atomic.rs` is another one. `loom` runs each
//! model again and again until it has seen all orders of its atomic operations and all values
//! that the memory model lets a load return. Of memory that is not atomic it checks that two
//! threads never touch it at once.

// A model that panics has failed, and says where.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

// The kernel's crate, as far as the files below use it.
extern crate self as kernel;
#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../src/stand_in/bindings.rs"]
mod bindings;
#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../src/stand_in/prelude.rs"]
mod prelude;

#[path = "../../../dma"]
mod dma {
    pub(crate) mod pool;

    /// Gives several numbers back at once, which is for this module alone.
    pub(crate) fn put_all(pool: &pool::Pool, bits: u64) {
        pool.put_all(bits);
    }
}

#[allow(dead_code, reason = "the rest of the driver is not here")]
#[path = "../../../mq"]
mod mq {
    #[path = "../tests/unit/loom/atomic.rs"]
    pub(crate) mod atomic;
    pub(crate) mod cid;
    #[path = "../tests/unit/src/stand_in/operations.rs"]
    pub(crate) mod operations;
    pub(crate) mod queue;
    #[path = "../tests/unit/src/stand_in/request.rs"]
    pub(crate) mod request;
    pub(crate) mod slot;
    pub(crate) mod slots;

    pub(crate) use self::{
        cid::Cid,
        operations::{
            Completion,
            Operations,
            StopProof, //
        },
        queue::Queue,
        request::Completed,
        slots::Slots,
    };

    /// A queue without data, which is for this module alone to make.
    pub(crate) fn new_queue<T: Operations<Queue = ()>>(
        depth: u32,
    ) -> crate::prelude::Result<Queue<T>> {
        Queue::new((), 0, depth, true)
    }
}

#[path = "../../../nvme"]
mod nvme {
    #[allow(dead_code, reason = "the rest of the driver is not here")]
    pub(crate) mod state;
}

mod explore;
mod mutants;
mod pool;
mod slot;
mod slots;
mod state;
