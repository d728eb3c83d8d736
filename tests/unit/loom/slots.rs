// SPDX-License-Identifier: GPL-2.0

//! The slot table of a queue, with everybody who may come to it: in every interleaving each request
//! comes out once, to one owner, with the mapping that it was put with.

// The threads of a model take turns on one of the system's, and counts of loom's own would be one
// more thing to interleave.
use std::{
    cell::Cell,
    rc::Rc, //
};

use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
    thread, //
};

use crate::{
    explore::{
        explore_within,
        multisets, //
    },
    mq::{
        new_queue,
        request::Request,
        Cid,
        Completed,
        Completion,
        Operations,
        Queue,
        StopProof, //
    },
};

/// A driver whose mappings are those of the model.
struct Driver;

/// A completion entry that was read.
struct Entry(Cid);

/// The device has stopped.
struct Stopped;

impl StopProof<Driver> for Stopped {
    fn covers(&self, _queue: &()) -> bool {
        true
    }
}

impl Completion for Entry {
    fn cid(&self) -> Cid {
        self.0
    }
}

impl Operations for Driver {
    type Queue = ();
    type Mapping = Mapping;
    type Completion<'a> = Entry;
    type DmaStopped = Stopped;
}

/// Says which request it was made for. Loom checks that its maker and its owner do not meet.
struct Mapping(UnsafeCell<u64>);

// SAFETY: Reached by its owner alone, and loom checks that.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(serial: u64) -> Self {
        let mapping = Self(UnsafeCell::new(0));
        // SAFETY: Nobody else has it yet.
        mapping.0.with_mut(|place| unsafe { *place = serial });
        mapping
    }

    fn end(self) -> u64 {
        // SAFETY: It moved here, so nobody else has it.
        self.0.with_mut(|serial| unsafe { serial.replace(0) })
    }
}

/// Somebody who comes to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// Puts the second request, if the tag is free.
    Put,
    /// The interrupt handler, which has read a completion of the first request.
    Interrupt,
    /// Who polls, and has read a completion of the first request: the same one, if the device said
    /// it twice.
    Poll,
    /// Was told an identifier of the time before the first request.
    Stale,
    /// Was told of a tag that there is none of, and of a generation to come.
    Bogus,
    /// Takes whatever there is, of this tag and its neighbour.
    Drain,
    /// Looks whether the request is there, as after a time-out.
    Look,
}

use Visitor::{
    Bogus,
    Drain,
    Interrupt,
    Look,
    Poll,
    Put,
    Stale, //
};

const DEPTH: usize = 3;
const TAG: usize = 2;
const NEIGHBOUR: usize = 0;

/// Serial numbers of the requests.
const OLD: u64 = 1;
const FIRST: u64 = 2;
const SECOND: u64 = 3;
const BESIDE: u64 = 4;

/// The table, and blk-mq's knowledge of the one tag that is used again.
struct Table {
    queue: Box<Queue<Driver>>,
    live: Rc<Cell<usize>>,
    free: AtomicBool,
    stale: Cid,
    first: Cid,
}

impl Table {
    /// The first request lies in its slot, another one before it did. Of the first, so many
    /// completions count for nothing.
    fn new(hidden: usize) -> Self {
        let mut table = Self {
            queue: Box::new(new_queue(DEPTH.try_into().unwrap()).unwrap()),
            live: Rc::default(),
            free: AtomicBool::new(true),
            stale: Cid::from_bits(0),
            first: Cid::from_bits(0),
        };
        table.put(NEIGHBOUR, BESIDE, 0);
        table.stale = table.put(TAG, OLD, 0);
        assert_eq!(table.take(table.stale), Some(OLD));
        table.first = table.put(TAG, FIRST, hidden);
        table.free.store(false, Ordering::Relaxed);
        table
    }

    fn put(&self, tag: usize, serial: u64, hidden: usize) -> Cid {
        // SAFETY: No request is kept longer than the table.
        let rq = unsafe { Request::new(&self.queue, tag, serial, &self.live) };
        rq.hide(hidden);
        let put = self.queue.slots().put(rq, Mapping::new(serial));
        let Ok(cid) = put else {
            panic!("the slot of a free tag is empty");
        };
        cid
    }

    /// Ends a request that came out; returns which it was.
    fn end(&self, rq: Completed<Driver>) -> u64 {
        let (tag, serial) = (rq.tag(), rq.serial());
        let mapping = rq.end().expect("a mapping for each request");
        assert_eq!(mapping.end(), serial, "another one's mapping");
        if tag == TAG {
            self.free.store(true, Ordering::Release);
        }
        serial
    }

    fn take(&self, cid: Cid) -> Option<u64> {
        let rq = self.queue.slots().take(&Entry(cid))?;
        Some(self.end(rq))
    }

    fn drain(&self) -> Vec<u64> {
        let mut serials = Vec::new();
        let drained = self.queue.drain(&Stopped, |rq| serials.push(self.end(rq)));
        assert!(drained.is_ok());
        serials
    }

    /// Comes to the table; returns which requests came out, and whether one was put.
    fn visit(&self, visitor: Visitor) -> (Vec<u64>, bool) {
        match visitor {
            Put => {
                let free =
                    self.free
                        .compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed);
                let put = free.is_ok();
                if put {
                    let cid = self.put(TAG, SECOND, 0);
                    assert!(cid != self.first && cid != self.stale);
                }
                (Vec::new(), put)
            }
            Interrupt | Poll => {
                let taken = self.take(self.first);
                assert_ne!(taken, Some(SECOND), "taken by the first's identifier");
                (Vec::from_iter(taken), false)
            }
            Stale => {
                assert_eq!(self.take(self.stale), None, "taken by a stale identifier");
                (Vec::new(), false)
            }
            Bogus => {
                let beyond = Cid::from_bits(self.first.bits() | DEPTH as u16);
                let to_come = Cid::from_bits(self.first.bits() ^ 0x8000);
                for cid in [beyond, to_come] {
                    assert_eq!(self.take(cid), None, "taken by a bogus identifier");
                }
                (Vec::new(), false)
            }
            Drain => (self.drain(), false),
            Look => {
                // Either answer may be an old one.
                self.queue.slots().is_full(TAG);
                (Vec::new(), false)
            }
        }
    }
}

fn meeting(visitors: &[Visitor], hidden: usize) {
    let table = Rc::new(Table::new(hidden));
    let threads: Vec<_> = visitors
        .iter()
        .map(|visitor| {
            let (table, visitor) = (table.clone(), *visitor);
            thread::spawn(move || table.visit(visitor))
        })
        .collect();
    let mut put = 0;
    let mut out = Vec::new();
    for thread in threads {
        let (serials, was_put) = thread.join().unwrap();
        out.extend(serials);
        put += usize::from(was_put);
    }
    let completions = visitors.iter().filter(|visitor| completes(visitor)).count();
    let drains = visitors.contains(&Drain);
    if hidden == 0 && (drains || completions > 0) {
        assert!(out.contains(&FIRST), "a completion was lost");
    }
    if completions <= hidden && !drains {
        assert!(!out.contains(&FIRST), "taken by what counts for nothing");
    }
    out.extend(table.drain());
    out.sort_unstable();
    let expected = [FIRST, SECOND, BESIDE];
    let expected = expected.into_iter();
    let expected: Vec<u64> = expected.filter(|it| *it != SECOND || put > 0).collect();
    assert!(put <= 1, "the tag was given twice");
    assert_eq!(out, expected, "one owner for each");
    assert_eq!(table.live.get(), 0, "all ended");
    assert!(table.queue.slots().is_empty());
}

/// Has read a completion of the first request.
fn completes(visitor: &Visitor) -> bool {
    [Interrupt, Poll].contains(visitor)
}

fn meetings(size: usize, hidden: usize) {
    let mut sets = multisets(&[Put, Interrupt, Poll, Stale, Bogus, Drain, Look], size);
    // The second request is put once.
    sets.retain(|set| set.iter().filter(|visitor| **visitor == Put).count() <= 1);
    if hidden > 0 {
        sets.retain(|set| set.iter().any(completes));
    }
    for set in sets {
        let drains = set.iter().filter(|visitor| **visitor == Drain).count();
        // Drains walk over all slots, and a request that goes back is one more visit to them:
        // of three visitors there are millions of interleavings then. Each slot by itself sees
        // all of them, in the models of its word.
        let preemptions = (size > 2 && (drains > 1 || hidden > 0)).then_some(2);
        println!("{set:?}, {preemptions:?}"); // Shown if it fails.
        let runs = explore_within(preemptions, move || meeting(&set, hidden));
        println!("    {runs} interleavings");
    }
}

#[test]
fn two_come_to_the_table() {
    meetings(2, 0);
}

#[test]
fn three_come_to_the_table() {
    meetings(3, 0);
}

/// As with `CONFIG_FAIL_IO_TIMEOUT`: the first completion, or both, count for nothing, and the
/// request goes back into its slot.
#[test]
fn two_come_to_a_hidden_completion() {
    meetings(2, 1);
    meetings(2, 2);
}

#[test]
fn three_come_to_a_hidden_completion() {
    meetings(3, 1);
}
