// SPDX-License-Identifier: GPL-2.0

//! Stands for `mq/operations.rs`: what queues and slots ask of a driver.

use super::Cid;

/// A completion entry that was read.
pub(crate) trait Completion {
    /// The identifier that the device wrote.
    fn cid(&self) -> Cid;
}

/// Proof that a device reaches no memory any more.
pub(crate) trait StopProof<T: Operations> {
    /// True if the device that was stopped is the one that `queue` belongs to.
    fn covers(&self, queue: &T::Queue) -> bool;
}

/// The types of a driver.
pub(crate) trait Operations: Sized + 'static {
    /// Data of one hardware queue.
    type Queue;

    /// What a request holds while the device may reach its memory.
    type Mapping: Send;

    /// What only the reader of a completion entry has.
    type Completion<'a>: Completion;

    /// What only he has who stopped the device's access to memory.
    type DmaStopped: StopProof<Self>;
}
