// SPDX-License-Identifier: GPL-2.0

//! In which context code runs.

use crate::bindings;

/// In which context code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// On behalf of a process, which may be able to sleep.
    Process,
    /// In a softirq.
    SoftIrq,
    /// In a hard interrupt.
    HardIrq,
}

impl Context {
    /// The context of the caller.
    pub(crate) fn current() -> Self {
        // SAFETY: no requirements.
        match unsafe { bindings::rnvme_interrupt_level() } {
            0 => Self::Process,
            1 => Self::SoftIrq,
            _ => Self::HardIrq,
        }
    }
}
