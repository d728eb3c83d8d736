// SPDX-License-Identifier: GPL-2.0

//! Pauses: the function is reset, cut off by an error, or sleeps. Requests wait, and a
//! reset is what ends it.

use super::{
    controller::{
        Controller,
        RESET, //
    },
    hardware::Blame,
    reset::Cause,
    state::State, //
};
use kernel::sync::Arc;

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The controller loses all that it has, at once.
    Cut,
    /// It may lose its power, and is told so: what it has is completed, and written to
    /// its medium, first.
    Sleep,
}

impl Controller {
    /// Makes the controller quiet: it is stopped, what it had waits to be sent again, and so
    /// does what comes. Waits for a reset that is under way. May sleep.
    ///
    /// [`Self::go_on`] has to follow, or the end of the controller.
    pub(crate) fn pause(self: &Arc<Self>, what: Pause) {
        self.resets.lock().paused = true;
        self.wait_for_reset();
        if self.state.change(State::Resetting).is_err() {
            // It is dead, or on its way to be.
            return;
        }
        let limit_ms = self.shutdown_ms();
        if let Some(hardware) = &mut *self.hardware.lock() {
            hardware.hold();
            if what == Pause::Sleep {
                hardware.wait_idle(limit_ms);
                if !hardware.registers().shut_down(limit_ms) {
                    self.say(format_args!(
                        "shutdown not complete after {limit_ms} ms (CSTS.SHST); going on"
                    ));
                }
            }
            if hardware.halt(Blame::Others).is_none() {
                // The reset that follows finds out what can be done about it.
                self.say(format_args!("cannot be stopped"));
            }
        }
    }

    /// Ends a pause: has the controller reset, for `cause`. May sleep.
    pub(crate) fn go_on(self: &Arc<Self>, cause: Cause) {
        let mut resets = self.resets.lock();
        if !core::mem::take(&mut resets.paused) || self.state.get() != State::Resetting {
            return;
        }
        resets.cause = cause;
        self.say(format_args!("resetting: {cause}"));
        self.globals.work.enqueue::<_, RESET>(self.clone());
    }
}
