// SPDX-License-Identifier: GPL-2.0

//! The word of a slot, with everybody who may come to it: in every interleaving each request that
//! was put has exactly one owner, who sees what was written for it before.

// That of loom would be one more thing to interleave.
use std::sync::Arc;

use loom::{
    cell::UnsafeCell,
    sync::atomic::AtomicBool,
    thread, //
};

use crate::{
    explore::{
        explore,
        multisets, //
    },
    mq::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        cid::{
            Cid,
            CidLayout, //
        },
        slot::SlotWord, //
    },
};

/// Somebody who comes to the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// Puts the second request, if the tag is free. As in blk-mq, it is the same memory as the
    /// first.
    Put,
    /// Has read a completion of the first request: the interrupt handler, or who polls, or
    /// either of them because the device said it twice.
    Take,
    /// Reads the completion of the second request, if the device has written it.
    TakeSecond,
    /// Was told an identifier of the time before the first request.
    Stale,
    /// Was told an identifier that was never given.
    Bogus,
    /// Was told the identifier of the second request, whether it was put or not.
    Guess,
    /// Takes whatever there is.
    Drain,
    /// Looks whether the request is there, as after a time-out.
    Look,
}

use Visitor::{
    Bogus,
    Drain,
    Guess,
    Look,
    Put,
    Stale,
    Take,
    TakeSecond, //
};

const FIRST: u64 = 1;
const SECOND: u64 = 2;
const ADDRESS: u64 = 0xffff_8880_0000_1240;
const TAG: usize = 5;

/// The slot of one tag, and what else the owner of the tag uses.
struct Tag {
    slot: SlotWord,
    layout: CidLayout,
    first: Cid,
    /// The request, its mapping, its lists: which request it is, 0 after its end.
    memory: UnsafeCell<u64>,
    /// The tag itself, which blk-mq gives to one at a time.
    free: AtomicBool,
    /// The completion queue entry of the second request; 0 before the device wrote it.
    entry: AtomicU64,
}

// SAFETY: Only the owner of the tag reaches `memory`, and loom checks that.
unsafe impl Sync for Tag {}

impl Tag {
    /// A slot in which the first request lies, or has lain until just now.
    fn new(layout: CidLayout, full: bool) -> Self {
        let slot = SlotWord::empty();
        let generation = slot.prepare(ADDRESS, layout).unwrap();
        let stale = slot.put(ADDRESS, generation, TAG, layout);
        assert_eq!(slot.take(stale, layout), Some(ADDRESS));
        let mut tag = Self {
            slot,
            layout,
            first: stale,
            memory: UnsafeCell::new(0),
            free: AtomicBool::new(true),
            entry: AtomicU64::new(0),
        };
        tag.first = tag.put(FIRST).expect("nobody else is there");
        if !full {
            assert_eq!(tag.take(tag.first), Some(FIRST));
        }
        tag
    }

    /// Gets the tag and puts the request.
    fn put(&self, request: u64) -> Option<Cid> {
        self.free
            .compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let generation = self.slot.prepare(ADDRESS, self.layout);
        let generation = generation.expect("the slot of a free tag is empty");
        self.memory.with_mut(|memory| {
            // SAFETY: Whoever has the tag has the memory.
            let before = unsafe { memory.replace(request) };
            assert_eq!(before, 0, "in use");
        });
        Some(self.slot.put(ADDRESS, generation, TAG, self.layout))
    }

    /// Ends a request that was taken; returns which it was.
    fn end(&self, address: u64) -> u64 {
        assert_eq!(address, ADDRESS);
        let request = self.memory.with_mut(|memory| {
            // SAFETY: Whoever took the request has the memory.
            unsafe { memory.replace(0) }
        });
        assert_ne!(request, 0, "ended before");
        self.free.store(true, Ordering::Release);
        request
    }

    fn take(&self, cid: Cid) -> Option<u64> {
        let address = self.slot.take(cid, self.layout)?;
        Some(self.end(address))
    }

    fn drain(&self) -> Option<u64> {
        let address = self.slot.drain()?;
        Some(self.end(address))
    }

    /// The identifier that comes so many puts after the first one.
    fn cid_after(&self, puts: u64) -> Cid {
        let generation = self.layout.generation(self.first) + puts;
        let generations = u64::from(self.layout.generations());
        self.layout.cid(TAG, generation % generations)
    }

    fn visit(&self, visitor: Visitor) -> Seen {
        let mut seen = Seen::default();
        match visitor {
            Put => {
                if let Some(cid) = self.put(SECOND) {
                    assert_eq!(cid, self.cid_after(1));
                    // The doorbell, and the device that is done at once.
                    self.entry.store(cid.bits().into(), Ordering::Release);
                    seen.put = true;
                }
            }
            Take => seen.taken = self.take(self.first),
            TakeSecond => {
                let entry = self.entry.load(Ordering::Acquire);
                if entry != 0 {
                    seen.taken = self.take(Cid::from_bits(entry as u16));
                }
                seen.missed = entry != 0 && seen.taken.is_none();
            }
            Stale => {
                let before = u64::from(self.layout.generations()) - 1;
                seen.taken = self.take(self.cid_after(before));
                assert_eq!(seen.taken, None, "taken by a stale identifier");
            }
            Bogus => {
                let generation = u64::from(self.layout.generations());
                seen.taken = self.take(self.layout.cid(TAG, generation));
                assert_eq!(seen.taken, None, "taken by a bogus identifier");
            }
            Guess => seen.taken = self.take(self.cid_after(1)),
            Drain => seen.taken = self.drain(),
            Look => seen.empty = !self.slot.is_full(),
        }
        seen
    }
}

/// What a visitor has found.
#[derive(Clone, Copy, Default)]
struct Seen {
    taken: Option<u64>,
    put: bool,
    missed: bool,
    empty: bool,
}

/// Lets all visitors come at once, and looks at what became of the requests.
fn meeting(layout: CidLayout, full: bool, visitors: &[Visitor]) {
    let tag = Arc::new(Tag::new(layout, full));
    let threads: Vec<_> = visitors
        .iter()
        .map(|visitor| {
            let (tag, visitor) = (tag.clone(), *visitor);
            thread::spawn(move || tag.visit(visitor))
        })
        .collect();
    let seen: Vec<Seen> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let comes = |visitor| visitors.contains(&visitor);
    let left = tag.drain();
    assert_eq!(tag.drain(), None);
    let owners = |request| {
        let taken = seen.iter().map(|seen| seen.taken).chain([left]);
        taken.filter(|taken| *taken == Some(request)).count()
    };

    assert_eq!(owners(FIRST), usize::from(full), "owners of the first");
    let put = seen.iter().any(|seen| seen.put);
    assert_eq!(owners(SECOND), usize::from(put), "owners of the second");
    if comes(Take) || comes(Drain) {
        assert_ne!(left, Some(FIRST), "a completion was lost");
    }
    if !full && comes(Put) {
        assert!(put, "the tag was free");
    }
    for (visitor, seen) in visitors.iter().zip(&seen) {
        if *visitor == Take && layout.generations() > 1 {
            assert_ne!(seen.taken, Some(SECOND), "taken by the first's identifier");
        }
        // Who else could have it?
        if seen.missed {
            let others = visitors
                .iter()
                .filter(|other| **other == TakeSecond)
                .count()
                - 1;
            assert!(comes(Drain) || comes(Guess) || others > 0, "missed");
        }
        if seen.empty && full {
            assert!(comes(Take) || comes(Drain), "not seen");
        }
    }
}

/// Goes through all sets of so many visitors that make sense.
fn meetings(full: bool, size: usize) {
    let all = [Put, Take, TakeSecond, Stale, Bogus, Guess, Drain, Look];
    let mut sets = multisets(&all, size);
    sets.retain(|set| {
        let puts = set.iter().filter(|visitor| **visitor == Put).count();
        let second = set.contains(&TakeSecond) || set.contains(&Guess);
        // There is one tag. Without a request the visits to an empty slot are not worth much, and
        // the first's identifier is a stale one then.
        puts <= 1 && (puts == 1 || !second && full) && (full || !set.contains(&Take))
    });
    assert!(sets.len() > size, "{sets:?}");
    for set in sets {
        // Shown if it fails.
        println!("{set:?}, {}", if full { "full" } else { "empty" });
        let runs = explore(move || meeting(CidLayout::new(1023, true), full, &set));
        println!("    {runs} interleavings");
    }
}

#[test]
fn two_come_to_a_full_slot() {
    meetings(true, 2);
}

#[test]
fn three_come_to_a_full_slot() {
    meetings(true, 3);
}

#[test]
fn two_come_to_an_empty_slot() {
    meetings(false, 2);
}

#[test]
fn three_come_to_an_empty_slot() {
    meetings(false, 3);
}

/// With few generations and without any the owner is as certain, only not always the right one.
#[test]
fn few_generations() {
    for layout in [CidLayout::new(32_768, true), CidLayout::new(64, false)] {
        for set in [
            [Put, Take, Take],
            [Put, Take, Drain],
            [Put, Take, TakeSecond],
        ] {
            explore(move || meeting(layout, true, &set));
        }
    }
}
