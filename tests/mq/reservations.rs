// SPDX-License-Identifier: GPL-2.0

//! Persistent reservations, as a disk grants them that only one host can reach.

#![forbid(unsafe_code)]

use crate::mq::{
    PrReservation,
    PrStatus,
    PrType, //
};
use kernel::{
    prelude::*,
    sync::{
        new_mutex,
        Mutex, //
    },
};

/// What the disk remembers.
#[derive(Clone, Copy)]
struct State {
    /// The key that the host is registered with.
    key: Option<u64>,
    /// What it has reserved.
    held: Option<PrType>,
    /// How often registrations have changed.
    generation: u32,
}

/// The reservations of a disk.
#[pin_data]
pub(crate) struct Reservations {
    #[pin]
    state: Mutex<State>,
}

impl Reservations {
    /// Nobody is registered.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(State {
                key: None,
                held: None,
                generation: 0,
            }),
        })
    }

    /// Runs `f` if the host is registered with `key`.
    fn as_registrant(&self, key: u64, f: impl FnOnce(&mut State) -> PrStatus) -> PrStatus {
        let mut state = self.state.lock();
        if state.key != Some(key) {
            return PrStatus::Conflict;
        }
        f(&mut state)
    }

    pub(crate) fn register(&self, old: u64, new: u64, ignore_old: bool) -> PrStatus {
        let mut state = self.state.lock();
        if !ignore_old && state.key.unwrap_or(0) != old {
            return PrStatus::Conflict;
        }
        state.key = (new != 0).then_some(new);
        if new == 0 {
            state.held = None;
        }
        state.generation = state.generation.wrapping_add(1);
        PrStatus::Success
    }

    pub(crate) fn reserve(&self, key: u64, kind: PrType) -> PrStatus {
        self.as_registrant(key, |state| match state.held {
            Some(held) if held != kind => PrStatus::Conflict,
            _ => {
                state.held = Some(kind);
                PrStatus::Success
            }
        })
    }

    pub(crate) fn release(&self, key: u64, kind: PrType) -> PrStatus {
        self.as_registrant(key, |state| match state.held {
            Some(held) if held != kind => PrStatus::Conflict,
            _ => {
                state.held = None;
                PrStatus::Success
            }
        })
    }

    /// Nobody else can be registered, so there is nobody to take anything away from.
    pub(crate) fn preempt(&self, old: u64, new: u64, kind: PrType) -> PrStatus {
        self.as_registrant(new, |state| {
            if old != new {
                return PrStatus::Conflict;
            }
            state.held = Some(kind);
            PrStatus::Success
        })
    }

    pub(crate) fn clear(&self, key: u64) -> PrStatus {
        self.as_registrant(key, |state| {
            state.key = None;
            state.held = None;
            state.generation = state.generation.wrapping_add(1);
            PrStatus::Success
        })
    }

    /// The key that is registered, and how often that has changed.
    pub(crate) fn key(&self) -> (Option<u64>, u32) {
        let state = self.state.lock();
        (state.key, state.generation)
    }

    pub(crate) fn held(&self) -> PrReservation {
        let state = *self.state.lock();
        PrReservation {
            key: state.held.and(state.key).unwrap_or(0),
            generation: state.generation,
            kind: state.held,
        }
    }
}
