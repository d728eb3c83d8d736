// SPDX-License-Identifier: GPL-2.0

//! A timer whose handler runs in an interrupt.
//!
//! The kernel crate's timers give out a handle that cancels when it is dropped,
//! which whoever starts a timer under a lock or in an interrupt cannot use. This
//! one belongs to the structure that it serves, and is cancelled with it.

use crate::bindings;
use core::{
    ops::Deref,
    pin::Pin, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// What happens when the time is over.
pub(crate) trait Alarm: Send + Sync + 'static {
    /// Called in hard interrupt context, or in a softirq if the kernel is a real-time one,
    /// so that it may take spin locks. Must not sleep. May start the timer again.
    fn ring(&self);
}

/// A timer on the monotonic clock, and what it wakes. Dereferences to that.
///
/// # Invariants
///
/// `timer` is initialised, and its function is [`Timer::callback`].
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Timer<A: Alarm> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    #[pin]
    alarm: A,
}

// SAFETY: timers have a lock of their own, and may be started and cancelled by
// any thread; an alarm is `Send`.
unsafe impl<A: Alarm> Send for Timer<A> {}
// SAFETY: as above; an alarm is `Sync`.
unsafe impl<A: Alarm> Sync for Timer<A> {}

impl<A: Alarm> Timer<A> {
    /// A timer that does not run.
    pub(crate) fn new(alarm: impl PinInit<A>) -> impl PinInit<Self> {
        // INVARIANT: initialised here, with that function.
        pin_init!(Self {
            timer <- Opaque::ffi_init(|timer: *mut bindings::hrtimer| {
                // SAFETY: `timer` is valid for writes, and pinned from now on.
                unsafe {
                    bindings::hrtimer_setup(
                        timer,
                        Some(Self::callback),
                        // CAST: a small constant.
                        bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                };
            }),
            alarm <- alarm,
        })
    }

    /// Has the alarm ring `ns` nanoseconds from now, instead of when it would have
    /// rung before. Any context.
    pub(crate) fn start(self: Pin<&Self>, ns: u64) {
        // SAFETY: initialised by the type invariant, pinned, and cancelled before it
        // goes.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                i64::try_from(ns).unwrap_or(i64::MAX),
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_REL,
            )
        };
    }

    /// Has the alarm not ring any more, until it is started again. Waits for one that
    /// rings now; not to be called from there, nor with a lock that it takes.
    pub(crate) fn cancel(&self) {
        // SAFETY: initialised by the type invariant.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
    }

    /// # Safety
    ///
    /// `timer` is that of a value of this type, which is live for the duration of the call.
    unsafe extern "C" fn callback(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: `timer` is the first field of a `repr(C)` structure, which lives for
        // the duration of the call, as dropping it waits for this function.
        let this = unsafe { &*timer.cast_const().cast::<Self>() };
        this.alarm.ring();
        bindings::hrtimer_restart::HRTIMER_NORESTART
    }
}

impl<A: Alarm> Deref for Timer<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.alarm
    }
}

#[pinned_drop]
impl<A: Alarm> PinnedDrop for Timer<A> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}
