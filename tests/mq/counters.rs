// SPDX-License-Identifier: GPL-2.0

//! How often each callback ran, and what became of the requests.

#![forbid(unsafe_code)]

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};
use core::fmt::{
    self,
    Write, //
};

/// One counter.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Counts one more. Any context.
    #[inline]
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one more, and says whether it is an `n`-th; never if `n` is 0.
    #[inline]
    pub(crate) fn is_nth(&self, n: u32) -> bool {
        n != 0 && (self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1)) % u64::from(n) == 0
    }

    /// The count so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of a device.
        #[derive(Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Count,)*
        }

        impl Counters {
            /// Prints all of them, each after a space.
            pub(crate) fn print(&self, out: &mut dyn Write) -> fmt::Result {
                $(write!(out, " {}={}", stringify!($name), self.$name.get())?;)*
                Ok(())
            }
        }
    };
}

counters! {
    // Callbacks.
    /// Calls of `queue_rq`.
    queue_rq,
    /// Those, of a device with a NUMA node, by a hardware context of that node,
    from_node,
    /// and those by one that belongs to the CPU.
    from_cpu,
    /// Calls of `queue_rqs`.
    queue_rqs,
    /// Requests that came in such a list.
    listed,
    /// Calls of `commit_rqs`.
    commit_rqs,
    /// Calls of `complete`.
    complete,
    /// Calls of `timeout`.
    timeout,
    /// Calls of `poll`.
    poll,
    /// Those that found something.
    polled,
    /// Calls of `map_queues`.
    map_queues,
    /// Calls of `init_hctx`.
    init_hctx,
    /// Those that were told the device's own NUMA node.
    hctx_on_node,
    /// Calls of `exit_hctx`.
    exit_hctx,
    /// Calls of `init_request`.
    init_request,
    /// Those that were told the device's own NUMA node.
    request_on_node,
    /// Calls of `exit_request`.
    exit_request,
    /// Calls of `cleanup_rq`.
    cleanup_rq,
    /// Calls of `busy`.
    busy,
    /// Calls of `show_rq`.
    show_rq,
    /// Calls of `get_budget`.
    get_budget,
    /// Those that got none.
    no_budget,
    /// Calls of `put_budget`.
    put_budget,
    /// Shares that were given.
    budget_given,
    /// Shares that came back; in the end as many.
    budget_back,

    // Requests. In the end, `started` is `ended_at_once` plus `released`.
    /// Ended by `queue_rq` before they were started.
    ended_unstarted,
    /// Started.
    started,
    /// Ended by `queue_rq`, without the device.
    ended_at_once,
    /// Taken back from the device: ended, or given back to blk-mq.
    released,
    /// Given back to blk-mq after they were complete.
    requeued,
    /// Those that came again after that.
    retried,
    /// Refused by `queue_rq`.
    refused,

    // Where `complete` ran.
    /// In a hard interrupt.
    in_hard_irq,
    /// In a softirq.
    in_soft_irq,
    /// On behalf of a process.
    in_process,
    /// Called by who read the completion, since it need not be elsewhere.
    ended_here,
    /// On another CPU than the one that took the completion.
    on_other_cpu,

    // What the device did.
    /// Interrupts.
    interrupts,
    /// Commands that it lost.
    lost,
    /// Commands that were lost and found.
    found,
    /// Completions of nothing: stale, repeated or bogus identifiers.
    stale,
    /// Requests that were given to who asked for a bogus one: none.
    bogus_taken,
    /// Queues that still had requests in their slots when the device was removed.
    left,
    /// Times that it was stopped.
    stops,
    /// Requests that were taken back then.
    drained,
    /// Time-outs of requests that had just been completed.
    too_late,
    /// Races with a time-out that the completion won,
    completed_first,
    /// and those that the time-out won.
    timed_out_first,

    // Operations.
    /// Flushes.
    flush,
    /// Writes with FUA.
    fua,
    /// Reads and writes with metadata.
    with_metadata,
    /// Discards.
    discard,
    /// Writes of zeroes.
    write_zeroes,
    /// Appends to zones.
    appends,
    /// Open, close, finish and reset of zones.
    zone_commands,
    /// Commands of the driver's own.
    pings,
    /// Those that were polled for.
    polled_pings,
    /// Those with a reserved tag.
    reserved_pings,
    /// Memory of programs that a thread of the kernel unmapped.
    unmapped_later,
    /// Such memory that could not be written any more.
    not_written,
    /// Writes that were to be done whole or not at all.
    atomic,
    /// Writes that belong to a stream.
    in_stream,
    /// Requests whose submitter is to be served before all others.
    urgent,
    /// Requests whose submitter would not wait.
    nowait,
    /// Accesses to what is bad.
    bad,

    // What those who open a disk do.
    /// Calls of `open`.
    open,
    /// Those for reading alone.
    open_to_read,
    /// Those that let nobody else be one of these.
    open_exclusive,
    /// Those that would not wait for a medium.
    open_nonblocking,
    /// Calls of `release`.
    release,
    /// Calls of `ioctl`.
    ioctl,
    /// Calls of `compat_ioctl`.
    compat_ioctl,
    /// Calls of `get_unique_id`.
    get_unique_id,
    /// Calls of `getgeo`.
    getgeo,
    /// Calls of `set_read_only`.
    set_read_only,
    /// Calls of `check_events`.
    check_events,
    /// Calls of `report_zones`.
    report_zones,
    /// Calls of `free_disk`.
    free_disk,
}
