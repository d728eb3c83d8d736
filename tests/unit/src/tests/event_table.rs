// SPDX-License-Identifier: GPL-2.0

//! Asynchronous Event Requests: each place has one command, and one answer for it.

use crate::{
    mq::{
        cid::CidLayout,
        Cid, //
    },
    nvme::{
        event_table::{
            EventTable,
            MAX,
            MAX_ENTRIES, //
        },
        spec::{
            completion::Completion,
            event::AsyncEvent,
            status::Status, //
        },
    },
};

fn completion(dword: u32, status: u16) -> Completion {
    Completion {
        result: u64::from(dword) | 0xdead_beef << 32,
        status: Status::from_field(status),
    }
}

#[test]
fn no_more_than_the_limit_are_sent() {
    let table = EventTable::new();
    for limit in [0, 1, 4, MAX, MAX + 10] {
        while table.send(limit).is_some() {}
        let sent = (0..=u16::MAX)
            .filter(|bits| table.answer(Cid::from_bits(*bits), completion(0, 0)))
            .count();
        assert_eq!(sent, limit.min(MAX));
        while table.take().is_some() {}
    }
}

#[test]
fn an_answer_comes_out_once() {
    let table = EventTable::new();
    let first = table.send(2).unwrap();
    let second = table.send(2).unwrap();
    assert_ne!(first, second);
    assert!(table.take().is_none());
    assert!(table.answer(second, completion(0x00ff_0102, 0x7fff)));
    assert!(!table.answer(second, completion(0, 0)), "answered twice");
    assert!(table.send(2).is_none(), "its place is not free yet");
    let answer = table.take().unwrap();
    assert_eq!(answer.dw0(), 0x00ff_0102);
    assert_eq!(answer.status.bits(), 0x7fff);
    assert!(table.take().is_none());
    assert_eq!(table.send(2), Some(second));
}

#[test]
fn no_request_has_such_an_identifier() {
    let table = EventTable::new();
    let identifiers: Vec<_> = core::iter::from_fn(|| table.send(MAX)).collect();
    assert_eq!(identifiers.len(), MAX);
    for depth in 1..MAX_ENTRIES {
        let layout = CidLayout::new(depth, true);
        for tag in 0..depth as usize {
            for generation in 0..u64::from(layout.generations()) {
                assert!(!identifiers.contains(&layout.cid(tag, generation)));
            }
        }
    }
}

#[test]
fn events_have_names() {
    let text = |dword| AsyncEvent::from_dword(dword).to_string();
    assert_eq!(text(0x0002_0101), "SMART / Health, temperature threshold");
    assert_eq!(text(0x0004_0002), "Notice, namespace attributes changed");
    assert_eq!(text(0x00c5_7707), "Vendor Specific, information 0x77");
    assert_eq!(text(0xffff_ff03), "event type 0x03, information 0xff");
    assert_eq!(AsyncEvent::from_dword(0x0004_0002).log().0, 4);
}
