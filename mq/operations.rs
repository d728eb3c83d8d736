// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.

use super::{
    Cid,
    Completed,
    Expired,
    IdleRequest,
    Queue,
    QueueMap,
    Refused,
    RequestList, //
};
use kernel::prelude::*;

/// What becomes of a request whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutAction {
    /// It was, or just now is being, completed. Its time is not watched again
    /// (`BLK_EH_DONE`).
    #[expect(dead_code, reason = "blk-mq offers it, and this driver watches on")]
    Done,
    /// Its time starts anew (`BLK_EH_RESET_TIMER`).
    ResetTimer,
}

/// A completion entry that was read.
pub(crate) trait Completion {
    /// The identifier that the device wrote, whatever it is worth.
    fn cid(&self) -> Cid;
}

/// The operations of a block driver (`struct blk_mq_ops`), and the data it keeps
/// at each level.
#[vtable]
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// Data of the tag set.
    type TagSetData: Send + Sync;

    /// Data of one hardware queue. It lives as long as the tag set, whatever
    /// happens to hardware contexts.
    type Queue: Send + Sync;

    /// Data of one request queue, that is, of one disk.
    type QueueData: Send + Sync + 'static;

    /// Private data of a request, [`Self::REQUEST_DATA_BUDGET`] bytes at most.
    type RequestData: Default + Send;

    /// What a request holds while the device may reach its memory; released by
    /// [`Operations::release`] when the request has been taken back.
    type Mapping: Send;

    /// What only the reader of a completion entry has.
    type Completion<'a>: Completion;

    /// What only he has who stopped the device's access to memory.
    type DmaStopped;

    /// The most bytes that `RequestData` may have; more does not compile.
    const REQUEST_DATA_BUDGET: usize;

    /// Takes a request and tells the device of it (`queue_rq`).
    ///
    /// Called by any CPU mapped to `queue`, with preemption possible, inside an
    /// RCU or SRCU read section; must not sleep. `last` is false when another
    /// request follows at once, or [`Operations::commit_rqs`].
    fn queue_rq(
        queue: &Queue<Self>,
        data: &Self::QueueData,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>>;

    /// Takes the requests of a plug list (`queue_rqs`). They belong to one
    /// request queue, not always to one hardware queue. What is left in the list
    /// blk-mq gives to [`Operations::queue_rq`] one by one.
    fn queue_rqs(_list: &mut RequestList<'_, Self>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes the device look at what [`Operations::queue_rq`] took with `last`
    /// false (`commit_rqs`). Same context.
    fn commit_rqs(_queue: &Queue<Self>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Ends or requeues a request that the device completed (`complete`).
    ///
    /// Called on the CPU that blk-mq chose, in hard interrupt, softirq or process
    /// context; must not sleep.
    fn complete(queue: &Queue<Self>, rq: Completed<Self>);

    /// Releases the mapping of a request that the device can no longer reach.
    /// Same context as [`Operations::complete`].
    fn release(queue: &Queue<Self>, mapping: Self::Mapping);

    /// The time of a request is over (`timeout`). Process context; may sleep, but
    /// all other time-outs of the disk wait meanwhile.
    fn timeout(queue: &Queue<Self>, data: &Self::QueueData, rq: Expired<'_, Self>)
        -> TimeoutAction;

    /// Says which CPU uses which hardware queue (`map_queues`). May sleep.
    fn map_queues(_data: &Self::TagSetData, _map: &mut QueueMap<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}
