// SPDX-License-Identifier: GPL-2.0

//! The I/O queues of a controller, on the host's side: how many, their interrupts and their rings.

use super::Hardware;
use crate::{
    dma::DmaAddr,
    mq::{
        self,
        QueueRef,
        TagSet,
        TagSetConfig,
        TagSetFlags, //
    },
    nvme::{
        controller::Controller,
        io::{
            IoQueues,
            QueueAffinity, //
        },
        queue::{
            Completer,
            QueuePair, //
        },
        ring::CompletionRing,
        spec::ids::{
            QueueId,
            QueueSize, //
        }, //
    },
    os::params,
    pci::{
        HandlerCell,
        IrqRegistration,
        Vectors, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The fewest entries of an I/O queue: one of them stays empty.
const MIN_ENTRIES: u32 = 2;

/// The most: tags then have 12 bits, which leaves 4 of a command identifier for its generation.
const MAX_ENTRIES: u32 = 4095;

/// The addresses and numbers by which the controller is told of a queue pair.
pub(crate) struct IoQueueMemory {
    /// The identifier of both queues.
    pub(crate) id: QueueId,
    /// Their entries.
    pub(crate) size: QueueSize,
    /// The interrupt vector.
    pub(crate) vector: u16,
    /// The memory of the completion queue.
    pub(crate) completions: DmaAddr,
    /// The memory of the submission queue.
    pub(crate) submissions: DmaAddr,
}

impl Hardware {
    /// How many I/O queues to ask the controller for: one for each possible CPU, and
    /// no more than have doorbells.
    pub(crate) fn wanted_io_queues(&self) -> u32 {
        mq::map::possible_queues().clamp(1, u32::from(self.registers.last_queue()).max(1))
    }

    /// Makes up to `count` I/O queues on the host: vectors, rings, tag set. The
    /// controller does not know of them yet. Returns how many; fewer if there are not as many
    /// interrupt vectors. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what allocating vectors and requesting interrupts meets.
    pub(crate) fn make_io_queues(&mut self, controller: &Controller, count: u32) -> Result<u32> {
        // The admin queue moves to the first vector of the new set.
        if let Some(irq) = self.admin_irq.take() {
            self.admin_idle = Some(irq.into_handler());
        }
        let vectors = Vectors::new(self.lease.clone(), count.saturating_add(1), 1)?;
        self.attach_admin(vectors.clone(), controller.number())?;
        // One vector is for all of them.
        let first_vector = (vectors.count() > 1).then_some(1);
        let count = count.min(vectors.count().saturating_sub(1).max(1));
        let set = self.make_io_set(controller, count, first_vector)?;
        for index in 0..count {
            // CAST: widening.
            let queue: QueueRef<IoQueues> = set.queue_ref(index as usize).ok_or(EINVAL)?;
            let vector = first_vector.map_or(0, |first| first.saturating_add(index));
            let irq = self.attach_io(controller, queue, vectors.clone(), vector)?;
            self.io_irqs.push(irq, GFP_KERNEL)?;
        }
        self.io_set = Some(set);
        Ok(count)
    }

    /// The tag set of `count` I/O queues, each closed, whose interrupts have the vectors from
    /// `first_vector` on, if each has one of its own.
    fn make_io_set(
        &self,
        controller: &Controller,
        count: u32,
        first_vector: Option<u32>,
    ) -> Result<Arc<TagSet<IoQueues>>> {
        let max = self.registers.cap().max_queue_size().ok_or(EINVAL)?;
        let entries = params::io_queue_depth().clamp(MIN_ENTRIES, MAX_ENTRIES);
        let size = QueueSize::new(entries.min(max.entries())).ok_or(EINVAL)?;
        let pairs = (1..=count).map(|id| {
            QueuePair::new(
                &self.lease,
                &self.registers,
                controller,
                QueueId::new(u16::try_from(id)?),
                size,
            )
        });
        TagSet::new(
            TagSetConfig {
                timeout_ms: params::io_timeout().saturating_mul(1000),
                numa_node: self.lease.numa_node(),
                flags: TagSetFlags::NO_SCHED_BY_DEFAULT,
                // A ring with as many commands as entries would look empty.
                ..TagSetConfig::new(size.entries().wrapping_sub(1))
            },
            pairs,
            QueueAffinity {
                lease: self.lease.clone(),
                first_vector,
            },
        )
    }

    /// Has the interrupts of a vector complete the requests of an I/O queue.
    fn attach_io(
        &self,
        controller: &Controller,
        queue: QueueRef<IoQueues>,
        vectors: Arc<Vectors>,
        vector: u32,
    ) -> Result<IrqRegistration<Completer<IoQueues>>> {
        let id = queue.id();
        let size = QueueSize::new(queue.entries()).ok_or(EINVAL)?;
        let ring = CompletionRing::new(size, self.registers.completion_head(id)?);
        let completer = HandlerCell::new(Completer::new(ring, queue))?;
        let queue = u32::from(id.get());
        IrqRegistration::new(vectors, vector, controller.number(), queue, completer)
            .map_err(|(error, _)| error)
    }

    /// What the controller has to be told of I/O queue `index`, counted from 0.
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

    /// How many I/O queues there are on the host, the admin queue not among them.
    pub(crate) fn io_queue_count(&self) -> u32 {
        // CAST: at most as many as interrupt vectors, which have 11 bits, or one.
        self.io_irqs.len() as u32
    }

    /// How many entries each I/O queue has; 0 if there is none.
    pub(crate) fn io_entries(&self) -> u32 {
        self.io_set
            .as_ref()
            .and_then(|set| set.queue(0))
            .map_or(0, |queue| queue.entries())
    }
}
