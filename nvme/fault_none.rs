// SPDX-License-Identifier: GPL-2.0

//! No fault points: what `fault.rs` has, and nothing in it.

use super::{
    ring::Entry,
    spec::{
        ids::QueueId,
        status::Status, //
    },
};
use kernel::prelude::*;

/// No files.
pub(crate) struct Files;

impl Files {
    /// Makes none.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }
}

/// An interrupt is seen.
#[inline(always)] // Nothing.
pub(super) fn interrupt(_queue: QueueId) -> bool {
    false
}

/// A completion is seen as it is.
#[inline(always)] // Nothing.
pub(super) fn completion(_queue: QueueId, entry: Entry<'_>) -> Option<Entry<'_>> {
    Some(entry)
}

/// No completion is seen twice.
#[inline(always)] // Nothing.
pub(super) fn duplicate(_queue: QueueId) -> bool {
    false
}

/// A register is what it reads as.
#[inline(always)] // Nothing.
pub(super) fn register(_offset: usize, value: u32) -> u32 {
    value
}

/// CSTS.RDY is believed after CC.EN was set.
#[inline(always)] // Nothing.
pub(super) fn never_ready() -> bool {
    false
}

/// CSTS.RDY is believed after CC.EN was cleared.
#[inline(always)] // Nothing.
pub(super) fn stuck_ready() -> bool {
    false
}

/// The time to wait for CSTS.RDY is `limit_ms`.
#[inline(always)] // Nothing.
pub(super) fn ready_ms(limit_ms: u32) -> u32 {
    limit_ms
}

/// A reply is what the controller sent, and none is refused.
#[inline(always)] // Nothing.
pub(super) fn query(_reply: &mut [u8]) -> Option<Status> {
    None
}

/// All queues that the controller granted are.
#[inline(always)] // Nothing.
pub(super) fn granted(granted: u32) -> u32 {
    granted
}

/// The creation of a queue is not refused.
#[inline(always)] // Nothing.
pub(super) fn create() -> Option<Status> {
    None
}

/// An admin command is not delayed.
#[inline(always)] // Nothing.
pub(super) fn delay() {}
