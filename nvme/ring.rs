// SPDX-License-Identifier: GPL-2.0

//! Submission and completion queues in memory.
//!
//! NVM Express Base Specification 2.0c, 3.3.1 and 3.3.3.

use super::spec::{
    completion::{
        Completion,
        Cqe,
        CqeTail, //
    },
    ids::QueueSize,
    sqe::Sqe,
    status::Status, //
};
use crate::{
    dma::{
        Coherent,
        DmaAddr, //
    },
    pci::{
        Doorbell,
        Lease, //
    },
};
use kernel::prelude::*;

/// A submission queue: the host writes at its tail.
///
/// It cannot be overrun: there is one tag fewer than entries, and who writes an
/// entry holds a tag.
///
/// # Invariants
///
/// `tail` is less than `entries.len()`.
pub(crate) struct SubmissionRing {
    entries: Coherent<Sqe>,
    /// Where the next entry goes.
    tail: u32,
    /// What the device was told last.
    committed_tail: u32,
    doorbell: Doorbell,
}

impl SubmissionRing {
    /// A queue of `size` entries whose tail doorbell is `doorbell`. May sleep.
    pub(crate) fn new(lease: Lease, size: QueueSize, doorbell: Doorbell) -> Result<Self> {
        // INVARIANT: a queue has two entries at least. CAST: widening.
        Ok(Self {
            entries: Coherent::new(lease, size.entries() as usize)?,
            tail: 0,
            committed_tail: 0,
            doorbell,
        })
    }

    /// The address of the first entry, for the device.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        self.entries.dma_addr()
    }

    /// Writes a command at the tail. The device does not know of it yet.
    #[inline]
    pub(crate) fn write(&mut self, sqe: Sqe) {
        // CAST: widening.
        self.entries.write(self.tail as usize, sqe);
        let next = self.tail.wrapping_add(1);
        // INVARIANT: starts anew at the end.
        self.tail = if next as usize == self.entries.len() {
            0
        } else {
            next
        };
    }

    /// Tells the device of all that was written.
    #[inline]
    pub(crate) fn commit(&mut self) {
        if self.tail != self.committed_tail {
            self.doorbell.ring(self.tail);
            self.committed_tail = self.tail;
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
    /// The identifier of the command, as the device gave it.
    #[inline]
    pub(crate) fn cid(&self) -> u16 {
        self.tail.cid()
    }

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

/// A completion queue: the device writes, the host reads at its head.
///
/// # Invariants
///
/// `head` is less than `entries.len()`; `phase` is the phase tag of entries that
/// the device has written since the head passed by.
pub(crate) struct CompletionRing {
    entries: Coherent<Cqe>,
    head: u32,
    phase: bool,
    doorbell: Doorbell,
}

impl CompletionRing {
    /// A queue of `size` entries whose head doorbell is `doorbell`. May sleep.
    pub(crate) fn new(lease: Lease, size: QueueSize, doorbell: Doorbell) -> Result<Self> {
        // INVARIANT: the memory is zero, and the device begins with phase 1. CAST:
        // widening.
        Ok(Self {
            entries: Coherent::new(lease, size.entries() as usize)?,
            head: 0,
            phase: true,
            doorbell,
        })
    }

    /// The address of the first entry, for the device.
    pub(crate) fn dma_addr(&self) -> DmaAddr {
        self.entries.dma_addr()
    }

    /// Reads the entry at the head, if the device has written one, and moves on. The
    /// device may not use its place again before [`Self::commit`].
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Entry<'_>> {
        // CAST: widening.
        let head = self.head as usize;
        // One load of the half that has the phase tag; what it brings is current.
        let tail = CqeTail::from_le(self.entries.load_acquire::<1>(head)?);
        if tail.phase() != self.phase {
            return None;
        }
        let next = self.head.wrapping_add(1);
        // INVARIANT: starts anew at the end, where the phase tag changes.
        if next as usize == self.entries.len() {
            self.head = 0;
            self.phase = !self.phase;
        } else {
            self.head = next;
        }
        Some(Entry {
            tail,
            entries: &self.entries,
            index: head,
        })
    }

    /// Tells the device up to where the entries were read.
    #[inline]
    pub(crate) fn commit(&mut self) {
        self.doorbell.ring(self.head);
    }
}
