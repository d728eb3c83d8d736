// SPDX-License-Identifier: GPL-2.0

//! What is acquired of a device, and how it is taken back.

use super::{
    admin::{
        Admin,
        AdminQueue, //
    },
    controller::Controller,
    debugfs::Shown,
    event_table::{
        self,
        EventTable, //
    },
    events::EventRequests,
    io::{
        taken_back,
        IoQueues,
        QueueAffinity, //
    },
    peek,
    positions::Positions,
    queue::{
        Completer,
        NvmeOperations,
        QueuePair, //
    },
    registers::{
        ControllerError,
        Registers, //
    },
    ring::CompletionRing,
    spec::{
        ids::{
            QueueId,
            QueueSize, //
        },
        regs::Aqa, //
    },
};
use crate::{
    dma::{
        mapper,
        DmaStopped, //
    },
    mq::{
        self,
        BlkStatus,
        HeldTagSet,
        KeptFrozen,
        QueueLimits,
        QueueRef,
        TagSet,
        TagSetConfig,
        TagSetFlags, //
    },
    os::{
        params,
        wait::poll_until, //
    },
    pci::{
        HandlerCell,
        IrqRegistration,
        Lease,
        Vectors, //
    },
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Entries of the admin queue, if the controller allows as many: a page of them. One fewer can
/// be outstanding.
const ADMIN_ENTRIES: u32 = event_table::MAX_ENTRIES;

/// One in so many entries has no tag, but is for an Asynchronous Event Request.
const ADMIN_PER_EVENT: u32 = 4;

/// Tags of the admin queue that are kept for Abort commands, if it has many more.
const ADMIN_RESERVED: u32 = 2;

/// The device as this driver has it, from probe until it is given back.
///
/// # Invariants
///
/// The memory of a queue that the controller may know of is in a field here, and the
/// fields are dropped after [`Self::stop`].
pub(crate) struct Hardware {
    lease: Lease,
    registers: Arc<Registers>,
    admin_set: Arc<TagSet<AdminQueue>>,
    admin_irq: Option<IrqRegistration<Completer<AdminQueue>>>,
    /// The completion side of the admin queue while it has no interrupt.
    admin_idle: Option<KBox<HandlerCell<Completer<AdminQueue>>>>,
    io_set: Option<Arc<TagSet<IoQueues>>>,
    io_irqs: KVec<IrqRegistration<Completer<IoQueues>>>,
    held: Held,
    /// It was enabled, and not stopped since.
    running: bool,
    /// [`Self::stop`] has done all that there is to do.
    finished: bool,
}

/// Which requests are kept in blk-mq, to be sent later.
#[derive(Default)]
struct Held {
    admin: Option<HeldTagSet<AdminQueue>>,
    io: Option<HeldTagSet<IoQueues>>,
    /// Not even a tag may be waited with.
    frozen: Option<KeptFrozen<IoQueues>>,
}

/// Who may be the reason why a controller was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The commands that it had: they are sent again, but not for ever.
    Commands,
    /// Somebody else: they are sent again.
    Others,
}

impl Hardware {
    /// Resets the controller, and brings it up with an admin queue. May sleep, twice
    /// CAP.TO at most.
    pub(crate) fn new(
        lease: Lease,
        registers: Arc<Registers>,
        controller: &Controller,
    ) -> Result<Self> {
        let instance = controller.number();
        // A controller that somebody left running still knows his queues.
        let stopped = registers
            .disable()
            .inspect_err(|error| complain(&lease, "cannot reset", error))?;
        // Not before: they may lie in memory that is somebody else's by now.
        lease.set_master();
        let max = registers
            .cap()
            .max_queue_size()
            .ok_or(ControllerError::QueueSize)
            .inspect_err(|error| complain(&lease, "cannot use", error))?;
        let size = QueueSize::new(ADMIN_ENTRIES.min(max.entries())).ok_or(EINVAL)?;
        let pair = QueuePair::new(&lease, &registers, controller, QueueId::ADMIN, size)?;
        // CAST: `MAX`.
        let events = (size.entries() / ADMIN_PER_EVENT).min(event_table::MAX as u32);
        let depth = size.entries().saturating_sub(1).saturating_sub(events);
        let admin_set = TagSet::new(
            TagSetConfig {
                reserved_tags: if depth > 2 * ADMIN_RESERVED {
                    ADMIN_RESERVED
                } else {
                    0
                },
                timeout_ms: params::admin_timeout().saturating_mul(1000),
                numa_node: lease.numa_node(),
                flags: TagSetFlags::NO_SCHED_BY_DEFAULT,
                ..TagSetConfig::new(depth)
            },
            [Ok(pair)],
            EventRequests {
                table: EventTable::new(),
                // CAST: widening.
                places: events as usize,
                listener: controller.listener.clone(),
            },
        )?;
        let queue: QueueRef<AdminQueue> = admin_set.queue_ref(0).ok_or(EINVAL)?;
        let head = registers.completion_head(QueueId::ADMIN)?;
        let acq = queue.completions().dma_addr();
        let completer = HandlerCell::new(Completer::new(CompletionRing::new(size, head), queue))?;
        let aqa = Aqa::new(size, size).ok_or(EINVAL)?;
        let vectors = Vectors::new(lease.clone(), 1, 1)?;
        // INVARIANT: the controller knows of no queue yet.
        let mut this = Self {
            lease,
            registers,
            admin_set,
            admin_irq: None,
            admin_idle: Some(completer),
            io_set: None,
            io_irqs: KVec::new(),
            held: Held::default(),
            running: false,
            finished: false,
        };
        this.attach_admin(vectors, instance)?;
        let queue = this.admin_set.queue(0).ok_or(EINVAL)?;
        this.registers
            .enable(stopped, aqa, queue.submission_addr(), acq)
            .inspect_err(|error| complain(&this.lease, "cannot enable", error))?;
        queue.set_open(true);
        this.running = true;
        Ok(this)
    }

    /// Gives the admin queue the first of `vectors`.
    fn attach_admin(&mut self, vectors: Arc<Vectors>, instance: u32) -> Result {
        let completer = self.admin_idle.take().ok_or(ENODEV)?;
        match IrqRegistration::new(vectors, 0, instance, 0, completer) {
            Ok(irq) => {
                self.admin_irq = Some(irq);
                Ok(())
            }
            Err((error, completer)) => {
                self.admin_idle = Some(completer);
                Err(error)
            }
        }
    }

    /// A request queue for admin commands.
    pub(crate) fn admin(&self, controller: Arc<Controller>) -> Result<Arc<Admin>> {
        let limits = QueueLimits::transfer(
            u64::from(self.lease.optimal_transfer(mapper::MAX_BYTES)),
            mapper::MAX_SEGMENTS as u16,
            Some(mapper::PAGE),
        );
        Admin::new(self.admin_set.clone(), &limits, controller)
    }

    /// The registers.
    pub(crate) fn registers(&self) -> &Arc<Registers> {
        &self.registers
    }

    /// The function.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The tag set of the I/O queues, once there is one.
    pub(crate) fn io_set(&self) -> Option<Arc<TagSet<IoQueues>>> {
        self.io_set.clone()
    }

    /// True if the device does not answer any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.lease.is_disconnected() || self.registers.csts().is_gone()
    }

    /// How many queue pairs there are, the admin queue included.
    pub(crate) fn queue_count(&self) -> usize {
        self.io_irqs.len().saturating_add(1)
    }

    /// How many entries each I/O queue has; 0 if there is none.
    pub(crate) fn io_entries(&self) -> u32 {
        self.io_set
            .as_ref()
            .and_then(|set| set.queue(0))
            .map_or(0, |queue| queue.entries())
    }

    /// Keeps new I/O out for good, and waits until what the controller has is done,
    /// `limit_ms` milliseconds at most. May sleep.
    ///
    /// With `fail` later requests end with an error, else they wait for ever: for a
    /// system that goes down, and whose log shall end quietly.
    pub(crate) fn quiet_down(&self, limit_ms: u32, fail: bool) {
        let Some(set) = &self.io_set else {
            return;
        };
        let quiesced = set.quiesce();
        self.wait_idle(limit_ms);
        if fail {
            close(set);
        } else {
            quiesced.for_ever();
        }
    }

    /// Waits until the controller has completed all I/O that it has, `limit_ms`
    /// milliseconds at most. May sleep.
    pub(crate) fn wait_idle(&self, limit_ms: u32) {
        let Some(set) = &self.io_set else {
            return;
        };
        let mut left = limit_ms;
        while left != 0 {
            let now = left.min(peek::PERIOD_MS);
            let idle = poll_until(now, || {
                set.queues()
                    .all(|queue| queue.slots().is_empty())
                    .then_some(())
            });
            if idle.is_some() {
                return;
            }
            left = left.wrapping_sub(now);
            // Nobody else gets at the queues meanwhile.
            self.peek();
        }
    }

    /// Peeks at all queues, and completes what no interrupt told of. Returns true if it is
    /// to be called again after [`peek::PERIOD_MS`]. May sleep.
    pub(super) fn peek(&self) -> bool {
        let mut again = false;
        if let (Some(irq), Some(queue)) = (&self.admin_irq, self.admin_set.queue(0)) {
            again |= peek::at(queue, irq);
        }
        if let Some(set) = &self.io_set {
            for (queue, irq) in set.queues().zip(&self.io_irqs) {
                again |= peek::at(queue, irq);
            }
        }
        again
    }

    /// Calls `f` for each queue that there is, the admin queue first.
    pub(crate) fn for_each_queue(&self, mut f: impl FnMut(&QueuePair)) {
        for queue in self.admin_set.queues() {
            f(queue);
        }
        for queue in self.io_set.iter().flat_map(|set| set.queues()) {
            f(queue);
        }
    }

    /// Where a queue is, if there is such a one.
    pub(super) fn positions(&self, id: QueueId) -> Option<Positions> {
        let mut positions = None;
        self.for_each_queue(|queue| {
            if queue.id() == id {
                positions = Some(Positions::of(queue));
            }
        });
        positions
    }

    /// Calls `f` for each request that was started and has not ended. May sleep.
    pub(crate) fn for_each_command(&self, mut f: impl FnMut(&dyn fmt::Display)) {
        self.admin_set.tagset_busy_iter(|rq| {
            f(&Shown(rq));
            true
        });
        if let Some(set) = &self.io_set {
            set.tagset_busy_iter(|rq| {
                f(&Shown(rq));
                true
            });
        }
    }

    /// How many I/O queues to ask the controller for: one for each possible CPU, and
    /// no more than have doorbells.
    pub(crate) fn wanted_io_queues(&self) -> u32 {
        mq::map::possible_queues().clamp(1, u32::from(self.registers.last_queue()).max(1))
    }

    /// Makes up to `count` I/O queues on the host: vectors, rings, tag set. The
    /// controller does not know of them yet. Returns how many.
    pub(crate) fn make_io_queues(&mut self, controller: &Controller, count: u32) -> Result<u32> {
        let instance = controller.number();
        // The admin queue moves to the first vector of the new set.
        if let Some(irq) = self.admin_irq.take() {
            self.admin_idle = Some(irq.into_handler());
        }
        let vectors = Vectors::new(self.lease.clone(), count.saturating_add(1), 1)?;
        self.attach_admin(vectors.clone(), instance)?;
        let own_vectors = vectors.count() > 1;
        let count = count.min(vectors.count().saturating_sub(1).max(1));

        let max = self.registers.cap().max_queue_size().ok_or(EINVAL)?;
        let entries = params::io_queue_depth().clamp(2, 4095).min(max.entries());
        let size = QueueSize::new(entries).ok_or(EINVAL)?;
        let pairs = (1..=count).map(|id| {
            QueuePair::new(
                &self.lease,
                &self.registers,
                controller,
                QueueId::new(u16::try_from(id)?),
                size,
            )
        });
        let set = TagSet::new(
            TagSetConfig {
                timeout_ms: params::io_timeout().saturating_mul(1000),
                numa_node: self.lease.numa_node(),
                flags: TagSetFlags::NO_SCHED_BY_DEFAULT,
                ..TagSetConfig::new(entries.wrapping_sub(1))
            },
            pairs,
            QueueAffinity {
                lease: self.lease.clone(),
                first_vector: own_vectors.then_some(1),
            },
        )?;
        for index in 0..count {
            // CAST: widening.
            let queue: QueueRef<IoQueues> = set.queue_ref(index as usize).ok_or(EINVAL)?;
            let head = self.registers.completion_head(queue.id())?;
            let ring = CompletionRing::new(size, head);
            let completer = HandlerCell::new(Completer::new(ring, queue))?;
            let id = index.wrapping_add(1);
            let vector = if own_vectors { id } else { 0 };
            let irq = IrqRegistration::new(vectors.clone(), vector, instance, id, completer)
                .map_err(|(error, _)| error)?;
            self.io_irqs.push(irq, GFP_KERNEL)?;
        }
        self.io_set = Some(set);
        Ok(count)
    }

    /// What the controller has to be told of I/O queue `index`, which is then open.
    pub(crate) fn io_queue(&self, index: usize) -> Option<IoQueueMemory> {
        let queue = self.io_set.as_ref()?.queue_ref(index)?;
        let irq = self.io_irqs.get(index)?;
        Some(IoQueueMemory {
            completions: queue.completions().dma_addr(),
            submissions: queue.submission_addr(),
            // CAST: vectors of MSI-X have 11 bits.
            vector: irq.index() as u16,
            size: QueueSize::new(queue.entries())?,
            id: queue.id(),
        })
    }

    /// Lets submitters in to I/O queue `index`, which the controller knows now.
    pub(crate) fn open_io_queue(&self, index: usize) {
        if let Some(queue) = self.io_set.as_ref().and_then(|set| set.queue_ref(index)) {
            queue.set_open(true);
        }
    }

    /// Forgets the I/O queues, of which the controller has none (any more).
    pub(crate) fn drop_io_queues(&mut self) {
        self.io_irqs.clear();
        self.io_set = None;
    }

    /// True if the controller was enabled, and not stopped since.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Completes what the controller has completed on a queue without an interrupt, or with
    /// one that nobody has seen. May sleep.
    pub(crate) fn walk(&self, queue: QueueId) {
        // CAST: widening.
        let irq = match usize::from(queue.get()).checked_sub(1) {
            None => {
                if let Some(irq) = &self.admin_irq {
                    irq.with_masked(|completer| completer.walk());
                }
                return;
            }
            Some(index) => self.io_irqs.get(index),
        };
        if let Some(irq) = irq {
            irq.with_masked(|completer| completer.walk());
        }
    }

    /// How many I/O queues the controller was told of.
    pub(crate) fn io_queue_count(&self) -> u32 {
        // CAST: at most as many as interrupt vectors, which have 11 bits, or one.
        self.io_irqs.len() as u32
    }

    /// Keeps all requests that come from now on in blk-mq. Waits for those who submit right
    /// now. May sleep.
    pub(crate) fn hold(&mut self) {
        if self.held.admin.is_none() {
            self.held.admin = Some(HeldTagSet::new(self.admin_set.clone()));
        }
        if self.held.io.is_none() {
            self.held.io = self.io_set.clone().map(HeldTagSet::new);
        }
    }

    /// Keeps what was frozen until the requests are let go.
    pub(crate) fn keep_frozen(&mut self, frozen: KeptFrozen<IoQueues>) {
        self.held.frozen = Some(frozen);
    }

    /// Lets the requests go that were held, to the controller if the queues are open. May
    /// sleep.
    pub(crate) fn let_go(&mut self) {
        self.held = Held::default();
    }

    /// Stops the controller and takes back what it has, but keeps the queues, to be
    /// started again: I/O is sent again later, if that is worth while, and admin commands
    /// end with an error. Returns how many commands these were. May sleep.
    ///
    /// Returns `None` if the device could not be stopped; then nothing ended, as it may
    /// still write to the memory of each.
    pub(crate) fn halt(&mut self, blame: Blame) -> Option<u32> {
        self.running = false;
        close(&self.admin_set);
        if let Some(set) = &self.io_set {
            close(set);
        }
        let stopped = self.registers.stop(&self.lease)?;
        let mut count = 0_u32;
        for irq in &self.io_irqs {
            irq.with_masked(|completer| {
                completer.finish(&stopped, |rq| {
                    count = count.wrapping_add(1);
                    taken_back(rq, blame);
                });
            });
        }
        if let Some(irq) = &self.admin_irq {
            irq.with_masked(|completer| {
                completer.finish(&stopped, |rq| {
                    count = count.wrapping_add(1);
                    rq.end(BlkStatus::Timeout);
                });
            });
        }
        self.admin_set.data().table.forget(&stopped);
        self.admin_set.wait_completed();
        if let Some(set) = &self.io_set {
            set.wait_completed();
        }
        Some(count)
    }

    /// Starts a controller that was halted again, with the admin queue that it had. The
    /// I/O queues are as new, and the controller does not know of them. May sleep, twice
    /// CAP.TO at most.
    pub(crate) fn restart(&mut self) -> Result<(), ControllerError> {
        // Somebody may have switched them off.
        self.lease.restore_registers();
        let stopped = self.registers.disable()?;
        if !self.registers.answer() {
            // It is stopped by having lost bus mastering, and does not get it back.
            return Err(ControllerError::Gone);
        }
        for irq in &self.io_irqs {
            irq.with_masked(|completer| completer.restart(&stopped));
        }
        let (Some(irq), Some(queue)) = (&self.admin_irq, self.admin_set.queue(0)) else {
            // It was given back: there is nothing to start.
            return Err(ControllerError::Gone);
        };
        irq.with_masked(|completer| completer.restart(&stopped));
        let acq = queue.completions().dma_addr();
        let size = QueueSize::new(queue.entries()).ok_or(ControllerError::QueueSize)?;
        let aqa = Aqa::new(size, size).ok_or(ControllerError::QueueSize)?;
        // It may have been taken away: to stop the device, or by somebody else.
        self.lease.set_master();
        self.registers
            .enable(stopped, aqa, queue.submission_addr(), acq)?;
        queue.set_open(true);
        self.running = true;
        self.held.admin = None;
        Ok(())
    }

    /// Stops the controller, then ends every request that it had with `status`. Order:
    /// keep submitters out, stop the device (with proof), free the interrupts, read the
    /// completions that were still written, take the other requests back. May sleep.
    ///
    /// Returns false if the device could not be stopped; then nothing ended, as it may
    /// still write to the memory of each.
    pub(crate) fn stop(&mut self, status: BlkStatus) -> bool {
        if self.finished {
            return true;
        }
        self.running = false;
        // The gate is looked at under the lock of the ring: from here on nothing is put
        // into a slot.
        close(&self.admin_set);
        if let Some(set) = &self.io_set {
            close(set);
        }
        let stopped = self.registers.stop(&self.lease);
        if let Some(stopped) = &stopped {
            while let Some(irq) = self.io_irqs.pop() {
                irq.into_handler().finish(stopped, |rq| rq.end(status));
            }
            if let Some(irq) = self.admin_irq.take() {
                self.admin_idle = Some(irq.into_handler());
            }
            if let Some(completer) = &mut self.admin_idle {
                completer.finish(stopped, |rq| rq.end(status));
            }
            take_back(&self.admin_set, stopped, status);
            if let Some(set) = &self.io_set {
                take_back(set, stopped, status);
            }
        }
        self.let_go();
        self.finished = stopped.is_some();
        self.finished
    }
}

impl Drop for Hardware {
    fn drop(&mut self) {
        // Whatever path leads here, the controller may know of the memory that goes now.
        if self.stop(BlkStatus::Offline) {
            return;
        }
        // It may still write to that memory, so nobody else gets it, ever.
        dev_err!(
            self.lease.device(),
            "cannot be stopped: its queues stay in memory until the next boot\n"
        );
        while let Some(irq) = self.io_irqs.pop() {
            core::mem::forget(irq.into_handler());
        }
        core::mem::forget(self.admin_irq.take().map(IrqRegistration::into_handler));
        core::mem::forget(self.admin_idle.take());
        core::mem::forget(self.admin_set.clone());
        core::mem::forget(self.io_set.clone());
        self.lease.abandon();
    }
}

/// The addresses and numbers by which the controller is told of a queue pair.
pub(crate) struct IoQueueMemory {
    /// The identifier of both queues.
    pub(crate) id: QueueId,
    /// Their entries.
    pub(crate) size: QueueSize,
    /// The interrupt vector.
    pub(crate) vector: u16,
    /// The memory of the completion queue.
    pub(crate) completions: crate::dma::DmaAddr,
    /// The memory of the submission queue.
    pub(crate) submissions: crate::dma::DmaAddr,
}

/// Keeps submitters out of all queues of a set.
fn close<T: NvmeOperations>(set: &TagSet<T>) {
    for queue in set.queues() {
        queue.set_open(false);
    }
}

/// Ends what is left of queues that have no interrupt handler, and waits for requests
/// that were handed to other CPUs.
fn take_back<T: NvmeOperations>(set: &TagSet<T>, stopped: &DmaStopped, status: BlkStatus) {
    for queue in set.queues() {
        if queue.drain(stopped, |rq| rq.end(status)).is_err() {
            pr_err!("queue {}: proof of another device\n", queue.id().get());
        }
    }
    set.wait_completed();
}

fn complain(lease: &Lease, what: &str, error: &ControllerError) {
    dev_err!(lease.device(), "{what}: {}\n", format_args!("{error}"));
}
