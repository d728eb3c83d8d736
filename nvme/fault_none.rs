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

/// And once.
#[inline(always)] // Nothing.
pub(super) fn duplicate(_queue: QueueId) -> bool {
    false
}

/// So is a register.
#[inline(always)] // Nothing.
pub(super) fn register(_offset: usize, value: u32) -> u32 {
    value
}

/// CSTS.RDY is what it is.
#[inline(always)] // Nothing.
pub(super) fn never_ready() -> bool {
    false
}

/// Here, too.
#[inline(always)] // Nothing.
pub(super) fn stuck_ready() -> bool {
    false
}

/// The limit stays.
#[inline(always)] // Nothing.
pub(super) fn ready_ms(limit_ms: u32) -> u32 {
    limit_ms
}

/// A reply is what it is.
#[inline(always)] // Nothing.
pub(super) fn query(_reply: &mut [u8]) -> Option<Status> {
    None
}

/// As many as there are.
#[inline(always)] // Nothing.
pub(super) fn granted(granted: u32) -> u32 {
    granted
}

/// Nothing is refused.
#[inline(always)] // Nothing.
pub(super) fn create() -> Option<Status> {
    None
}

/// Nothing is late.
#[inline(always)] // Nothing.
pub(super) fn delay() {}
