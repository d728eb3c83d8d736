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
    mq,
    pci::{
        Doorbell,
        Lease, //
    },
};
use kernel::prelude::*;
use zerocopy::FromZeros;

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

impl mq::Completion for Entry<'_> {
    #[inline]
    fn cid(&self) -> mq::Cid {
        mq::Cid::from_bits(self.tail.cid())
    }
}

/// A completion queue: the device writes, the host reads at its head.
pub(crate) struct CompletionRing {
    entries: Coherent<Cqe>,
    head: Cursor,
    doorbell: Doorbell,
}

impl CompletionRing {
    /// A queue of `size` entries whose head doorbell is `doorbell`. May sleep.
    pub(crate) fn new(lease: Lease, size: QueueSize, doorbell: Doorbell) -> Result<Self> {
        // CAST: widening.
        Ok(Self {
            entries: Coherent::new(lease, size.entries() as usize)?,
            head: Cursor::new(size),
            doorbell,
        })
    }

    /// The address of the first entry, for the device.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        self.entries.dma_addr()
    }

    /// Starts anew with a device that has forgotten the queue: the entries of the last
    /// round go, whose phase tags would be taken for those of the first.
    pub(crate) fn restart(&mut self, _stopped: &DmaStopped) {
        let size = self.head.size();
        // CAST: widening.
        for index in 0..size.entries() as usize {
            self.entries.write(index, Cqe::new_zeroed());
        }
        self.head = Cursor::new(size);
    }

    /// Reads the entry at the head, if the device has written one, and moves on. The
    /// device may not use its place again before [`Self::commit`].
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry<'_>> {
        // CAST: widening.
        let index = self.head.index() as usize;
        // One load of the half that has the phase tag; what it brings is current.
        let tail = CqeTail::from_le(self.entries.load_acquire::<1>(index)?);
        if tail.phase() != self.head.phase() {
            return None;
        }
        self.head.advance();
        Some(Entry {
            tail,
            entries: &self.entries,
            index,
        })
    }

    /// Tells the device up to where the entries were read.
    #[inline]
    pub(crate) fn commit(&mut self) {
        self.doorbell.ring(self.head.index());
    }
}
