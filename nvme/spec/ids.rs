// SPDX-License-Identifier: GPL-2.0

//! The numbers that name queues and namespaces.
//!
//! NVM Express Base Specification 2.0c, 3.2.1.2 (namespace identifiers), 3.3 (queues).

use core::fmt;

/// A queue identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct QueueId(u16);

impl QueueId {
    /// The admin queue.
    pub(crate) const ADMIN: Self = Self(0);

    /// The queue with this identifier, of which 0 is the admin queue.
    pub(crate) const fn new(id: u16) -> Self {
        Self(id)
    }

    /// The identifier.
    pub(crate) const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The size of a queue in entries.
///
/// # Invariants
///
/// It is 2 to 65,536, so that its 0's based form is 1 to 65,535. A queue is full with one entry
/// less: a queue of one entry could hold none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct QueueSize {
    zero_based: u16,
}

impl QueueSize {
    /// The size of a queue with so many entries; `None` if there can be no such queue.
    pub(crate) const fn new(entries: u32) -> Option<Self> {
        if entries < 2 || entries > 1 << 16 {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Self {
            zero_based: (entries - 1) as u16,
        })
    }

    /// The number of entries.
    pub(crate) const fn entries(self) -> u32 {
        self.zero_based as u32 + 1
    }

    /// The value for a field that is 0's based.
    pub(crate) const fn zero_based(self) -> u16 {
        self.zero_based
    }
}

/// A namespace identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Nsid(u32);

impl Nsid {
    /// 0h: the command is not about a namespace.
    pub(crate) const NONE: Self = Self(0);
    /// FFFFFFFFh: all namespaces.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// The namespace with this identifier.
    pub(crate) const fn new(nsid: u32) -> Self {
        Self(nsid)
    }

    /// The identifier.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// Whether it can name one namespace: neither 0h, nor FFFFFFFEh, which is reserved, nor
    /// FFFFFFFFh.
    pub(crate) const fn is_one(self) -> bool {
        self.0 != 0 && self.0 < u32::MAX - 1
    }
}

impl fmt::Display for Nsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
