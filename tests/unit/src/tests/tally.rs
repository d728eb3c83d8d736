// SPDX-License-Identifier: GPL-2.0

//! Counts by kind.

use crate::nvme::tally::Tally;
use std::thread;

#[test]
fn kinds_are_counted_apart() {
    let tally = Tally::<2>::new();
    assert_eq!(tally.iter().count(), 0);
    for kind in [0, u16::MAX, 0, 7, 8, 0] {
        tally.add(kind);
    }
    assert_eq!(tally.iter().collect::<Vec<_>>(), [(0, 3), (u16::MAX, 1)]);
    assert_eq!(tally.others(), 2);
}

#[test]
fn none_is_lost() {
    const EACH: u32 = 20_000;
    let tally = Tally::<3>::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..EACH {
                    // CAST: below 3.
                    tally.add((round % 3) as u16);
                }
            });
        }
    });
    let total: u32 = tally.iter().map(|(_, count)| count).sum();
    assert_eq!((total, tally.others()), (2 * EACH, 0));
    assert_eq!(tally.iter().count(), 3);
}
