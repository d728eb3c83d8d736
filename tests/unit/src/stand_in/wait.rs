// SPDX-License-Identifier: GPL-2.0

//! Stands for `os/wait.rs`, with a clock that goes on when somebody sleeps.

use std::cell::Cell;

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
}

/// The time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    NOW_MS.get()
}

/// Asks `f` every millisecond, and once after the time is over.
pub(crate) fn poll_until<R>(limit_ms: u32, mut f: impl FnMut() -> Option<R>) -> Option<R> {
    let end = now_ms() + u64::from(limit_ms);
    loop {
        let over = now_ms() > end;
        if let Some(answer) = f() {
            return Some(answer);
        }
        if over {
            return None;
        }
        NOW_MS.set(now_ms() + 1);
    }
}
