// SPDX-License-Identifier: GPL-2.0

//! Submission and completion queues in memory.
//!
//! NVM Express Base Specification 2.0c, 3.3.1 and 3.3.3.

use super::{
    cursor::Cursor,
    spec::{
        completion::{
            Completion,
            Cqe,
            CqeTail, //
        },
        ids::QueueSize,
        sqe::Sqe,
        status::Status, //
    },
};
use crate::{
    dma::{
        Coherent,
        DmaAddr,
        DmaStopped, //
    },
    mq::{
        self,
        atomic::{
            AtomicU64,
            Ordering, //
        }, //
    },
    pci::{
        Doorbell,
        Lease, //
    },
};
use kernel::prelude::*;

/// A submission queue: the host writes at its tail.
///
/// It cannot be overrun: there is at least one tag fewer than entries, and who writes an
/// entry holds a tag, or one of the places for event requests that are left besides.
pub(crate) struct SubmissionRing {
    entries: Coherent<Sqe>,
    /// Where the next entry goes.
    tail: Cursor,
    /// What the device was told last.
    committed_tail: u32,
    doorbell: Doorbell,
}

impl SubmissionRing {
    /// A queue of `size` entries whose tail doorbell is `doorbell`. May sleep.
    pub(crate) fn new(lease: Lease, size: QueueSize, doorbell: Doorbell) -> Result<Self> {
        // CAST: widening.
        Ok(Self {
            entries: Coherent::new(lease, size.entries() as usize)?,
            tail: Cursor::new(size),
            committed_tail: 0,
            doorbell,
        })
    }

    /// The address of the first entry, for the device.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        self.entries.dma_addr()
    }

    /// Where the next command goes.
    pub(crate) fn tail(&self) -> u32 {
        self.tail.index()
    }

    /// The tail that the device was told last.
    pub(crate) fn committed_tail(&self) -> u32 {
        self.committed_tail
    }

    /// Starts anew with a device that has forgotten the queue.
    pub(crate) fn restart(&mut self, _stopped: &DmaStopped) {
        self.tail = Cursor::new(self.tail.size());
        self.committed_tail = 0;
    }

    /// Writes a command at the tail. The device does not know of it yet.
    #[inline]
    pub(crate) fn write(&mut self, sqe: Sqe) {
        // CAST: widening.
        self.entries.write(self.tail.index() as usize, sqe);
        self.tail.advance();
    }

    /// Tells the device of all that was written.
    #[inline]
    pub(crate) fn commit(&mut self) {
        let tail = self.tail.index();
        if tail != self.committed_tail {
            self.doorbell.ring(tail);
            self.committed_tail = tail;
        }
    }
}

/// A completion queue entry that was read: the right to take the request that it
/// names, once.
pub(crate) struct Entry<'a> {
    tail: CqeTail,
    entries: &'a Coherent<Cqe>,
    index: usize,
}

impl Entry<'_> {
    /// How the command ended.
    #[inline]
    pub(crate) fn status(&self) -> Status {
        self.tail.status()
    }

    /// What the command returned, and how it ended.
    #[inline]
    pub(crate) fn completion(&self) -> Completion {
        Completion {
            // The place is there, as its other half was read.
            result: self
                .entries
                .load_acquire::<0>(self.index)
                .map_or(0, u64::from_le),
            status: self.tail.status(),
        }
    }
}

#[cfg(CONFIG_RNVME_FAULT_INJECTION)]
impl Entry<'_> {
    /// The same with an identifier that no command has.
    pub(super) fn with_stale_cid(self) -> Self {
        Self {
            tail: self.tail.with_stale_cid(),
            ..self
        }
    }
}

impl mq::Completion for Entry<'_> {
    #[inline]
    fn cid(&self) -> mq::Cid {
        mq::Cid::from_bits(self.tail.cid())
    }
}

/// The memory of a completion queue: the device writes it, who has the [`CompletionRing`]
/// takes its entries, and others may look.
pub(crate) struct CompletionMemory {
    entries: Coherent<Cqe>,
    size: QueueSize,
    /// The index up to which entries were read, as the device was told last. One store of
    /// it is all that the data path pays for those who look.
    head: AtomicU64,
}

/// The place of an entry of a completion queue, and the round in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) index: u32,
    pub(super) phase: bool,
}

impl CompletionMemory {
    /// Memory for `size` entries. May sleep.
    pub(crate) fn new(lease: Lease, size: QueueSize) -> Result<Self> {
        // CAST: widening.
        Ok(Self {
            entries: Coherent::new(lease, size.entries() as usize)?,
            size,
            head: AtomicU64::new(0),
        })
    }

    /// The address of the first entry, for the device.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        self.entries.dma_addr()
    }

    /// The index up to which entries were read.
    pub(crate) fn head(&self) -> u32 {
        // CAST: an index.
        self.head.load(Ordering::Relaxed) as u32
    }

    /// Where an entry is that the device has written and nobody has read yet, if there is
    /// one: a look, not a promise. Any context; reads memory only.
    pub(crate) fn waiting(&self) -> Option<Place> {
        self.next()
            .filter(|next| self.phase(next.index) == Some(next.phase))
    }

    /// Where the device writes the next entry that nobody has read yet. Any context; reads
    /// memory only.
    pub(crate) fn next(&self) -> Option<Place> {
        let index = self.head();
        // The entry before this one was read, or memory is as new; its phase tag tells the
        // round, as the device writes it again only after this one.
        let (before, new_round) = match index.checked_sub(1) {
            Some(before) => (before, false),
            None => (self.size.entries().wrapping_sub(1), true),
        };
        let phase = self.phase(before)? ^ new_round;
        Some(Place { index, phase })
    }

    fn phase(&self, index: u32) -> Option<bool> {
        // CAST: widening.
        let tail = self.entries.load_acquire::<1>(index as usize)?;
        Some(CqeTail::from_le(tail).phase())
    }
}

/// A completion queue: the device writes, the host reads at its head.
///
/// Each method that wants the queue's memory is given the same one.
pub(crate) struct CompletionRing {
    head: Cursor,
    doorbell: Doorbell,
}

impl CompletionRing {
    /// A queue of `size` entries whose head doorbell is `doorbell`.
    pub(crate) fn new(size: QueueSize, doorbell: Doorbell) -> Self {
        Self {
            head: Cursor::new(size),
            doorbell,
        }
    }

    /// Starts anew with a device that has forgotten the queue: the entries of the last
    /// round go, whose phase tags would be taken for those of the first.
    pub(crate) fn restart(&mut self, memory: &CompletionMemory, _stopped: &DmaStopped) {
        memory.entries.clear();
        self.head = Cursor::new(self.head.size());
        self.publish(memory);
    }

    /// Reads the entry at the head, if the device has written one, and moves on. The
    /// device may not use its place again before [`Self::commit`].
    #[inline]
    pub(crate) fn pop<'a>(&mut self, memory: &'a CompletionMemory) -> Option<Entry<'a>> {
        // CAST: widening.
        let index = self.head.index() as usize;
        // One load of the half that has the phase tag; what it brings is current.
        let tail = CqeTail::from_le(memory.entries.load_acquire::<1>(index)?);
        if tail.phase() != self.head.phase() {
            return None;
        }
        self.head.advance();
        Some(Entry {
            tail,
            entries: &memory.entries,
            index,
        })
    }

    /// Tells the device up to where the entries were read, and those who look.
    #[inline]
    pub(crate) fn commit(&mut self, memory: &CompletionMemory) {
        self.doorbell.ring(self.head.index());
        self.publish(memory);
    }

    #[inline]
    fn publish(&self, memory: &CompletionMemory) {
        let head = u64::from(self.head.index());
        memory.head.store(head, Ordering::Relaxed);
    }
}
