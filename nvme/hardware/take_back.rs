// SPDX-License-Identifier: GPL-2.0

//! Stopping a controller, and taking back what it has; meanwhile requests are held in blk-mq.
//!
//! NVM Express Base Specification 2.0c, 3.5.1 (CC.EN and CSTS.RDY).
//!
//! No request ends while the device may still reach its memory: what is taken back needs a
//! [`DmaStopped`].

use super::Hardware;
use crate::{
    dma::DmaStopped,
    mq::{
        BlkStatus,
        HeldTagSet,
        KeptFrozen,
        TagSet, //
    },
    nvme::{
        admin::AdminQueue,
        io::{
            taken_back,
            IoQueues, //
        },
        peek,
        queue::NvmeOperations,
        registers::ControllerError,
        spec::{
            ids::QueueSize,
            regs::Aqa, //
        }, //
    },
    os::wait::poll_until,
    pci::IrqRegistration, //
};
use kernel::prelude::*;

/// Which requests are kept in blk-mq, to be sent later.
#[derive(Default)]
pub(super) struct Held {
    admin: Option<HeldTagSet<AdminQueue>>,
    io: Option<HeldTagSet<IoQueues>>,
    /// Not even a tag may be waited with.
    frozen: Option<KeptFrozen<IoQueues>>,
}

/// Who may be the reason why a controller was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The commands that it had: they are sent again, but not for ever.
    Commands,
    /// Somebody else: they are sent again.
    Others,
}

impl Hardware {
    /// Keeps new I/O out for good, and waits until what the controller has is done,
    /// `limit_ms` milliseconds at most. May sleep.
    ///
    /// With `fail` later requests end with an error, else they wait for ever: for a
    /// system that goes down, and whose log shall end quietly.
    pub(crate) fn quiet_down(&self, limit_ms: u32, fail: bool) {
        let Some(set) = &self.io_set else {
            return;
        };
        let quiesced = set.quiesce();
        self.wait_idle(limit_ms);
        if fail {
            close(set);
        } else {
            quiesced.for_ever();
        }
    }

    /// Waits until the controller has completed all I/O that it has, `limit_ms`
    /// milliseconds at most. May sleep.
    pub(crate) fn wait_idle(&self, limit_ms: u32) {
        let Some(set) = &self.io_set else {
            return;
        };
        let mut left = limit_ms;
        while left != 0 {
            let now = left.min(peek::PERIOD_MS);
            let idle = poll_until(now, || {
                set.queues()
                    .all(|queue| queue.slots().is_empty())
                    .then_some(())
            });
            if idle.is_some() {
                return;
            }
            left = left.wrapping_sub(now);
            // Nobody else gets at the queues meanwhile.
            self.peek();
        }
    }

    /// Keeps all requests that come from now on in blk-mq. Waits for those who submit right
    /// now. May sleep.
    pub(crate) fn hold(&mut self) {
        if self.held.admin.is_none() {
            self.held.admin = Some(HeldTagSet::new(self.admin_set.clone()));
        }
        if self.held.io.is_none() {
            self.held.io = self.io_set.clone().map(HeldTagSet::new);
        }
    }

    /// Keeps what was frozen until the requests are let go.
    pub(crate) fn keep_frozen(&mut self, frozen: KeptFrozen<IoQueues>) {
        self.held.frozen = Some(frozen);
    }

    /// Lets the requests go that were held, to the controller if the queues are open. May
    /// sleep.
    pub(crate) fn let_go(&mut self) {
        self.held = Held::default();
    }

    /// Stops the controller and takes back what it has, but keeps the queues, to be
    /// started again: I/O is sent again later, if that is worth while, and admin commands
    /// end with an error. Returns how many commands these were. May sleep.
    ///
    /// Returns `None` if the device could not be stopped; then nothing ended, as it may
    /// still write to the memory of each.
    pub(crate) fn halt(&mut self, blame: Blame) -> Option<u32> {
        self.running = false;
        close(&self.admin_set);
        if let Some(set) = &self.io_set {
            close(set);
        }
        let stopped = self.registers.stop(&self.lease)?;
        let mut count = 0_u32;
        for irq in &self.io_irqs {
            irq.with_masked(|completer| {
                completer.finish(&stopped, |rq| {
                    count = count.wrapping_add(1);
                    taken_back(rq, blame);
                });
            });
        }
        if let Some(irq) = &self.admin_irq {
            irq.with_masked(|completer| {
                completer.finish(&stopped, |rq| {
                    count = count.wrapping_add(1);
                    rq.end(BlkStatus::Timeout);
                });
            });
        }
        self.admin_set.data().table.forget(&stopped);
        self.admin_set.wait_completed();
        if let Some(set) = &self.io_set {
            set.wait_completed();
        }
        Some(count)
    }

    /// Starts a controller that was halted again, with the admin queue that it had. The
    /// I/O queues are as new, and the controller does not know of them. May sleep, twice
    /// CAP.TO at most.
    pub(crate) fn restart(&mut self) -> Result<(), ControllerError> {
        // Somebody may have switched them off.
        self.lease.restore_registers();
        let stopped = self.registers.disable()?;
        if !self.registers.answer() {
            // It is stopped by having lost bus mastering, and does not get it back.
            return Err(ControllerError::Gone);
        }
        for irq in &self.io_irqs {
            irq.with_masked(|completer| completer.restart(&stopped));
        }
        let (Some(irq), Some(queue)) = (&self.admin_irq, self.admin_set.queue(0)) else {
            // It was given back: there is nothing to start.
            return Err(ControllerError::Gone);
        };
        irq.with_masked(|completer| completer.restart(&stopped));
        let acq = queue.completions().dma_addr();
        let size = QueueSize::new(queue.entries()).ok_or(ControllerError::QueueSize)?;
        let aqa = Aqa::new(size, size).ok_or(ControllerError::QueueSize)?;
        // It may have been taken away: to stop the device, or by somebody else.
        self.lease.set_master();
        self.registers
            .enable(stopped, aqa, queue.submission_addr(), acq)?;
        queue.set_open(true);
        self.running = true;
        self.held.admin = None;
        Ok(())
    }

    /// Stops the controller, then ends every request that it had with `status`. Order:
    /// keep submitters out, stop the device (with proof), free the interrupts, read the
    /// completions that were still written, take the other requests back. May sleep.
    ///
    /// Returns false if the device could not be stopped; then nothing ended, as it may
    /// still write to the memory of each.
    pub(crate) fn stop(&mut self, status: BlkStatus) -> bool {
        if self.finished {
            return true;
        }
        self.running = false;
        // The gate is looked at under the lock of the ring: from here on nothing is put
        // into a slot.
        close(&self.admin_set);
        if let Some(set) = &self.io_set {
            close(set);
        }
        let stopped = self.registers.stop(&self.lease);
        if let Some(stopped) = &stopped {
            while let Some(irq) = self.io_irqs.pop() {
                irq.into_handler().finish(stopped, |rq| rq.end(status));
            }
            if let Some(irq) = self.admin_irq.take() {
                self.admin_idle = Some(irq.into_handler());
            }
            if let Some(completer) = &mut self.admin_idle {
                completer.finish(stopped, |rq| rq.end(status));
            }
            take_back(&self.admin_set, stopped, status);
            if let Some(set) = &self.io_set {
                take_back(set, stopped, status);
            }
        }
        self.let_go();
        self.finished = stopped.is_some();
        self.finished
    }
}

impl Drop for Hardware {
    fn drop(&mut self) {
        // Whatever path leads here, the controller may know of the memory that goes now.
        if self.stop(BlkStatus::Offline) {
            return;
        }
        // It may still write to that memory, so nobody else gets it, ever.
        dev_err!(
            self.lease.device(),
            "cannot be stopped: its queues stay in memory until the next boot\n"
        );
        while let Some(irq) = self.io_irqs.pop() {
            core::mem::forget(irq.into_handler());
        }
        core::mem::forget(self.admin_irq.take().map(IrqRegistration::into_handler));
        core::mem::forget(self.admin_idle.take());
        core::mem::forget(self.admin_set.clone());
        core::mem::forget(self.io_set.clone());
        self.lease.abandon();
    }
}

/// Keeps submitters out of all queues of a set.
fn close<T: NvmeOperations>(set: &TagSet<T>) {
    for queue in set.queues() {
        queue.set_open(false);
    }
}

/// Ends what is left of queues that have no interrupt handler, and waits for requests
/// that were handed to other CPUs.
fn take_back<T: NvmeOperations>(set: &TagSet<T>, stopped: &DmaStopped, status: BlkStatus) {
    for queue in set.queues() {
        if queue.drain(stopped, |rq| rq.end(status)).is_err() {
            pr_err!("queue {}: proof of another device\n", queue.id().get());
        }
    }
    set.wait_completed();
}
