// SPDX-License-Identifier: GPL-2.0

//! The last few of many events.

use crate::nvme::recent::Recent;
use core::num::NonZeroU64;
use std::{
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
    thread, //
};

fn word(value: u64) -> NonZeroU64 {
    NonZeroU64::new(value).unwrap()
}

fn seen<const N: usize>(recent: &Recent<N>) -> Vec<(u64, u64)> {
    recent
        .iter()
        .map(|(when, what)| (when, what.get()))
        .collect()
}

#[test]
fn the_oldest_goes() {
    let recent = Recent::<3>::new();
    assert_eq!(seen(&recent), []);
    for event in 1..=5 {
        recent.add(10 * event, word(event));
        assert_eq!(recent.count(), event);
        let expected: Vec<_> = (1..=event)
            .skip(event.saturating_sub(3) as usize)
            .map(|event| (10 * event, event))
            .collect();
        assert_eq!(seen(&recent), expected);
    }
}

/// Who looks sees the time of one event with the word of the same, however many are added
/// meanwhile.
#[test]
fn no_event_is_seen_in_part() {
    let recent = Recent::<2>::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for event in 1..=100_000 {
                recent.add(event, word(event));
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            for (when, what) in seen(&recent) {
                assert_eq!(when, what);
            }
        }
    });
    assert_eq!(seen(&recent), [(99_999, 99_999), (100_000, 100_000)]);
}
