// SPDX-License-Identifier: GPL-2.0

//! Pauses: the function is reset, cut off by an error, or sleeps. Requests wait, and a
//! reset is what ends it.

use super::{
    controller::Controller,
    hardware::Blame,
    reset::Cause,
    state::State, //
};
use crate::mq::KeptFrozen;
use kernel::{
    prelude::*,
    sync::Arc, //
};

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
    /// does what comes. Takes over from a reset that is under way, after the attempt that it
    /// is at. Pauses nest. May sleep.
    ///
    /// [`Self::go_on`] has to follow, or the end of the controller.
    ///
    /// # Errors
    ///
    /// `EBUSY` if what is under way is not done in time before the system sleeps, or if the
    /// controller is being reset, which goes on; nothing has to follow.
    pub(crate) fn pause(self: &Arc<Self>, what: Pause) -> Result {
        {
            let mut resets = self.resets.lock();
            resets.paused = resets.paused.saturating_add(1);
        }
        if self.state.get() == State::Connecting {
            // Its next command need not be waited for.
            self.halt_soon();
        }
        self.wait_for_reset();
        if what == Pause::Sleep {
            self.wait_for_scan();
            if matches!(self.state.get(), State::Resetting | State::Connecting) {
                // Requests that wait have tags, for which CPUs that go would wait for ever.
                self.warn(format_args!("it is being reset: no sleep now"));
                let cause = self.resets.lock().cause;
                self.go_on(cause);
                return Err(EBUSY);
            }
        }
        let limit_ms = self.shutdown_ms();
        let mut frozen = None;
        if what == Pause::Sleep && self.state.get() == State::Live {
            // CPUs that go wait for the tags of their queues, so nobody may wait with one.
            let set = self.with_hardware(|hw| Ok(hw.io_set())).ok().flatten();
            if let Some(set) = set {
                match KeptFrozen::new(set, limit_ms) {
                    Ok(kept) => frozen = Some(kept),
                    Err(error) => {
                        self.warn(format_args!(
                            "I/O not done after {limit_ms} ms ({error:?}): no sleep now"
                        ));
                        self.unpause();
                        return Err(EBUSY);
                    }
                }
            }
        }
        match self.enter(State::Resetting) {
            // The others: an attempt to bring it up was broken off, or this pause nests.
            Ok(_) | Err(State::Connecting | State::Resetting) => {}
            // It is dead, or on its way to be.
            Err(_) => return Ok(()),
        }
        if let Some(hardware) = &mut *self.hardware.lock() {
            hardware.hold();
            if let Some(frozen) = frozen {
                hardware.keep_frozen(frozen);
            }
            if what == Pause::Sleep {
                self.announce_power_loss(hardware, limit_ms);
            }
            if hardware.halt(Blame::Others).is_none() {
                // The reset that follows finds out what can be done about it.
                self.warn(format_args!("cannot be stopped"));
            }
        }
        Ok(())
    }

    /// True if there is a pause.
    pub(crate) fn is_paused(&self) -> bool {
        self.resets.lock().paused != 0
    }

    /// Ends a pause: has the controller reset for `cause`, if it was the last one. May sleep.
    pub(crate) fn go_on(self: &Arc<Self>, cause: Cause) {
        let mut resets = self.resets.lock();
        let Some(left) = resets.paused.checked_sub(1) else {
            return;
        };
        resets.paused = left;
        if left != 0 || !matches!(self.state.get(), State::Resetting | State::Connecting) {
            return;
        }
        self.begin_reset(&mut resets, cause);
    }

    /// Takes back a pause that did not come about.
    fn unpause(&self) {
        let mut resets = self.resets.lock();
        resets.paused = resets.paused.saturating_sub(1);
    }
}
