// SPDX-License-Identifier: GPL-2.0

//! Budgets: a disk's share of what its driver has too little of.

use kernel::prelude::*;

/// A token of a disk's budget, which blk-mq takes before it dispatches a request.
///
/// Made by [`Operations::get_budget`], and moved from there into the request
/// ([`Operations::set_rq_budget_token`]). blk-mq gives it back
/// ([`Operations::put_budget`]) for a request that it does not hand over after all; for
/// one that reached [`Operations::queue_rq`] the driver itself reckons it back, when the
/// request ends, is requeued or refused.
///
/// # Invariants
///
/// The number is at most `i32::MAX`: C takes a negative one for "no budget".
///
/// [`Operations::get_budget`]: super::Operations::get_budget
/// [`Operations::set_rq_budget_token`]: super::Operations::set_rq_budget_token
/// [`Operations::put_budget`]: super::Operations::put_budget
/// [`Operations::queue_rq`]: super::Operations::queue_rq
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a token that is not given back is lost"]
pub(crate) struct BudgetToken(u32);

impl BudgetToken {
    /// A token that carries `number`, for example a bit of a bitmap. `None` above
    /// `i32::MAX`.
    pub(crate) const fn new(number: u32) -> Option<Self> {
        // CAST: the largest value of a signed number is not negative.
        if number <= i32::MAX as u32 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number that it carries.
    pub(crate) const fn number(&self) -> u32 {
        self.0
    }

    /// For C.
    pub(super) const fn into_raw(self) -> c_int {
        // CAST: at most `i32::MAX` by the type invariant.
        self.0 as c_int
    }

    /// What C kept; `None` for a negative one, which is none.
    pub(super) const fn from_raw(raw: c_int) -> Option<Self> {
        if raw < 0 {
            None
        } else {
            // CAST: not negative.
            Some(Self(raw as u32))
        }
    }
}
