// SPDX-License-Identifier: GPL-2.0

//! The module stays until its disks are gone.
//!
//! An open disk pins its module. But C gives that pin back *before* the reference to the disk
//! (`bdev_release` in `block/bdev.c`: `module_put`, then `put_device`), and a reader of
//! `/proc/diskstats` has a reference without a pin. So the last reference to a removed disk may
//! go while the module is being unloaded, or later, and its end runs module code: the table of
//! operations is read, and [`super::BlockDevice::free_disk`] called.
//!
//! Remedy: disks are counted from their making until `free_disk` is through. The module keeps a
//! [`Disks`] and drops it after its drivers and before everything that `free_disk` uses. That
//! waits for the count to fall to zero, and then until every task that was in `free_disk` has
//! left it (`synchronize_rcu_tasks`: a task that is neither preempted nor running in module
//! code has slept or returned to user mode since).
//!
//! What the wait is for is short: the end of a `close`, a step of a reader. It depends on no
//! device. It has no bound all the same, since there is nothing to do at its end but to run
//! code that is gone; it says every ten seconds what it waits for.

use super::atomic::{
    AtomicU64,
    Ordering, //
};
use crate::bindings;
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// Disks may be made: set while a [`Disks`] is there.
const OPEN: u64 = 1 << 63;

/// [`OPEN`], and how many disks there are.
static STATE: AtomicU64 = AtomicU64::new(0);

/// The right of a module to make disks. One per module, in the structure of the module itself,
/// after its drivers and before what the data of its disks use.
pub(crate) struct Disks(());

impl Disks {
    /// Lets disks be made.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is such a value already.
    pub(crate) fn new() -> Result<Self> {
        if STATE.fetch_or(OPEN, Ordering::Relaxed) & OPEN != 0 {
            return Err(EBUSY);
        }
        Ok(Self(()))
    }
}

impl Drop for Disks {
    /// Waits for the last disk. May sleep.
    fn drop(&mut self) {
        STATE.fetch_and(!OPEN, Ordering::Relaxed);
        let mut rounds = 0u32;
        loop {
            // Acquire: after `Token::drop`, with all that came before it.
            let disks = STATE.load(Ordering::Acquire);
            if disks == 0 {
                break;
            }
            rounds = rounds.wrapping_add(1);
            if rounds % 1000 == 0 {
                pr_warn!(
                    "unloading: waiting for {} disks that somebody uses\n",
                    disks
                );
            }
            fsleep(Delta::from_millis(10));
        }
        // SAFETY: process context, no locks held.
        unsafe { bindings::synchronize_rcu_tasks() };
    }
}

/// One disk that is counted.
pub(super) struct Token(());

impl Token {
    /// Counts a disk.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the module has no [`Disks`], or is on its way out.
    pub(super) fn new() -> Result<Self> {
        let open = |state: u64| (state & OPEN != 0).then_some(state.wrapping_add(1));
        match STATE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, open) {
            Ok(_) => Ok(Self(())),
            Err(_) => Err(ENODEV),
        }
    }

    /// The token of a disk that was forgotten when it was made.
    ///
    /// # Safety
    ///
    /// Called once for each token that was forgotten.
    pub(super) unsafe fn from_forgotten() -> Self {
        Self(())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // Release: what was done to the disk comes before. From here on the caller only
        // returns to C, as the module may wait for nothing more than that.
        STATE.fetch_sub(1, Ordering::Release);
    }
}
