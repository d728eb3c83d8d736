// SPDX-License-Identifier: GPL-2.0

//! What the driver remembers of a request, in the request's own memory.

#![forbid(unsafe_code)]

use crate::{
    counters::Counters,
    device::Shared,
    mq::{
        BlkStatus,
        BudgetToken, //
    },
};
use kernel::{
    cpu::CpuId,
    sync::Arc, //
};

/// What the driver remembers of a request. Made once for each, before its first use, and
/// dropped with the tag set; kept from one use to the next.
pub(crate) struct Progress {
    /// For the counters of what is made and dropped.
    shared: Arc<Shared>,
    /// How it ends.
    pub(crate) status: BlkStatus,
    /// It is given back to blk-mq once, instead of ended.
    pub(crate) again: bool,
    /// The CPU that took its completion.
    pub(crate) cpu: u32,
    /// Where an append went, in bytes from the start of the disk.
    pub(crate) append: Option<u64>,
    /// Its share of the disk's budget.
    pub(crate) budget: Option<BudgetToken>,
}

impl Progress {
    /// That of a request that was never used.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.counters.init_request.add();
        Self {
            shared,
            status: BlkStatus::Ok,
            again: false,
            cpu: 0,
            append: None,
            budget: None,
        }
    }

    /// The device's counters.
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Starts anew: what the disk said is how it ends.
    #[inline]
    pub(crate) fn served(&mut self, outcome: Result<Option<u64>, BlkStatus>) -> BlkStatus {
        self.again = false;
        (self.status, self.append) = match outcome {
            Ok(append) => (BlkStatus::Ok, append),
            Err(status) => (status, None),
        };
        self.status
    }

    /// The device completed it, and perhaps it shall be done again. Says whether it is to
    /// end with success.
    pub(crate) fn completed(&mut self, again: bool) -> bool {
        // An append wrote already, and would write twice.
        self.again = again && self.append.is_none();
        self.cpu = CpuId::current().as_u32();
        !self.again && self.status == BlkStatus::Ok
    }

    /// The device was stopped, and it was taken back: it ends with this status, or is done
    /// again if there is none.
    pub(crate) fn taken_back(&mut self, status: Option<BlkStatus>) {
        self.completed(status.is_none());
        self.status = status.unwrap_or(self.status);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.counters.exit_request.add();
    }
}
