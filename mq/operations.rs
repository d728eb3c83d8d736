// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.

use super::{
    BudgetToken,
    Cid,
    Completed,
    CompletionBatch,
    Expired,
    HwCtx,
    IdleRequest,
    Observed,
    Queue,
    QueueMaps,
    Refused,
    RequestList, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// What becomes of a request whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutAction {
    /// It was, or just now is being, completed. Its time is not watched again, so if it
    /// was not, it never ends (`BLK_EH_DONE`). That its slot looks empty is not enough on a
    /// kernel that acts as if completions had been lost: there [`Slots::take`](super::Slots::take)
    /// may be putting it back.
    Done,
    /// Its time starts anew (`BLK_EH_RESET_TIMER`).
    ResetTimer,
}

/// A completion entry that was read.
///
/// What a driver says by this trait and by [`StopProof`] is taken for true, as what its device
/// says is: no more than the device could do wrong follows from a false word. So whoever
/// implements them makes the values impossible to come by in another way.
pub(crate) trait Completion {
    /// The identifier that the device wrote, whatever it is worth.
    fn cid(&self) -> Cid;
}

/// Proof that a device reaches no memory any more.
pub(crate) trait StopProof<T: Operations> {
    /// True if the device that was stopped is the one that `queue` belongs to.
    fn covers(&self, queue: &T::Queue) -> bool;
}

/// The operations of a block driver (`struct blk_mq_ops`), and the data it keeps
/// at each level.
///
/// "Any context" below means that the call comes from process context, softirq or hard
/// interrupt. A request queue is a disk, or has none ([`OwnedRequestQueue`]).
///
/// [`OwnedRequestQueue`]: super::OwnedRequestQueue
#[vtable]
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// Data of the tag set; dropped with it.
    type TagSetData: Send + Sync;

    /// Data of one hardware queue. It lives as long as the tag set, whatever
    /// happens to hardware contexts.
    type Queue: Send + Sync;

    /// Data of one hardware context, that is, of one request queue on one hardware queue;
    /// `()` for none, which then costs nothing. Made by [`Self::init_hctx`], dropped in
    /// `exit_hctx`: when the disk goes, or the number of hardware queues changes.
    type HwCtxData: Send + Sync;

    /// Data of one request queue, that is, of one disk; dropped when nobody has the disk
    /// open any more.
    type QueueData: Send + Sync + 'static;

    /// Private data of a request, [`Self::REQUEST_DATA_BUDGET`] bytes at most. Made by
    /// [`Self::init_request`] once per request, that is, per tag, scheduler's tag and
    /// flush request, and kept from one use to the next; dropped in `exit_request`.
    type RequestData: Send;

    /// What a request holds while the device may reach its memory; released by
    /// [`Operations::release`] when the request has been taken back.
    type Mapping: Send;

    /// What only the reader of a completion entry has.
    type Completion<'a>: Completion;

    /// What only he has who stopped the device's access to memory.
    type DmaStopped: StopProof<Self>;

    /// The most bytes that `RequestData` may have; more does not compile.
    const REQUEST_DATA_BUDGET: usize;

    /// Takes a request and tells the device of it (`queue_rq`).
    ///
    /// Called by any CPU mapped to the hardware context, with preemption possible, inside
    /// an RCU read section; must not sleep. If the tag set is
    /// [`BLOCKING`](super::TagSetFlags::BLOCKING) it is inside an SRCU read section, and
    /// may sleep. `last` is false when another request follows at once, or
    /// [`Operations::commit_rqs`].
    ///
    /// # Errors
    ///
    /// A request that is [refused](IdleRequest::refuse_resource) comes again. A failure is
    /// no error here: the driver ends the request, and says `Ok`.
    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        data: &Self::QueueData,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>>;

    /// Takes the requests of a plug list (`queue_rqs`). They belong to one
    /// request queue, not always to one hardware context. What is left in the list, or
    /// given back to it, blk-mq gives to [`Operations::queue_rq`] one by one. Same context.
    fn queue_rqs(_list: &mut RequestList<'_, Self>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes the device look at what [`Operations::queue_rq`] took with `last`
    /// false (`commit_rqs`). Same context.
    fn commit_rqs(_hctx: HwCtx<'_, Self>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Ends or requeues a request that the device completed (`complete`).
    ///
    /// Called on the CPU that blk-mq chose, in any context; must not sleep.
    ///
    /// The hardware queue is [`Completed::queue`](super::RequestInfo::queue), which the
    /// request lends: when it has ended, nothing keeps the tag set.
    fn complete(rq: Completed<Self>);

    /// Releases the mapping of a request that the device can no longer reach.
    /// Same context as [`Operations::complete`].
    fn release(queue: &Queue<Self>, mapping: Self::Mapping);

    /// The time of a request is over (`timeout`). Process context; may sleep, but
    /// all other time-outs of the disk wait meanwhile.
    ///
    /// `rq` may be in other hands, and ends by their doing alone; see [`Expired`].
    fn timeout(queue: &Queue<Self>, data: &Self::QueueData, rq: Expired<'_, Self>)
        -> TimeoutAction;

    /// Looks for completions on a polled queue, and returns how many it found (`poll`).
    ///
    /// Called in process context by whoever waits for I/O, again and again, by several at
    /// a time; must not sleep. What blk-mq accepts goes into `batch`, by
    /// [`Completed::complete_batched`].
    fn poll(_hctx: HwCtx<'_, Self>, _batch: &mut CompletionBatch<'_, Self>) -> u32 {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Says which CPU uses which hardware queue (`map_queues`). May sleep. Called when the
    /// tag set is made and whenever the number of hardware queues is updated. At first the
    /// default kind has all queues, and the others none.
    fn map_queues(_data: &Self::TagSetData, _maps: &mut QueueMaps<'_>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Makes the data of a hardware context (`init_hctx`). May sleep, but must not start
    /// I/O to wait for memory (`GFP_NOIO` is in force where that matters).
    ///
    /// `numa_node` is that of the CPUs that will use it, or -1.
    ///
    /// # Errors
    ///
    /// Any; the disk is not made, or the number of hardware queues stays as it was. When that
    /// number changes, C drops the data of a context before it asks for new ones, and asks
    /// twice: if it gets none the second time it has no context to go on with, and oopses. So
    /// do nothing there that may well fail.
    fn init_hctx(
        set: &Self::TagSetData,
        queue: &Queue<Self>,
        data: &Self::QueueData,
        numa_node: i32,
    ) -> impl PinInit<Self::HwCtxData, Error>;

    /// Makes the private data of a request (`init_request`). May sleep, as
    /// [`Self::init_hctx`].
    ///
    /// `queue` is `None` for requests of tags that all hardware queues share
    /// ([`TAG_HCTX_SHARED`](super::TagSetFlags::TAG_HCTX_SHARED)). `numa_node` is that of
    /// the request's memory, or -1.
    ///
    /// # Errors
    ///
    /// Any; the tag set is not made, or has fewer tags. That of a context's flush request is
    /// made with the context, and what is said of [`Self::init_hctx`] holds for it.
    fn init_request(
        set: &Self::TagSetData,
        queue: Option<&Queue<Self>>,
        numa_node: i32,
    ) -> impl PinInit<Self::RequestData, Error>;

    /// Forgets what the driver keeps in a request that is freed without having been handed
    /// over, or before it comes again to another queue (`cleanup_rq`). Only stacking
    /// drivers, device mapper say, let it come to that. Any context; must not sleep.
    fn cleanup_rq(_data: Pin<&mut Self::RequestData>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// True if requests to the disk had better wait above it (`busy`); asked by stacking
    /// drivers. Any context; must not sleep.
    fn busy(_data: &Self::QueueData) -> bool {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Reserves a share of the disk's budget before a request is dispatched (`get_budget`);
    /// `None` if there is none left. Then blk-mq tries again after some milliseconds, or
    /// when the driver runs its queues. Any context but hard interrupt; must not sleep.
    fn get_budget(_data: &Self::QueueData) -> Option<BudgetToken> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Takes a share back that no request used (`put_budget`). A copy that is still in a
    /// request counts no more. Same context.
    fn put_budget(_data: &Self::QueueData, _token: BudgetToken) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Keeps the token in the request that was given the budget (`set_rq_budget_token`).
    /// Same context.
    fn set_rq_budget_token(_data: Pin<&mut Self::RequestData>, _token: BudgetToken) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Takes the token out of a request, which blk-mq then puts
    /// (`get_rq_budget_token`). Same context.
    fn get_rq_budget_token(_data: Pin<&mut Self::RequestData>) -> Option<BudgetToken> {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Adds what the driver knows of a request to the block layer's debugfs files
    /// (`show_rq`), as `, .name=value`. Called with spin locks held; must not sleep.
    fn show_rq(_file: &SeqFile, _rq: Observed<'_, Self>) {
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}
