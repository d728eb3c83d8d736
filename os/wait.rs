// SPDX-License-Identifier: GPL-2.0

//! Waits with a bound.

use kernel::time::{
    delay::fsleep,
    Delta,
    Instant,
    Monotonic, //
};

/// Asks `f` again and again, with pauses of one millisecond, until it has an
/// answer or `limit_ms` milliseconds have passed. May sleep.
///
/// `f` is asked once more after the time is over, so a long pause of this thread
/// does not make a device that answered in time look slow.
pub(crate) fn poll_until<R>(limit_ms: u32, mut f: impl FnMut() -> Option<R>) -> Option<R> {
    let start: Instant<Monotonic> = Instant::now();
    let limit = Delta::from_millis(i64::from(limit_ms));
    loop {
        let over = start.elapsed() > limit;
        if let Some(answer) = f() {
            return Some(answer);
        }
        if over {
            return None;
        }
        fsleep(Delta::from_millis(1));
    }
}

/// Sleeps for `limit_ms` milliseconds, or until `f` says true, which is asked a hundred
/// times a second. Returns true if it did.
pub(crate) fn sleep_unless(limit_ms: u32, mut f: impl FnMut() -> bool) -> bool {
    const PAUSE_MS: u32 = 10;
    let mut left = limit_ms;
    while !f() {
        if left == 0 {
            return false;
        }
        let pause = left.min(PAUSE_MS);
        fsleep(Delta::from_millis(i64::from(pause)));
        left = left.wrapping_sub(pause);
    }
    true
}
