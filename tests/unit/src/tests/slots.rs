// SPDX-License-Identifier: GPL-2.0

//! The slot table: each request and its mapping come out once, together, whatever a device says.

use std::{
    cell::Cell,
    collections::BTreeMap,
    rc::Rc, //
};

use proptest::{
    prelude::*,
    test_runner::TestCaseResult, //
};

use super::runner::check;
use crate::mq::{
    new_queue,
    request::{
        Completed,
        Request, //
    },
    Cid,
    Completion,
    Operations,
    Queue,
    Slots,
    StopProof, //
};

/// A driver whose mappings are numbers, those of their requests.
struct Driver;

/// A completion entry that was read.
struct Entry(Cid);

/// A device has stopped: this one, or another.
struct Stopped {
    ours: bool,
}

impl StopProof<Driver> for Stopped {
    fn covers(&self, _queue: &()) -> bool {
        self.ours
    }
}

impl Completion for Entry {
    fn cid(&self) -> Cid {
        self.0
    }
}

impl Operations for Driver {
    type Queue = ();
    type Mapping = u64;
    type Completion<'a> = Entry;
    type DmaStopped = Stopped;
}

/// A table, and what is known to be in it.
struct Table {
    queue: Box<Queue<Driver>>,
    depth: usize,
    /// How many requests exist, in the table or not.
    live: Rc<Cell<usize>>,
    /// By tag: the request and its identifier.
    inside: BTreeMap<usize, (u64, Cid)>,
    serial: u64,
}

impl Table {
    fn new(depth: usize) -> Self {
        Self {
            queue: Box::new(new_queue(depth.try_into().unwrap()).unwrap()),
            depth,
            live: Rc::default(),
            inside: BTreeMap::new(),
            serial: 0,
        }
    }

    fn slots(&self) -> &Slots<Driver> {
        self.queue.slots()
    }

    /// A request with the next number.
    fn request(&mut self, tag: usize) -> Request<Driver> {
        self.serial += 1;
        // SAFETY: No request is kept longer than the table.
        unsafe { Request::new(&self.queue, tag, self.serial, &self.live) }
    }

    /// Puts a new request; returns whether the table has it.
    fn put(&mut self, tag: usize) -> bool {
        let rq = self.request(tag);
        match self.slots().put(rq, self.serial) {
            Ok(cid) => {
                let before = self.inside.insert(tag, (self.serial, cid));
                assert_eq!(before, None, "two requests in one slot");
                true
            }
            Err((rq, mapping)) => {
                assert_eq!((rq.serial(), mapping), (self.serial, self.serial));
                false
            }
        }
    }

    fn take(&mut self, cid: Cid) -> Option<u64> {
        let rq = self.slots().take(&Entry(cid))?;
        let serial = end(rq);
        self.inside.retain(|_, (other, _)| *other != serial);
        Some(serial)
    }

    fn drain(&mut self) -> Vec<u64> {
        let mut serials = Vec::new();
        let mut drain = |ours| {
            self.queue
                .drain(&Stopped { ours }, |rq| serials.push(end(rq)))
        };
        assert!(drain(false).is_err(), "proof of another device");
        assert!(drain(true).is_ok());
        self.inside
            .retain(|_, (serial, _)| !serials.contains(serial));
        serials
    }
}

/// Ends a request that came out, and returns which it was.
fn end(rq: Completed<Driver>) -> u64 {
    let serial = rq.serial();
    assert_eq!(rq.end(), Some(serial), "another one's mapping");
    serial
}

#[test]
fn one_after_the_other() {
    let mut table = Table::new(3);
    assert!(table.slots().is_empty());
    for tag in 0..3 {
        assert!(table.put(tag));
    }
    assert!(!table.slots().is_empty());
    for (serial, cid) in table.inside.clone().into_values() {
        assert_eq!(table.take(cid), Some(serial));
        assert_eq!(table.take(cid), None, "taken twice");
    }
    assert!(table.slots().is_empty());
    assert_eq!(table.live.get(), 0);
}

#[test]
fn put_is_refused() {
    let mut table = Table::new(5);
    assert!(!table.put(5), "no such slot");
    assert!(!table.put(usize::MAX), "no such slot");
    assert_eq!(table.live.get(), 0);
    assert!(table.put(4));
    assert!(!table.put(4), "occupied");
    assert_eq!(table.live.get(), 1);
    assert_eq!(table.drain(), [1 + 2]);
    assert_eq!(table.drain(), []);
    assert_eq!(table.live.get(), 0);
}

/// As with `CONFIG_FAIL_IO_TIMEOUT`: a completion that counts for nothing leaves the request where
/// it was, for the same identifier or for who drains.
#[test]
fn hidden_completions() {
    let mut table = Table::new(5);
    for takes in [true, false] {
        let rq = table.request(3);
        rq.hide(2);
        let Ok(cid) = table.slots().put(rq, table.serial) else {
            panic!("the slot is empty");
        };
        for _ in 0..2 {
            assert!(table.slots().take(&Entry(cid)).is_none());
            assert!(table.slots().is_full(3));
            assert_eq!(table.slots().cid(3), Some(cid));
        }
        if takes {
            assert_eq!(table.take(cid), Some(table.serial));
        } else {
            assert_eq!(table.drain(), [table.serial]);
        }
    }
    assert_eq!(table.live.get(), 0);
}

/// A tag means something on its own queue only.
#[test]
fn another_queue() {
    let mut table = Table::new(5);
    let mut other = Table::new(5);
    let rq = other.request(2);
    let (rq, mapping) = table.slots().put(rq, 7).unwrap_err();
    assert_eq!((rq.tag(), rq.serial(), mapping), (2, 1, 7));
    assert!(table.slots().is_empty());
    assert!(table.put(2), "as empty as it was");
    assert_eq!(table.drain(), [1]);
}

/// Tags 5 to 7 have room in an identifier, but no slot.
#[test]
fn tags_beyond_the_depth() {
    let mut table = Table::new(5);
    for tag in 0..5 {
        assert!(table.put(tag));
    }
    for bits in (0..=u16::MAX).filter(|bits| bits & 7 >= 5) {
        assert_eq!(table.take(Cid::from_bits(bits)), None);
    }
    assert_eq!(table.drain(), [1, 2, 3, 4, 5]);
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    /// The identifier that some put gave, of all that there were.
    Take(prop::sample::Index),
    TakeBits(u16),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0usize..80).prop_map(Step::Put),
        12 => any::<prop::sample::Index>().prop_map(Step::Take),
        2 => any::<u16>().prop_map(Step::TakeBits),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 1..300)
}

fn follows_the_model(depth: usize, steps: &[Step]) -> TestCaseResult {
    let mut table = Table::new(depth);
    let mut given = Vec::new();
    let take = |table: &mut Table, cid: Cid| -> TestCaseResult {
        let mut inside = table.inside.values();
        let owner = inside.find(|(_, theirs)| *theirs == cid).copied();
        prop_assert_eq!(table.take(cid), owner.map(|(serial, _)| serial));
        Ok(())
    };
    for step in steps {
        match *step {
            Step::Put(tag) => {
                let fits = tag < table.depth && !table.inside.contains_key(&tag);
                prop_assert_eq!(table.put(tag), fits);
                given.extend(table.inside.get(&tag).filter(|_| fits));
            }
            Step::Take(index) => {
                if !given.is_empty() {
                    let (_, cid) = given[index.index(given.len())];
                    take(&mut table, cid)?;
                }
            }
            Step::TakeBits(bits) => take(&mut table, Cid::from_bits(bits))?,
            Step::Drain => {
                let all: Vec<u64> = table.inside.values().map(|(serial, _)| *serial).collect();
                prop_assert_eq!(table.drain(), all);
            }
        }
        prop_assert_eq!(table.live.get(), table.inside.len());
        prop_assert_eq!(table.slots().is_empty(), table.inside.is_empty());
        for tag in 0..=depth {
            prop_assert_eq!(table.slots().is_full(tag), table.inside.contains_key(&tag));
        }
    }
    // Without this the requests that are left would be lost.
    table.drain();
    prop_assert_eq!(table.live.get(), 0);
    Ok(())
}

#[test]
fn any_sequence() {
    check((1usize..70, steps()), |(depth, steps)| {
        follows_the_model(depth, &steps)
    });
}
