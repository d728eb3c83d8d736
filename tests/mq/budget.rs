// SPDX-License-Identifier: GPL-2.0

//! A disk's budget: how many of its requests may be between blk-mq and the driver.
//!
//! A real driver counts what its device has few of until a request ends. Here a share is
//! given back as soon as the request arrives.

#![forbid(unsafe_code)]

use crate::{
    device::Shared,
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        BudgetToken, //
    },
};
use kernel::sync::Arc;

/// The budget of a disk.
pub(crate) struct Budget {
    shared: Arc<Shared>,
    taken: AtomicU64,
}

impl Budget {
    /// Nothing is taken.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            taken: AtomicU64::new(0),
        }
    }

    /// A share, if there is one left. Any context.
    pub(crate) fn get(&self) -> Option<BudgetToken> {
        let counters = &self.shared.counters;
        counters.get_budget.add();
        let limit = u64::from(self.shared.config.budget);
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        if limit != 0 && taken >= limit {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            counters.no_budget.add();
            return None;
        }
        counters.budget_given.add();
        BudgetToken::new(0)
    }

    /// Takes a share back. Any context.
    pub(crate) fn put(&self, _token: BudgetToken) {
        self.shared.counters.budget_back.add();
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
