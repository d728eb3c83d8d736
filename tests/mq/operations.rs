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
    disk::Disk,
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
        IdleRequest,
        Operations,
        Queue,
        QueueMap,
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
    type QueueData = Disk;
    type RequestData = Progress;
    /// Nothing is mapped: what a request is about was copied before.
    type Mapping = ();
    type Completion<'a> = Entry;
    type DmaStopped = Halted;

    const REQUEST_DATA_BUDGET: usize = 8;

    #[inline]
    fn queue_rq(
        queue: &Queue<Self>,
        disk: &Disk,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>> {
        queue.counters().queue_rq.add();
        let result = accept(queue, disk, rq);
        if last {
            tell(queue);
        }
        result
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        // The queue that has not been told yet.
        let mut behind: Option<&Queue<Self>> = None;
        while let Some(rq) = list.pop() {
            let queue = list.queue_of(&rq);
            if behind.is_none() {
                queue.counters().queue_rqs.add();
            }
            if let Some(other) = behind.filter(|other| !core::ptr::eq(*other, queue)) {
                tell(other);
            }
            behind = Some(queue);
            queue.counters().listed.add();
            if let Err(refused) = accept(queue, list.queue_data_of(&rq), rq) {
                list.give_back(refused);
            }
        }
        behind.into_iter().for_each(tell);
    }

    fn commit_rqs(queue: &Queue<Self>) {
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
        let progress = rq.data_mut();
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

    fn timeout(queue: &Queue<Self>, _disk: &Disk, rq: Expired<'_, Self>) -> TimeoutAction {
        let counters = queue.counters();
        counters.timeout.add();
        // It may complete on another CPU at this very moment, or not have reached its slot
        // yet: so nothing is decided by this look.
        if !queue.slots().is_full(rq.tag()) {
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

    fn map_queues(shared: &Arc<Shared>, map: &mut QueueMap<'_>) {
        shared.counters.map_queues.add();
        map.spread();
    }
}

/// Takes a request, and does what it asks for. [`tell`] has to follow.
#[inline]
fn accept(queue: &Queue<Ram>, disk: &Disk, mut rq: IdleRequest<Ram>) -> Result<(), Refused<Ram>> {
    let counters = queue.counters();
    if queue.refuses() {
        counters.refused.add();
        return Err(rq.refuse());
    }
    if !rq.take_fresh() {
        counters.retried.add();
    }
    let status = disk.serve(&rq);
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
    // What is in the batch ends when it is dropped, after the last.
    let mut batch = CompletionBatch::new();
    while let Some(entry) = queue.next() {
        match queue.slots().take(&entry) {
            Some(rq) => hand_over(queue, rq, &mut batch),
            None => counters.stale.add(),
        }
    }
}

/// Hands a request that is complete to blk-mq.
fn hand_over(queue: &Queue<Ram>, mut rq: Completed<Ram>, batch: &mut CompletionBatch<Ram>) {
    let again = queue.requeues();
    let progress = rq.data_mut();
    progress.again = again;
    progress.cpu = CpuId::current().as_u32();
    let alone = again || progress.status != BlkStatus::Ok || !queue.shared().config.batch;
    rq.complete(batch, alone);
}

impl Progress {
    /// Says what becomes of a request that was taken back from the device.
    pub(crate) fn taken_back(&mut self, status: Option<BlkStatus>) {
        self.again = status.is_none();
        self.status = status.unwrap_or(BlkStatus::Ok);
        self.cpu = CpuId::current().as_u32();
    }
}
