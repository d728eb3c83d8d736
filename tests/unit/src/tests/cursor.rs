// SPDX-License-Identifier: GPL-2.0

//! Positions in a ring, by counting.

use crate::nvme::{
    cursor::Cursor,
    spec::ids::QueueSize, //
};

/// Walks three rounds of a ring, beside a count of all entries that were passed.
fn walk(entries: u32) {
    let mut cursor = Cursor::new(QueueSize::new(entries).unwrap());
    for passed in 0..3 * entries + 1 {
        assert_eq!(cursor.index(), passed % entries, "size {entries}");
        let is_odd_round = passed / entries % 2 == 0;
        assert_eq!(cursor.phase(), is_odd_round, "size {entries}, {passed}");
        cursor.advance();
    }
}

#[test]
fn every_small_ring() {
    for entries in 2..=512 {
        walk(entries);
    }
}

#[test]
fn large_rings() {
    for entries in [1023, 1024, 1025, 4095, 4096, 65_535, 65_536] {
        walk(entries);
    }
}

/// Equal positions of different rounds are not the same.
#[test]
fn rounds_differ() {
    let size = QueueSize::new(2).unwrap();
    let start = Cursor::new(size);
    let mut cursor = start;
    cursor.advance();
    cursor.advance();
    assert_eq!(cursor.index(), start.index());
    assert_ne!(cursor, start);
    cursor.advance();
    cursor.advance();
    assert_eq!(cursor, start);
}
