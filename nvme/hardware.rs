// SPDX-License-Identifier: GPL-2.0

//! What is acquired of a device: here the controller itself and its admin queue, its I/O queues in
//! [`io_queues`]. How all of it is taken back is in [`take_back`].

mod io_queues;
mod take_back;

pub(crate) use self::{
    io_queues::IoQueueMemory,
    take_back::Blame, //
};

use self::take_back::Held;
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
    io::IoQueues,
    peek,
    positions::Positions,
    queue::{
        Completer,
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
    dma::mapper,
    mq::{
        QueueLimits,
        QueueRef,
        TagSet,
        TagSetConfig,
        TagSetFlags, //
    },
    os::params,
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
        let admin_set = admin_set(&lease, controller, pair)?;
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
            mapper::MAX_SEGMENTS,
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
}

/// The tag set of the admin queue, which has as many places for Asynchronous Event Requests besides
/// its tags as entries are left over.
fn admin_set(
    lease: &Lease,
    controller: &Controller,
    pair: QueuePair,
) -> Result<Arc<TagSet<AdminQueue>>> {
    let entries = pair.entries();
    // CAST: `MAX`.
    let events = (entries / ADMIN_PER_EVENT).min(event_table::MAX as u32);
    let depth = entries.saturating_sub(1).saturating_sub(events);
    TagSet::new(
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
    )
}

fn complain(lease: &Lease, what: &str, error: &ControllerError) {
    dev_err!(lease.device(), "{what}: {}\n", format_args!("{error}"));
}
