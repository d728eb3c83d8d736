// SPDX-License-Identifier: GPL-2.0

//! The callbacks of blk-mq: the life of a request.
//!
//! ```text
//! queue_rq: refuse? -> serve it -> start -> into its slot -> tell the device
//! interrupt: read an entry -> take its request out -> hand it to blk-mq
//! complete: give it back to blk-mq, or end it
//! timeout: the device finds it, or is stopped and all is taken back
//! ```

#![forbid(unsafe_code)]

use crate::{
    config::{
        CompletionMode,
        Rescue, //
    },
    device::{
        self,
        Shared, //
    },
    disk::RamDisk,
    hardware::{
        Entry,
        Halted,
        HwQueue, //
    },
    mq::{
        BlkStatus,
        Completed,
        CompletionBatch,
        Expired,
        HwCtx,
        IdleRequest,
        Operations,
        Queue,
        QueueKind,
        QueueMaps,
        Refused,
        Request,
        RequestList,
        TimeoutAction, //
    },
    os::context::Context,
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::Arc, //
};

/// The driver.
pub(crate) struct Ram;

/// What the driver remembers of a request.
pub(crate) struct Progress {
    /// How it ends.
    status: BlkStatus,
    /// It is given back once, instead of ended.
    again: bool,
    /// The CPU that took its completion.
    cpu: u32,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            status: BlkStatus::Ok,
            again: false,
            cpu: 0,
        }
    }
}

#[vtable]
impl Operations for Ram {
    type TagSetData = Arc<Shared>;
    type Queue = HwQueue;
    type HwCtxData = ();
    type QueueData = RamDisk;
    type RequestData = Progress;
    /// Nothing is mapped: what a request is about was copied before.
    type Mapping = ();
    type Completion<'a> = Entry;
    type DmaStopped = Halted;

    const REQUEST_DATA_BUDGET: usize = 8;

    #[inline]
    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        disk: &RamDisk,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>> {
        let queue = hctx.queue();
        queue.counters().queue_rq.add();
        let result = accept(queue, disk, rq).map_err(IdleRequest::refuse_resource);
        if last {
            tell(queue);
        }
        result
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        // The queue that has not been told yet.
        let mut behind: Option<&Queue<Self>> = None;
        let disk = list.request_queue().data();
        while let Some((rq, hctx)) = list.pop() {
            let queue = hctx.queue();
            if behind.is_none() {
                queue.counters().queue_rqs.add();
            }
            if let Some(other) = behind.filter(|other| !core::ptr::eq(*other, queue)) {
                tell(other);
            }
            behind = Some(queue);
            queue.counters().listed.add();
            if let Err(rq) = accept(queue, disk, rq) {
                // It is of this list; another's would end with an error.
                drop(list.give_back(rq));
            }
        }
        behind.into_iter().for_each(tell);
    }

    fn commit_rqs(hctx: HwCtx<'_, Self>) {
        let queue = hctx.queue();
        queue.counters().commit_rqs.add();
        tell(queue);
    }

    fn complete(queue: &Queue<Self>, mut rq: Completed<Self>) {
        let counters = queue.counters();
        counters.complete.add();
        match Context::current() {
            Context::Process => counters.in_process.add(),
            Context::SoftIrq => counters.in_soft_irq.add(),
            Context::HardIrq => counters.in_hard_irq.add(),
        }
        let mut progress = rq.data_mut();
        if progress.cpu != CpuId::current().as_u32() {
            counters.on_other_cpu.add();
        }
        if core::mem::take(&mut progress.again) {
            counters.requeued.add();
            rq.requeue(0);
        } else {
            let status = progress.status;
            rq.end(status);
        }
    }

    fn release(queue: &Queue<Self>, (): ()) {
        queue.counters().released.add();
    }

    fn timeout(queue: &Queue<Self>, _disk: &RamDisk, rq: Expired<'_, Self>) -> TimeoutAction {
        let counters = queue.counters();
        counters.timeout.add();
        // It may complete on another CPU at this very moment, or not have reached its slot
        // yet: so nothing is decided by this look.
        if !rq.tag().is_some_and(|tag| queue.slots().is_full(tag)) {
            counters.too_late.add();
            return TimeoutAction::ResetTimer;
        }
        match (queue.shared().config.rescue, queue.line().set()) {
            (Rescue::Requeue, Some(set)) => device::take_back(&set, None),
            (Rescue::Fail, Some(set)) => device::take_back(&set, Some(BlkStatus::Timeout)),
            _ => queue.find_lost(),
        }
        TimeoutAction::ResetTimer
    }

    fn map_queues(shared: &Arc<Shared>, maps: &mut QueueMaps<'_>) {
        shared.counters.map_queues.add();
        if let Some(mut map) = maps.kind(QueueKind::Default) {
            map.spread();
        }
    }

    fn init_hctx(
        _shared: &Arc<Shared>,
        _queue: &Queue<Self>,
        _disk: &Disk,
        _numa_node: i32,
    ) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_request(
        _shared: &Arc<Shared>,
        _queue: Option<&Queue<Self>>,
        _numa_node: i32,
    ) -> impl PinInit<Progress, Error> {
        Ok(Progress::default())
    }
}

/// Takes a request, and does what it asks for, or gives it back. [`tell`] has to follow.
#[inline]
fn accept(
    queue: &Queue<Ram>,
    disk: &RamDisk,
    mut rq: IdleRequest<Ram>,
) -> Result<(), IdleRequest<Ram>> {
    let counters = queue.counters();
    if queue.refuses() {
        counters.refused.add();
        return Err(rq);
    }
    if !rq.take_fresh() {
        counters.retried.add();
    }
    let status = match disk.serve(&rq) {
        Ok(_) => BlkStatus::Ok,
        Err(status) => status,
    };
    rq.data_mut().status = status;
    let rq = rq.start();
    counters.started.add();
    match queue.shared().config.completion {
        CompletionMode::Inline => {
            counters.ended_at_once.add();
            rq.end(status);
        }
        mode => publish(queue, rq, mode),
    }
    Ok(())
}

/// Moves a request into its slot, and tells the device of it.
fn publish(queue: &Queue<Ram>, rq: Request<Ram>, mode: CompletionMode) {
    match queue.slots().put(rq, ()) {
        Ok(cid) => {
            queue.submit(cid);
            if mode == CompletionMode::Direct {
                interrupt(queue);
            }
        }
        // blk-mq's tags rule it out; if it were so, this request could not be told
        // from the one that is there.
        Err((rq, ())) => {
            queue.counters().ended_at_once.add();
            rq.end(BlkStatus::IoError);
        }
    }
}

/// Has the device look at the commands.
fn tell(queue: &Queue<Ram>) {
    if queue.shared().config.completion == CompletionMode::Interrupt {
        queue.ring();
    }
}

/// Handles all completions of a queue. Any context.
pub(crate) fn interrupt(queue: &Queue<Ram>) {
    let counters = queue.counters();
    counters.interrupts.add();
    // What is in the batch ends after the last.
    CompletionBatch::collect(|batch| {
        while let Some(entry) = queue.next() {
            match queue.slots().take(&entry) {
                Some(rq) => hand_over(queue, rq, batch),
                None => counters.stale.add(),
            }
        }
    });
}

/// Hands a request that is complete to blk-mq.
fn hand_over(queue: &Queue<Ram>, mut rq: Completed<Ram>, batch: &mut CompletionBatch<'_, Ram>) {
    let again = queue.requeues();
    let mut progress = rq.data_mut();
    progress.again = again;
    progress.cpu = CpuId::current().as_u32();
    let alone = again || progress.status != BlkStatus::Ok || !queue.shared().config.batch;
    rq.complete_batched(batch, alone);
}

impl Progress {
    /// Says what becomes of a request that was taken back from the device.
    pub(crate) fn taken_back(&mut self, status: Option<BlkStatus>) {
        self.again = status.is_none();
        self.status = status.unwrap_or(BlkStatus::Ok);
        self.cpu = CpuId::current().as_u32();
    }
}
