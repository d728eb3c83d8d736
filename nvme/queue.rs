// SPDX-License-Identifier: GPL-2.0

//! A queue pair: what submitters share, and what the interrupt handler has alone.

use super::{
    command_data::CommandData,
    controller::Controller,
    fault,
    journal::{
        Journal,
        Oddity, //
    },
    peek::{
        Missed,
        Peeker,
        Seen, //
    },
    registers::Registers, //
    ring::{
        CompletionMemory,
        CompletionRing,
        Entry,
        SubmissionRing, //
    },
    spec::{
        command::Command,
        completion::Completion,
        ids::{
            QueueId,
            QueueSize, //
        },
        sqe::Sqe, //
    },
};
use crate::{
    dma::{
        prp::Prps,
        DmaAddr,
        DmaStopped,
        Mapping,
        RequestMapper, //
    },
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        BlkStatus,
        Cid,
        Completed,
        Completion as _,
        CompletionBatch,
        Operations,
        Queue,
        QueueRef,
        Request,
        StopProof, //
    },
    pci::{
        IrqHandler,
        Lease, //
    },
};
use core::fmt;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    }, //
};

/// Whether submitters are let in: the only gate, for whoever holds the lock that it is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// They are not: the device does not know of the queue yet, or was stopped.
    Closed,
    /// They are, and the first one starts the peeks: nobody looks at the queue meanwhile.
    Idle,
    /// They are, and somebody looks at the queue from time to time.
    Open,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Open => "open",
        })
    }
}

/// The submission side, under its lock.
pub(crate) struct Submission {
    pub(super) ring: SubmissionRing,
    pub(super) gate: Gate,
    /// What the last peek saw.
    pub(super) seen: Seen,
}

/// The submission side of a queue pair and what completing needs of it.
pub(crate) struct QueuePair {
    /// In an allocation of its own, so submitters and completers share no cache line.
    pub(super) submission: Pin<KBox<SpinLock<Submission>>>,
    completions: CompletionMemory,
    mapper: RequestMapper,
    id: QueueId,
    size: QueueSize,
    instance: u32,
    bogus: AtomicU64,
    peeker: Arc<Peeker>,
    journal: Arc<Journal>,
    /// Interrupts that did not come, or late.
    pub(super) missed: Missed,
}

impl QueuePair {
    /// A closed queue of `size` entries, which has `size - 1` tags. May sleep.
    pub(crate) fn new(
        lease: &Lease,
        registers: &Registers,
        controller: &Controller,
        id: QueueId,
        size: QueueSize,
    ) -> Result<Self> {
        let ring = SubmissionRing::new(lease.clone(), size, registers.submission_tail(id)?)?;
        Ok(Self {
            submission: KBox::pin_init(
                new_spinlock!(Submission {
                    ring,
                    gate: Gate::Closed,
                    seen: Seen::default(),
                }),
                GFP_KERNEL,
            )?,
            completions: CompletionMemory::new(lease.clone(), size)?,
            // CAST: widening.
            mapper: RequestMapper::new(lease.clone(), size.entries() as usize)?,
            id,
            size,
            instance: controller.number(),
            bogus: AtomicU64::new(0),
            peeker: controller.peeker.clone(),
            journal: controller.journal.clone(),
            missed: Missed::default(),
        })
    }

    /// True if submitters are let in.
    pub(crate) fn is_open(&self) -> bool {
        self.submission.lock().gate != Gate::Closed
    }

    /// How many entries each of its two rings has.
    pub(crate) fn entries(&self) -> u32 {
        self.size.entries()
    }

    /// The identifier of the queue.
    pub(crate) fn id(&self) -> QueueId {
        self.id
    }

    /// What maps the memory of requests.
    #[inline]
    pub(crate) fn mapper(&self) -> &RequestMapper {
        &self.mapper
    }

    /// The address of the submission ring.
    pub(crate) fn submission_addr(&self) -> DmaAddr {
        self.submission.lock().ring.dma_addr()
    }

    /// True if the device has written completions of commands that it did not have.
    pub(super) fn has_bogus(&self) -> bool {
        self.bogus.load(Ordering::Relaxed) != 0
    }

    /// The memory of the completion ring.
    #[inline]
    pub(crate) fn completions(&self) -> &CompletionMemory {
        &self.completions
    }

    /// The number of the controller.
    pub(crate) fn instance(&self) -> u32 {
        self.instance
    }

    /// Starts the submission ring anew with a device that has forgotten the queue.
    pub(crate) fn restart(&self, stopped: &DmaStopped) {
        self.submission.lock().ring.restart(stopped);
    }

    /// Lets submitters in, or keeps them out: those who come later end their requests
    /// with an error.
    pub(crate) fn set_open(&self, open: bool) {
        let mut submission = self.submission.lock();
        submission.gate = if open { Gate::Idle } else { Gate::Closed };
        submission.seen = Seen::default();
    }

    /// The gate is not wide open: starts the peeks, if it is not closed. Returns true if the
    /// submitter may go on.
    #[cold]
    fn wake(&self, submission: &mut Submission) -> bool {
        if submission.gate == Gate::Closed {
            return false;
        }
        submission.gate = Gate::Open;
        self.peeker.arm();
        true
    }
}

/// Requests that carry [`CommandData`], are mapped by a [`RequestMapper`], and are
/// taken back by an [`Entry`] that was read from a completion ring.
pub(crate) trait NvmeOperations:
    for<'a> Operations<
    Queue = QueuePair,
    Mapping = Mapping,
    DmaStopped = DmaStopped,
    RequestData: AsMut<CommandData> + Unpin,
    Completion<'a> = Entry<'a>,
>
{
    /// Takes a completion that names no request. Hard interrupt context.
    #[cold]
    fn stray(queue: &QueueRef<Self>, cid: Cid, completion: Completion) {
        bogus(queue, cid, completion);
    }
}

impl<T: NvmeOperations> StopProof<T> for DmaStopped {
    fn covers(&self, queue: &QueuePair) -> bool {
        self.covers(queue.mapper().lease())
    }
}

/// Something to write to the submission ring, and what it holds.
pub(crate) struct Prepared {
    /// What to do.
    pub(crate) command: Command,
    /// Where its data are.
    pub(crate) prps: Prps,
    /// What is mapped for it.
    pub(crate) mapping: Mapping,
}

/// The lock of a submission ring, for one command or a run of them.
pub(crate) struct Submitter<'q, T: NvmeOperations> {
    queue: &'q Queue<T>,
    submission:
        kernel::sync::lock::Guard<'q, Submission, kernel::sync::lock::spinlock::SpinLockBackend>,
}

impl<'q, T: NvmeOperations> Submitter<'q, T> {
    /// Takes the lock. Any context but hard interrupt.
    #[inline]
    pub(crate) fn new(queue: &'q Queue<T>) -> Self {
        Self {
            queue,
            submission: queue.submission.lock(),
        }
    }

    /// Publishes a request: it moves into its slot, and the command into the ring.
    ///
    /// # Errors
    ///
    /// Gives the request and its mapping back if the queue is closed.
    #[inline(always)] // From registers to the ring, see `io::prepare`.
    pub(crate) fn submit(
        &mut self,
        rq: Request<T>,
        prepared: Prepared,
    ) -> Result<(), (Request<T>, Mapping)> {
        let Prepared {
            command,
            prps,
            mapping,
        } = prepared;
        if self.submission.gate != Gate::Open && !self.queue.wake(&mut self.submission) {
            return Err((rq, mapping));
        }
        let cid = self.queue.slots().put(rq, mapping)?;
        let sqe = Sqe::from_command(&command, cid.bits(), prps);
        self.submission.ring.write(sqe);
        Ok(())
    }

    /// Writes a command without data that is no request, if the queue is open and `cid` has an
    /// identifier for it. The ring has to have a place for it that no tag stands for.
    pub(crate) fn submit_bare(&mut self, command: &Command, cid: impl FnOnce() -> Option<Cid>) {
        // Nobody looks after such a command, so it does not start the peeks.
        if self.submission.gate == Gate::Closed {
            return;
        }
        if let Some(cid) = cid() {
            let sqe = Sqe::from_command(command, cid.bits(), Prps::NONE);
            self.submission.ring.write(sqe);
        }
    }

    /// Tells the device of all that was submitted.
    #[inline]
    pub(crate) fn commit(&mut self) {
        self.submission.ring.commit();
    }
}

/// Publishes one request, or ends it if the queue is closed.
#[inline(always)] // From registers to the ring, see `io::prepare`.
pub(crate) fn submit_one<T: NvmeOperations>(
    queue: &Queue<T>,
    rq: Request<T>,
    prepared: Prepared,
    commit: bool,
) {
    let mut submitter = Submitter::new(queue);
    let result = submitter.submit(rq, prepared);
    if commit {
        submitter.commit();
    }
    drop(submitter);
    if let Err((rq, mapping)) = result {
        reject(queue, rq, mapping);
    }
}

/// Ends a request that a closed queue did not take.
#[cold]
pub(crate) fn reject<T: NvmeOperations>(queue: &Queue<T>, rq: Request<T>, mapping: Mapping) {
    queue.mapper().unmap(mapping);
    rq.end(BlkStatus::Offline);
}

/// Handles the interrupts of one queue; it has the completion ring to itself.
pub(crate) struct Completer<T: NvmeOperations> {
    ring: CompletionRing,
    queue: QueueRef<T>,
}

impl<T: NvmeOperations> Completer<T> {
    /// The completion side of `queue`.
    pub(crate) fn new(ring: CompletionRing, queue: QueueRef<T>) -> Self {
        Self { ring, queue }
    }

    /// Starts both rings anew with a device that has forgotten the queue.
    pub(crate) fn restart(&mut self, stopped: &DmaStopped) {
        self.queue.restart(stopped);
        self.ring.restart(self.queue.completions(), stopped);
    }

    /// Completes all requests for which the device has written an entry. Returns
    /// true if there was one.
    #[inline]
    pub(crate) fn walk(&mut self) -> bool {
        CompletionBatch::collect(|batch| {
            let Self { ring, queue } = self;
            let found = Self::read(ring, queue, batch);
            if found {
                // Before the requests end, so that the device can go on meanwhile.
                ring.commit(queue.completions());
            }
            found
        })
    }

    #[inline(always)] // The body of the interrupt handler.
    fn read(
        ring: &mut CompletionRing,
        queue_ref: &QueueRef<T>,
        batch: &mut CompletionBatch<'_, T>,
    ) -> bool {
        let queue: &Queue<T> = queue_ref;
        let mut found = false;
        while let Some(entry) = ring.pop(queue.completions()) {
            found = true;
            let Some(entry) = fault::completion(queue.id, entry) else {
                continue;
            };
            Self::settle(queue_ref, &entry, batch);
            if fault::duplicate(queue.id) {
                Self::settle(queue_ref, &entry, batch);
            }
        }
        found
    }

    /// Takes the request that a completion names, and ends it.
    #[inline(always)] // As `read`.
    fn settle(queue: &QueueRef<T>, entry: &Entry<'_>, batch: &mut CompletionBatch<'_, T>) {
        match queue.slots().take(entry) {
            Some(mut rq) => {
                let is_block_io = rq.is_block_io();
                let data = rq.data_mut().get_mut().as_mut();
                if is_block_io {
                    data.set_status(entry.status());
                } else {
                    data.set_completion(entry.completion());
                }
                rq.complete_batched(batch, !entry.status().is_success());
            }
            // Its parts, as an entry that is lent would have to be in memory.
            None => T::stray(queue, entry.cid(), entry.completion()),
        }
    }

    /// Completes what the device has still written, then takes all other requests
    /// back and gives them to `f`.
    pub(crate) fn finish(&mut self, stopped: &DmaStopped, f: impl FnMut(Completed<T>)) {
        // There is nobody any more who would want to know up to where.
        let Self { ring, queue } = &mut *self;
        CompletionBatch::collect(|batch| Self::read(ring, queue, batch));
        if self.queue.drain(stopped, f).is_err() {
            pr_err!("rnvme{}: proof of another device\n", self.queue.instance);
        }
    }
}

impl<T: NvmeOperations> IrqHandler for Completer<T> {
    #[inline]
    fn handle(&mut self) -> bool {
        if fault::interrupt(self.queue.id) {
            return true;
        }
        self.walk()
    }
}

/// A completion names no request that the device has.
#[cold]
pub(crate) fn bogus<T: NvmeOperations>(queue: &Queue<T>, cid: Cid, completion: Completion) {
    queue
        .journal
        .odd_completion(Oddity::Stray, queue.id, cid.bits(), completion.status);
    let before = queue.bogus.fetch_add(1, Ordering::Relaxed);
    if crate::os::log::may_print() {
        pr_warn!(
            "rnvme{} queue {}: completion for command {:#06x}, which is not outstanding: ignored, \
             as were {} before\n",
            queue.instance,
            queue.id.get(),
            cid.bits(),
            before
        );
    }
}
