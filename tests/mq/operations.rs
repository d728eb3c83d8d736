// SPDX-License-Identifier: GPL-2.0

//! The callbacks of blk-mq: the life of a request.
//!
//! ```text
//! queue_rq: refuse? -> serve it -> start -> into its slot -> tell the device
//! interrupt or poll: read an entry -> take its request out -> hand it to blk-mq
//! complete: give it back to blk-mq, or end it
//! timeout: the device finds it, or is stopped and all is taken back
//! ```

#![forbid(unsafe_code)]

use crate::{
    config::{
        CompletionMode,
        Refusal,
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
        atomic::{
            AtomicU64,
            Ordering, //
        },
        BlkStatus,
        BudgetToken,
        Cid,
        Completed,
        CompletionBatch,
        Expired,
        HwCtx,
        IdleRequest,
        Observed,
        Operations,
        Queue,
        QueueKind,
        QueueMaps,
        Refused,
        Request,
        RequestList,
        TagSet,
        TimeoutAction, //
    },
    os::context::Context,
    progress::Progress,
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    seq_file::{
        seq_print,
        SeqFile, //
    },
    sync::Arc,
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta, //
    },
};

/// The driver.
pub(crate) struct Ram;

/// The data of a hardware context: who counts when it goes.
pub(crate) struct Attendance(Arc<Shared>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.counters.exit_hctx.add();
    }
}

#[vtable]
impl Operations for Ram {
    type TagSetData = Arc<Shared>;
    type Queue = HwQueue;
    type HwCtxData = Attendance;
    type QueueData = RamDisk;
    type RequestData = Progress;
    /// Nothing is mapped: what a request is about was copied before.
    type Mapping = ();
    type Completion<'a> = Entry;
    type DmaStopped = Halted;

    const REQUEST_DATA_BUDGET: usize = 64;

    #[inline]
    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        disk: &RamDisk,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>> {
        let counters = hctx.queue().counters();
        counters.queue_rq.add();
        let node = hctx.queue().shared().config.node;
        if node >= 0 {
            if hctx.numa_node() == node {
                counters.from_node.add();
            }
            if hctx.is_mapped_to(CpuId::current().as_u32()) {
                counters.from_cpu.add();
            }
        }
        let result = accept(hctx.queue(), disk, rq).map_err(|rq| refuse(hctx, rq));
        if last {
            tell(hctx);
        }
        result
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        let disk = list.request_queue().data();
        disk.counters().queue_rqs.add();
        // The context whose queue has not been told yet.
        let mut behind: Option<HwCtx<'_, Self>> = None;
        while let Some((rq, hctx)) = list.pop() {
            let queue = hctx.queue();
            if let Some(other) = behind.filter(|other| other.index() != hctx.index()) {
                tell(other);
            }
            behind = Some(hctx);
            queue.counters().listed.add();
            if let Err(rq) = accept(queue, disk, rq) {
                // It is of this list; another's would end with an error.
                drop(list.give_back(rq));
            }
        }
        behind.into_iter().for_each(tell);
    }

    fn commit_rqs(hctx: HwCtx<'_, Self>) {
        hctx.queue().counters().commit_rqs.add();
        tell(hctx);
    }

    fn complete(rq: Completed<Self>) {
        let (counters, progress) = (rq.queue().counters(), rq.data());
        counters.complete.add();
        match Context::current() {
            Context::Process => counters.in_process.add(),
            Context::SoftIrq => counters.in_soft_irq.add(),
            Context::HardIrq => counters.in_hard_irq.add(),
        }
        if progress.cpu != CpuId::current().as_u32() {
            counters.on_other_cpu.add();
        }
        let (status, again) = (progress.status, progress.again);
        if again {
            counters.requeued.add();
            // CAST: widening.
            let delay_ms = rq.queue().shared().config.requeue_ms as usize;
            rq.requeue(delay_ms);
        } else {
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
        // yet: so nothing is decided by this look, and its time starts anew in any case.
        let in_slot = |tag| Some((tag, queue.slots().cid(tag)?));
        let Some((tag, cid)) = rq.tag().and_then(in_slot) else {
            counters.too_late.add();
            return TimeoutAction::ResetTimer;
        };
        match (queue.shared().config.rescue, queue.line().set()) {
            (Rescue::Requeue, Some(set)) => device::take_back(&set, None),
            (Rescue::Fail, Some(set)) => device::take_back(&set, Some(BlkStatus::Timeout)),
            (Rescue::Race, Some(set)) => race(queue, &set, tag, cid),
            _ => queue.find_lost(),
        }
        TimeoutAction::ResetTimer
    }

    fn poll(hctx: HwCtx<'_, Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        hctx.queue().counters().poll.add();
        let found = reap(hctx.queue(), batch);
        if found != 0 {
            hctx.queue().counters().polled.add();
        }
        found
    }

    fn map_queues(shared: &Arc<Shared>, maps: &mut QueueMaps<'_>) {
        shared.counters.map_queues.add();
        let mut first = 0;
        for (kind, count) in shared.config.kinds(maps.hw_queues()) {
            if let Some(mut map) = maps.kind(kind) {
                if map.set_range(first, count).is_err() {
                    pr_err!("mq_ram: no range of {count} queues from {first}\n");
                }
                // A kind without queues uses those of the default one.
                if count != 0 {
                    map.spread();
                }
                first += count;
            }
        }
    }

    fn init_hctx(
        shared: &Arc<Shared>,
        _queue: &Queue<Self>,
        _disk: &RamDisk,
        numa_node: i32,
    ) -> impl PinInit<Attendance, Error> {
        shared.counters.init_hctx.add();
        if numa_node == shared.config.node {
            shared.counters.hctx_on_node.add();
        }
        Ok(Attendance(shared.clone()))
    }

    fn init_request(
        shared: &Arc<Shared>,
        _queue: Option<&Queue<Self>>,
        numa_node: i32,
    ) -> impl PinInit<Progress, Error> {
        if numa_node == shared.config.node {
            shared.counters.request_on_node.add();
        }
        Ok(Progress::new(shared.clone()))
    }

    fn cleanup_rq(mut progress: Pin<&mut Progress>) {
        progress.again = false;
        progress.counters().cleanup_rq.add();
    }

    fn busy(disk: &RamDisk) -> bool {
        disk.counters().busy.add();
        false
    }

    fn get_budget(disk: &RamDisk) -> Option<BudgetToken> {
        disk.budget().get()
    }

    fn put_budget(disk: &RamDisk, token: BudgetToken) {
        disk.counters().put_budget.add();
        disk.budget().put(token);
    }

    fn set_rq_budget_token(mut progress: Pin<&mut Progress>, token: BudgetToken) {
        progress.budget = Some(token);
    }

    fn get_rq_budget_token(mut progress: Pin<&mut Progress>) -> Option<BudgetToken> {
        progress.budget.take()
    }

    fn show_rq(file: &SeqFile, rq: Observed<'_, Self>) {
        let queue = rq.queue();
        queue.counters().show_rq.add();
        let in_slot = rq.tag().is_some_and(|tag| queue.slots().is_full(tag));
        seq_print!(file, ", .in_slot={}", u8::from(in_slot));
    }
}

/// Takes a request, and does what it asks for, or gives it back. [`tell`] has to follow.
#[inline]
fn accept(
    queue: &Queue<Ram>,
    disk: &RamDisk,
    mut rq: IdleRequest<Ram>,
) -> Result<(), IdleRequest<Ram>> {
    let (config, counters) = (&queue.shared().config, queue.counters());
    // From here on the request's share of the budget is ours to give back.
    if let Some(token) = rq.data_mut().budget.take() {
        disk.budget().put(token);
    }
    if queue.shared().is_dead() {
        counters.ended_unstarted.add();
        rq.end(BlkStatus::Offline);
        return Ok(());
    }
    if queue.refuses() || disk.is_choked() {
        counters.refused.add();
        return Err(rq);
    }
    if !rq.take_fresh() {
        counters.retried.add();
    }
    if config.blocking {
        fsleep(Delta::from_nanos(i64::from(config.sleep_ns)));
    }
    let outcome = disk.serve(&rq);
    let status = rq.data_mut().served(outcome);
    let rq = rq.start();
    counters.started.add();
    match config.completion {
        CompletionMode::Inline => {
            counters.ended_at_once.add();
            rq.end(status);
        }
        CompletionMode::SoftIrq => match rq.into_completed(()) {
            Ok(rq) => rq.complete(),
            Err((rq, ())) => rq.end(BlkStatus::IoError),
        },
        mode => publish(queue, rq, mode),
    }
    Ok(())
}

/// Gives a request back for want of something.
fn refuse(hctx: HwCtx<'_, Ram>, rq: IdleRequest<Ram>) -> Refused<Ram> {
    let request_queue = hctx.request_queue();
    if request_queue.data().is_choked() {
        hctx.stop();
        return rq.refuse_dev_resource();
    }
    match hctx.queue().shared().config.refuse_for {
        Refusal::Resource => rq.refuse_resource(),
        Refusal::Device => {
            // There may be enough of it again now, and will be by then.
            hctx.run(true);
            request_queue.delay_run_hw_queues(DEVICE_MS);
            rq.refuse_dev_resource()
        }
    }
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

/// Has the device complete a command while the time-out of its request goes on.
fn race(queue: &Queue<Ram>, set: &TagSet<Ram>, tag: usize, cid: Cid) {
    let counters = queue.counters();
    // From here on another CPU may take it. The time-out gives it nothing, then 1, 2, 4, and at
    // last 1024 microseconds for that.
    queue.find(cid);
    let limit = (1u64 << (RACES.fetch_add(1, Ordering::Relaxed) % 12)) >> 1;
    for _ in 0..limit {
        if queue.slots().cid(tag) != Some(cid) {
            break;
        }
        udelay(Delta::from_micros(1));
    }
    if queue.slots().cid(tag) != Some(cid) {
        counters.completed_first.add();
        return;
    }
    counters.timed_out_first.add();
    if queue.stops() {
        device::take_back(set, None);
    }
}

/// How long the device wants for something that a request was refused for, in milliseconds.
const DEVICE_MS: usize = 10;

/// How many races there were.
static RACES: AtomicU64 = AtomicU64::new(0);

/// Has the device look at the commands.
#[inline]
fn tell(hctx: HwCtx<'_, Ram>) {
    let queue = hctx.queue();
    let by_interrupt = queue.shared().config.completion == CompletionMode::Interrupt;
    if by_interrupt && hctx.kind() != QueueKind::Poll {
        queue.ring();
    }
}

/// Handles all completions of a queue. Any context.
pub(crate) fn interrupt(queue: &Queue<Ram>) {
    queue.counters().interrupts.add();
    // What is in the batch ends after the last.
    CompletionBatch::collect(|batch| reap(queue, batch));
}

/// Takes what the device has completed, and hands it to blk-mq. Returns how many requests
/// that were.
fn reap(queue: &Queue<Ram>, batch: &mut CompletionBatch<'_, Ram>) -> u32 {
    let mut found = 0u32;
    while let Some(entry) = queue.next() {
        let Some(mut rq) = queue.slots().take(&entry) else {
            queue.counters().stale.add();
            continue;
        };
        found = found.wrapping_add(1);
        if entry.is_bogus {
            queue.counters().bogus_taken.add();
        }
        let again = queue.requeues();
        let is_ok = rq.data_mut().completed(again);
        if let Some(at) = rq.data().append {
            rq.set_append_offset(at);
        }
        if queue.shared().config.remote {
            if let Err(rq) = rq.complete_remote() {
                queue.counters().ended_here.add();
                Ram::complete(rq);
            }
        } else {
            rq.complete_batched(batch, !is_ok || !queue.shared().config.batch);
        }
    }
    found
}
