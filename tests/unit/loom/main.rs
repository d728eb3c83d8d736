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

#[path = "../../../dma"]
mod dma {
    pub(crate) mod pool;

    /// Gives several numbers back at once, which is for this module alone.
    pub(crate) fn put_all(pool: &pool::Pool, bits: u64) {
        pool.put_all(bits);
    }
}

#[path = "../../../mq"]
mod mq {
    #[path = "../tests/unit/loom/atomic.rs"]
    pub(crate) mod atomic;
    #[expect(dead_code, reason = "a table of slots would use the rest")]
    pub(crate) mod cid;
    pub(crate) mod slot;
}

#[path = "../../../nvme"]
mod nvme {
    #[allow(dead_code, reason = "the rest of the driver is not here")]
    pub(crate) mod state;
}

mod explore;
mod pool;
mod slot;
mod state;
