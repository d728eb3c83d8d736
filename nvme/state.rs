// SPDX-License-Identifier: GPL-2.0

//! The states of a controller.

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};
use core::fmt;

/// The state of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Nothing was done with the device yet.
    New,
    /// It is being brought up, for the first time or again; requests wait.
    Connecting,
    /// It serves requests.
    Live,
    /// It is being stopped, to be brought up anew; requests wait.
    Resetting,
    /// It is being given back; requests are served until the disks are gone.
    Deleting,
    /// It was stopped, and every request fails.
    Dead,
}

impl State {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] = [
        Self::New,
        Self::Connecting,
        Self::Live,
        Self::Resetting,
        Self::Deleting,
        Self::Dead,
    ];

    /// Whether a controller may go from this state to `to`.
    const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::New | Self::Resetting, Self::Connecting)
                | (Self::Connecting, Self::Live)
                | (Self::Live, Self::Resetting)
                | (Self::New | Self::Connecting | Self::Live, Self::Deleting)
                | (
                    Self::New | Self::Connecting | Self::Live | Self::Resetting | Self::Deleting,
                    Self::Dead
                )
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Resetting => "resetting",
            Self::Deleting => "deleting",
            Self::Dead => "dead",
        })
    }
}

/// A state that changes only along the arrows of [`State::may_become`].
pub(crate) struct StateMachine(AtomicU64);

impl StateMachine {
    /// A machine in state [`State::New`].
    pub(crate) fn new() -> Self {
        // CAST: the discriminant.
        Self(AtomicU64::new(State::New as u64))
    }

    /// The state now.
    pub(crate) fn get(&self) -> State {
        let now = self.0.load(Ordering::Acquire);
        State::ALL
            .into_iter()
            // CAST: the discriminant.
            .find(|state| *state as u64 == now)
            .unwrap_or(State::Dead)
    }

    /// Goes to `to`, and returns the state before; `Err` with the present state if
    /// there is no such arrow.
    pub(crate) fn change(&self, to: State) -> Result<State, State> {
        loop {
            let now = self.get();
            if !now.may_become(to) {
                return Err(now);
            }
            // CAST: the discriminants.
            if self
                .0
                .compare_exchange(now as u64, to as u64, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(now);
            }
        }
    }
}
