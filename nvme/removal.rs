// SPDX-License-Identifier: GPL-2.0

//! Giving a device back, and the end of a controller that does not work any more.
//!
//! NVM Express Base Specification 2.0c, 3.6.

use super::{
    controller::{
        Controller,
        HALT, //
    },
    hardware::{
        Blame,
        Hardware, //
    },
    spec::identify_ctrl::IdentifyCtrl,
    state::State, //
};
use crate::{
    mq::BlkStatus,
    os::{
        params,
        work, //
    },
};
use kernel::{
    impl_has_work,
    sync::Arc,
    workqueue::WorkItem, //
};

impl_has_work! {
    impl HasWork<Self, HALT> for Controller { self.halt }
}

impl WorkItem<HALT> for Controller {
    type Pointer = Arc<Controller>;

    /// Stops a controller that does not answer, so that those who wait for a command hear
    /// of it. If it is dead, that is the end of all its requests.
    fn run(this: Arc<Controller>) {
        if this.state.get() == State::Dead {
            this.bury(BlkStatus::Timeout);
            return this.say_last();
        }
        if let Some(hardware) = &mut *this.hardware.lock() {
            // By now it may have come up all the same.
            if this.state.get() == State::Connecting {
                // If it cannot be stopped the command is not ended; nobody can end it.
                let _ = hardware.halt(Blame::Others);
            }
        }
    }
}

impl Controller {
    /// Gives the device back, in whatever state it is. While it answers, dirty data are
    /// written back first, and it is told that power may go. May sleep.
    pub(crate) fn give_back(self: &Arc<Self>) {
        self.leave();
        let debugfs = self.debugfs.lock().take();
        drop(debugfs);
        self.stop_scanning();
        let disks = core::mem::take(&mut *self.disks.lock());
        drop(disks);
        let node = self.node.lock().take();
        drop(node);
        self.shut_down(true);
        let admin = self.admin.lock().take();
        drop(admin);
        work::cancel_sync::<_, HALT>(self);
        self.peeker.detach();
        let hardware = self.hardware.lock().take();
        drop(hardware);
        self.listener.detach();
    }

    /// The system goes down: nothing is served any more, quietly. May sleep.
    pub(crate) fn go_down(self: &Arc<Self>) {
        self.leave();
        self.shut_down(false);
    }

    /// Lets no reset begin any more, and waits for one that is under way: while the device
    /// answers, what is to be written to it shall arrive.
    fn leave(self: &Arc<Self>) {
        self.resets.lock().closed = true;
        let gone = self.with_hardware(|hw| Ok(hw.is_gone())).unwrap_or(true);
        if gone && self.enter(State::Dead).is_ok() {
            // Nothing that is written can arrive, so nobody shall wait for it.
            self.bury(BlkStatus::Offline);
        }
        self.wait_for_reset();
        if self.is_paused() {
            // Nobody will have it go on.
            self.lose();
        }
        // It is live, or coming up for the first time in vain, or dead.
        if self.enter(State::Deleting) == Err(State::Dead) {
            // What could not be taken back before can be now, perhaps.
            self.bury(BlkStatus::Offline);
        }
    }

    /// The device is lost: all that it had fails, and all that comes. May sleep.
    pub(crate) fn lose(&self) {
        if self.declare_dead(format_args!("the device is lost")) {
            self.bury(BlkStatus::Offline);
        }
    }

    /// Declares the controller dead. Who hears `true` is the one who has to see to it that
    /// it is buried, by [`Self::halt_soon`] or at once.
    pub(super) fn declare_dead(&self, why: core::fmt::Arguments<'_>) -> bool {
        let first = self.enter(State::Dead).is_ok();
        if first {
            self.err(format_args!("{why}: dead"));
        }
        first
    }

    /// Stops a dead controller, and fails all that it had and all that waits for it. May
    /// sleep.
    pub(super) fn bury(&self, status: BlkStatus) {
        if let Some(hardware) = &mut *self.hardware.lock() {
            self.stop_hardware(hardware, status);
        }
        for disk in self.disks.lock().iter() {
            disk.mark_dead();
        }
    }

    /// Says what can be done about a controller that died.
    pub(super) fn say_last(&self) {
        self.err(format_args!(
            "stopped; all commands failed. Unbind and bind the device to try again"
        ));
    }

    /// Has a work item stop the controller. Any context.
    pub(super) fn halt_soon(self: &Arc<Self>) {
        self.globals.urgent.enqueue::<_, HALT>(self.clone());
    }

    /// Tells the controller that power may go, then stops it. May sleep.
    ///
    /// With `fail` later requests end with an error, else they wait for ever.
    fn shut_down(&self, fail: bool) {
        let limit_ms = self.shutdown_ms();
        if let Some(hardware) = &mut *self.hardware.lock() {
            hardware.quiet_down(limit_ms, fail);
            self.announce_power_loss(hardware, limit_ms);
            self.stop_hardware(hardware, BlkStatus::Offline);
        }
    }

    /// Tells the controller that power may go, and waits until it is prepared, `limit_ms`
    /// milliseconds at most. May sleep.
    pub(super) fn announce_power_loss(&self, hardware: &Hardware, limit_ms: u32) {
        if !hardware.registers().shut_down(limit_ms) {
            self.warn(format_args!(
                "shutdown not complete after {limit_ms} ms (CSTS.SHST); going on"
            ));
        }
    }

    /// How long a shutdown may take, in milliseconds: what the controller says, a
    /// minute at most, and what the administrator says at least.
    pub(super) fn shutdown_ms(&self) -> u32 {
        let least = params::shutdown_timeout().saturating_mul(1000);
        let own = self.identify().and_then(IdentifyCtrl::shutdown_ms);
        own.unwrap_or(0).min(60_000).max(least)
    }

    fn stop_hardware(&self, hardware: &mut Hardware, status: BlkStatus) {
        if !hardware.stop(status) {
            self.err(format_args!(
                "cannot be stopped, not even by taking bus mastering away: its commands are not \
                 ended, since it may still write to their memory. Remove the device"
            ));
        }
    }
}
