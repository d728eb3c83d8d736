// SPDX-License-Identifier: GPL-2.0

//! The data path.
//!
//! Nothing here allocates, counts references or sleeps; one lock is taken for each
//! command, or for each run of commands that blk-mq hands over together.

use super::{
    command_data::CommandData,
    hardware::Blame,
    journal::Oddity,
    namespace::Namespace,
    queue::{
        reject,
        submit_one,
        NvmeOperations,
        Prepared,
        QueuePair,
        Submitter, //
    },
    ring::Entry,
    spec::{
        io::{
            self,
            DsmRange,
            Transfer, //
        },
        lba::{
            BlockCount,
            LbaRange, //
        },
        status::{
            BlockStatus,
            Status, //
        },
    },
};
use crate::{
    dma::{
        prp::Prps,
        DmaStopped,
        MapError,
        Mapping, //
    },
    mq::{
        self,
        BlkStatus,
        Completed,
        Expired,
        HwCtx,
        IdleRequest,
        Op,
        Queue,
        QueueKind,
        QueueMaps,
        Refused,
        Request,
        RequestInfo,
        RequestList,
        TimeoutAction, //
    },
    os::{
        log,
        params, //
    },
    pci::Lease, //
};
use kernel::prelude::*;
use zerocopy::IntoBytes;

/// The operations of the I/O queues.
pub(crate) struct IoQueues;

/// How the vectors of a tag set's queues are found.
pub(crate) struct QueueAffinity {
    /// The function.
    pub(crate) lease: Lease,
    /// The vector of the first queue, if each queue has one of its own.
    pub(crate) first_vector: Option<u32>,
}

/// Why a request was not sent.
enum NotSent {
    /// It goes back to blk-mq.
    Later,
    /// It ends.
    Never(BlkStatus),
}

impl From<MapError> for NotSent {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Busy => Self::Later,
            MapError::Invalid => Self::Never(BlkStatus::IoError),
        }
    }
}

impl NvmeOperations for IoQueues {}

#[vtable]
impl mq::Operations for IoQueues {
    type TagSetData = QueueAffinity;
    type Queue = QueuePair;
    type HwCtxData = ();
    type QueueData = Namespace;
    type RequestData = CommandData;
    type Mapping = Mapping;
    type Completion<'a> = Entry<'a>;
    type DmaStopped = DmaStopped;
    const REQUEST_DATA_BUDGET: usize = CommandData::SIZE;

    #[inline]
    fn queue_rq(
        hctx: HwCtx<'_, Self>,
        ns: &Namespace,
        mut rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Refused<Self>> {
        let queue = hctx.queue();
        match prepare(queue, ns, &mut rq) {
            Ok(prepared) => {
                submit_one(queue, rq.start(), prepared, last);
                Ok(())
            }
            Err(why) => not_sent(queue, rq, last, why),
        }
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        let mut next = list.pop();
        while let Some((first, hctx)) = next.take() {
            next = queue_run(first, hctx, list);
        }
    }

    fn commit_rqs(hctx: HwCtx<'_, Self>) {
        Submitter::new(hctx.queue()).commit();
    }

    #[inline]
    fn complete(rq: Completed<Self>) {
        let status = rq.data().status();
        if status.is_success() || !rq.is_block_io() {
            // The status of a user's command is the user's to judge.
            rq.end_ok();
        } else {
            failed(rq, status);
        }
    }

    #[inline]
    fn release(queue: &Queue<Self>, mapping: Mapping) {
        queue.mapper().unmap(mapping);
    }

    fn timeout(queue: &Queue<Self>, ns: &Namespace, rq: Expired<'_, Self>) -> TimeoutAction {
        ns.controller().expired(
            queue.id(),
            || queue.slots().cid(rq.tag()?),
            format_args!("{:?} at byte {}, {} bytes", rq.op(), rq.offset(), rq.len()),
        );
        TimeoutAction::ResetTimer
    }

    fn map_queues(affinity: &QueueAffinity, maps: &mut QueueMaps<'_>) {
        let Some(mut map) = maps.kind(QueueKind::Default) else {
            return;
        };
        match affinity.first_vector {
            Some(first) => map.by_irq_affinity(affinity.lease.device(), first),
            None => map.spread(),
        }
    }

    fn init_hctx(
        _affinity: &QueueAffinity,
        _queue: &Queue<Self>,
        _ns: &Namespace,
        _numa_node: i32,
    ) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_request(
        _affinity: &QueueAffinity,
        _queue: Option<&Queue<Self>>,
        _numa_node: i32,
    ) -> impl PinInit<CommandData, Error> {
        Ok(CommandData::default())
    }
}

/// What becomes of a request that is not sent.
#[cold]
fn not_sent(
    queue: &Queue<IoQueues>,
    rq: IdleRequest<IoQueues>,
    last: bool,
    why: NotSent,
) -> Result<(), Refused<IoQueues>> {
    match why {
        // A closed queue gets no better, however often one tries.
        NotSent::Later if queue.is_open() => return Err(rq.refuse_resource()),
        NotSent::Later => rq.end(BlkStatus::Offline),
        NotSent::Never(status) => rq.end(status),
    }
    if last {
        // blk-mq hears of no failure, so it does not call `commit_rqs` for those before.
        Submitter::new(queue).commit();
    }
    Ok(())
}

/// Submits `first` and those that follow it in the list and go to the same queue,
/// under one lock and with one doorbell. Returns the first that goes elsewhere.
fn queue_run<'a>(
    first: IdleRequest<IoQueues>,
    hctx: HwCtx<'a, IoQueues>,
    list: &mut RequestList<'a, IoQueues>,
) -> Option<(IdleRequest<IoQueues>, HwCtx<'a, IoQueues>)> {
    /// Requests end outside of the lock, since who hears of it may submit more.
    enum Aside {
        Ended(IdleRequest<IoQueues>, BlkStatus),
        Rejected(Request<IoQueues>, Mapping),
    }

    let queue = hctx.queue();
    let ns = list.request_queue().data();
    let mut aside = None;
    let mut next = Some((first, hctx));
    let mut submitter = Submitter::new(queue);
    while let Some((mut rq, hctx)) = next.take() {
        if !core::ptr::eq(hctx.queue(), queue) {
            next = Some((rq, hctx));
            break;
        }
        let prepared = prepare(queue, ns, &mut rq);
        match prepared {
            Ok(prepared) => {
                if let Err((rq, mapping)) = submitter.submit(rq.start(), prepared) {
                    aside = Some(Aside::Rejected(rq, mapping));
                }
            }
            // It is of this list; another's would end with an error.
            Err(NotSent::Later) => drop(list.give_back(rq)),
            Err(NotSent::Never(status)) => aside = Some(Aside::Ended(rq, status)),
        }
        next = list.pop();
        if aside.is_some() {
            break;
        }
    }
    submitter.commit();
    drop(submitter);
    match aside {
        None => {}
        Some(Aside::Ended(rq, status)) => rq.end(status),
        Some(Aside::Rejected(rq, mapping)) => reject(queue, rq, mapping),
    }
    next
}

/// Makes the command of a request, and maps its data.
// What is prepared stays in registers until it is written to the ring; out of line it
// would go through memory, at the price of a third of the data path.
#[inline(always)]
fn prepare(
    queue: &QueuePair,
    ns: &Namespace,
    rq: &mut IdleRequest<IoQueues>,
) -> Result<Prepared, NotSent> {
    match rq.op() {
        Op::Read => transfer(queue, ns, rq, Transfer::Read),
        Op::Write => transfer(queue, ns, rq, Transfer::Write),
        op => prepare_other(queue, ns, rq, op),
    }
}

/// Read or write: the fast path.
#[inline(always)] // As `prepare`.
fn transfer(
    queue: &QueuePair,
    ns: &Namespace,
    rq: &mut IdleRequest<IoQueues>,
    what: Transfer,
) -> Result<Prepared, NotSent> {
    if rq.take_fresh() {
        rq.data_mut().retries = 0;
    }
    let range = blocks(ns, rq).ok_or(NotSent::Never(BlkStatus::Invalid))?;
    let mut how = ns.io_control();
    if rq.is_fua() {
        how = how.fua();
    }
    if rq.is_readahead() {
        how = how.prefetch();
    }
    let (prps, mapping) = queue.mapper().map(rq)?;
    Ok(Prepared {
        command: io::transfer(what, ns.nsid(), range, how),
        prps,
        mapping,
    })
}

/// The logical blocks that a request is about.
#[inline(always)] // As `prepare`.
fn blocks(ns: &Namespace, rq: &RequestInfo<IoQueues>) -> Option<LbaRange> {
    let size = ns.lba_size();
    // CAST: fewer blocks than bytes, which have 32 bits.
    Some(LbaRange {
        start: size.blocks_in(rq.offset()),
        blocks: BlockCount::new(size.blocks_in(u64::from(rq.len())) as u32)?,
    })
}

#[inline(never)]
fn prepare_other(
    queue: &QueuePair,
    ns: &Namespace,
    rq: &mut IdleRequest<IoQueues>,
    op: Op,
) -> Result<Prepared, NotSent> {
    if rq.take_fresh() && rq.is_block_io() {
        *rq.data_mut() = CommandData::default();
    }
    let command = match op {
        Op::Flush => io::flush(ns.nsid()),
        Op::WriteZeroes => {
            let range = blocks(ns, rq).ok_or(NotSent::Never(BlkStatus::Invalid))?;
            let deallocate = ns.zeroes_by_deallocation() && !rq.is_nounmap();
            io::write_zeroes(ns.nsid(), range, ns.io_control(), deallocate)
        }
        Op::Discard => return discard(queue, ns, rq),
        Op::DriverIn | Op::DriverOut => *rq
            .data()
            .command()
            .ok_or(NotSent::Never(BlkStatus::Invalid))?,
        _ => return Err(NotSent::Never(BlkStatus::NotSupported)),
    };
    let (prps, mapping) = map_if_any(queue, rq)?;
    Ok(Prepared {
        command,
        prps,
        mapping,
    })
}

/// Maps the data of a request, if it has any.
pub(super) fn map_if_any<T: NvmeOperations>(
    queue: &QueuePair,
    rq: &RequestInfo<T>,
) -> Result<(Prps, Mapping), MapError> {
    if rq.has_data() && rq.len() != 0 && !matches!(rq.op(), Op::WriteZeroes | Op::Flush) {
        queue.mapper().map(rq)
    } else {
        Ok((Prps::NONE, Mapping::none()))
    }
}

/// Dataset Management with a range for each bio of the request.
///
/// A scheduler may merge more of them than the controller takes; as a discard is a hint,
/// the rest is left out.
///
/// The ranges are written to a page of the queue's own, all of it, since there are
/// devices that read all of it whatever the number of ranges is.
fn discard(
    queue: &QueuePair,
    ns: &Namespace,
    rq: &RequestInfo<IoQueues>,
) -> Result<Prepared, NotSent> {
    let limit = ns.discard_ranges();
    let mut count = 0usize;
    let (prps, mapping) = queue.mapper().map_page(|page| {
        let mut places = page.chunks_exact_mut(size_of::<DsmRange>());
        let mut add = |offset, len| {
            let blocks = ns.lba_size().blocks_in(u64::from(len));
            // CAST: fewer blocks than bytes, which have 32 bits.
            let range = DsmRange::new(ns.lba_size().blocks_in(offset), blocks as u32);
            count = count.wrapping_add(1);
            if let Some(place) = places.next() {
                place.copy_from_slice(range.as_bytes());
            }
        };
        if limit == 1 {
            // Where there are no lists, blk-mq merges what is contiguous.
            add(rq.offset(), rq.len());
        } else {
            rq.for_each_bio(add);
        }
    })?;
    match io::deallocate(ns.nsid(), count.min(limit)) {
        Some(command) => Ok(Prepared {
            command,
            prps,
            mapping,
        }),
        None => {
            queue.mapper().unmap(mapping);
            Err(NotSent::Never(BlkStatus::Invalid))
        }
    }
}

/// A command failed: tries it again, or ends its request with what that means.
#[cold]
fn failed(mut rq: Completed<IoQueues>, status: Status) {
    let retries = rq.data().retries;
    let retry = status.is_retryable()
        && !rq.is_failfast()
        && u32::from(retries) < params::max_retries().min(u32::from(u8::MAX))
        && rq.queue_data().controller().is_serving();
    note_failure(&rq, status, retry);
    if retry {
        rq.data_mut().retries = retries.saturating_add(1);
        let delay = rq.queue_data().controller().retry_delay_ms(status);
        rq.requeue(delay);
        return;
    }
    if log::may_print() {
        let ns = rq.queue_data();
        pr_err!(
            "{}: {}\n",
            ns.name(),
            format_args!(
                "{:?} of {} blocks at LBA {}, queue {}: {status}, after {retries} retries",
                rq.op(),
                ns.lba_size().blocks_in(u64::from(rq.len())),
                ns.lba_size().blocks_in(rq.offset()),
                rq.queue().id(),
            )
        );
    }
    rq.end(to_blk_status(status));
}

/// Remembers a command that failed, for those who look into debugfs.
fn note_failure(rq: &Completed<IoQueues>, status: Status, retry: bool) {
    let what = if retry {
        Oddity::Retried
    } else {
        Oddity::Failed
    };
    // CAST: tags have 12 bits at most.
    let tag = rq.tag() as u16;
    let journal = &rq.queue_data().controller().journal;
    journal.odd_completion(what, rq.queue().id(), tag, status);
}

/// What becomes of a request that the controller had when it was stopped.
pub(super) fn taken_back(mut rq: Completed<IoQueues>, blame: Blame) {
    if !rq.is_block_io() || rq.is_failfast() {
        // Who sent it decides what to do about it.
        return rq.end(BlkStatus::Transport);
    }
    let retries = rq.data().retries;
    if blame == Blame::Commands {
        if u32::from(retries) >= params::max_retries().min(u32::from(u8::MAX)) {
            return rq.end(BlkStatus::Timeout);
        }
        rq.data_mut().retries = retries.saturating_add(1);
    }
    rq.requeue(0);
}

fn to_blk_status(status: Status) -> BlkStatus {
    match status.block_status() {
        BlockStatus::Ok => BlkStatus::Ok,
        BlockStatus::NoSpace => BlkStatus::NoSpace,
        BlockStatus::Target => BlkStatus::Target,
        BlockStatus::NotSupported => BlkStatus::NotSupported,
        BlockStatus::Medium => BlkStatus::Medium,
        BlockStatus::Protection => BlkStatus::Protection,
        BlockStatus::ReservationConflict => BlkStatus::ReservationConflict,
        BlockStatus::Transport => BlkStatus::Transport,
        BlockStatus::ZoneActiveResource => BlkStatus::ZoneActiveResource,
        BlockStatus::ZoneOpenResource => BlkStatus::ZoneOpenResource,
        BlockStatus::IoError => BlkStatus::IoError,
    }
}
