// SPDX-License-Identifier: GPL-2.0

//! What a tag set is made with.

use super::QueueKind;
use crate::bindings;
use core::ops::BitOr;

/// Properties of a tag set (`BLK_MQ_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TagSetFlags(u32);

impl TagSetFlags {
    /// None of those below.
    pub(crate) const NONE: Self = Self(0);

    /// [`Operations::queue_rq`](super::Operations::queue_rq), `queue_rqs` and `commit_rqs`
    /// may sleep. Requests are issued from a work item when the submitter must not sleep,
    /// so this costs time.
    pub(crate) const BLOCKING: Self = Self(bindings::BLK_MQ_F_BLOCKING);

    /// Disks start without an I/O scheduler.
    pub(crate) const NO_SCHED_BY_DEFAULT: Self = Self(bindings::BLK_MQ_F_NO_SCHED_BY_DEFAULT);

    /// All hardware queues share one set of tags, so a tag names one request of the whole
    /// set, and the depth is that of all queues together.
    pub(crate) const TAG_HCTX_SHARED: Self = Self(bindings::BLK_MQ_F_TAG_HCTX_SHARED);

    /// Tags are given out in turn, rather than the lowest that is free, for devices to
    /// which the order means something.
    pub(crate) const TAG_RR: Self = Self(bindings::BLK_MQ_F_TAG_RR);

    /// For C.
    pub(super) const fn to_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for TagSetFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a tag set is made with.
#[derive(Clone, Copy)]
pub(crate) struct TagSetConfig {
    /// Tags per hardware queue, reserved ones included; 1 to 10240.
    pub(crate) depth: u32,
    /// How many of them are kept for requests that ask for a reserved tag; these are the
    /// lowest. At least one of the others remains.
    pub(crate) reserved_tags: u32,
    /// The time that a request may take, in milliseconds, unless it says other.
    pub(crate) timeout_ms: u32,
    /// The NUMA node of the device, or -1.
    pub(crate) numa_node: i32,
    /// False for devices that misread the upper bits of an identifier.
    pub(crate) cid_generation: bool,
    /// Properties.
    pub(crate) flags: TagSetFlags,
    /// The last kind of queue that the set has a map for; [`QueueKind::Default`] for none
    /// but that one.
    pub(crate) maps: QueueKind,
    /// How many of the queues are used at first; `None` for all.
    pub(crate) nr_hw_queues: Option<u32>,
}

impl TagSetConfig {
    /// `depth` tags per hardware queue, a time-out of 30 seconds, queues of the default
    /// kind, and nothing else that is special.
    pub(crate) const fn new(depth: u32) -> Self {
        Self {
            depth,
            reserved_tags: 0,
            timeout_ms: 30_000,
            numa_node: bindings::NUMA_NO_NODE,
            cid_generation: true,
            flags: TagSetFlags::NONE,
            maps: QueueKind::Default,
            nr_hw_queues: None,
        }
    }
}
