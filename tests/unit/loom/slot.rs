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
    mutants,
};

/// What the models know of a slot's word: the driver's own, or one that is wrong.
pub(crate) trait Word: 'static {
    fn empty() -> Self;
    fn prepare(&self, address: u64, layout: CidLayout) -> Option<u64>;
    fn put(&self, address: u64, generation: u64, tag: usize, layout: CidLayout) -> Cid;
    fn take(&self, cid: Cid, layout: CidLayout) -> Option<u64>;
    fn drain(&self) -> Option<u64>;
    fn is_full(&self) -> bool;
    fn cid(&self, tag: usize, layout: CidLayout) -> Option<Cid>;
}

macro_rules! word {
    ($($path:path),*) => {
        $(impl Word for $path {
            fn empty() -> Self {
                <$path>::empty()
            }

            fn prepare(&self, address: u64, layout: CidLayout) -> Option<u64> {
                <$path>::prepare(self, address, layout)
            }

            fn put(&self, address: u64, generation: u64, tag: usize, layout: CidLayout) -> Cid {
                <$path>::put(self, address, generation, tag, layout)
            }

            fn take(&self, cid: Cid, layout: CidLayout) -> Option<u64> {
                <$path>::take(self, cid, layout)
            }

            fn drain(&self) -> Option<u64> {
                <$path>::drain(self)
            }

            fn is_full(&self) -> bool {
                <$path>::is_full(self)
            }

            fn cid(&self, tag: usize, layout: CidLayout) -> Option<Cid> {
                <$path>::cid(self, tag, layout)
            }
        })*
    };
}

word!(
    SlotWord,
    mutants::blind_exchange::SlotWord,
    mutants::exchange_of_whatever_is_there::SlotWord,
    mutants::take_without_exchange::SlotWord,
    mutants::relaxed_put::SlotWord,
    mutants::relaxed_take::SlotWord,
    mutants::generation_ignored::SlotWord,
    mutants::generation_stays::SlotWord,
    mutants::generation_forgotten::SlotWord
);

/// Somebody who comes to the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    /// Puts the second request, if the tag is free. As in blk-mq, it is the same memory as the
    /// first.
    Put,
    /// The interrupt handler, which has read a completion of the first request. It comes twice if
    /// the device said it twice.
    Interrupt,
    /// Who polls, and has read a completion of the first request: the same one, if the device said
    /// it twice.
    Poll,
    /// The interrupt handler, whose completion of the first request counts for nothing, as with
    /// `CONFIG_FAIL_IO_TIMEOUT`: it takes the request, looks at it, and puts it back.
    Hide,
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
    /// Asks for the identifier of the request that is there, as for an Abort command.
    Ask,
}

use Visitor::{
    Ask,
    Bogus,
    Drain,
    Guess,
    Hide,
    Interrupt,
    Look,
    Poll,
    Put,
    Stale,
    TakeSecond, //
};

const FIRST: u64 = 1;
const SECOND: u64 = 2;
const ADDRESS: u64 = 0xffff_8880_0000_1240;
const TAG: usize = 5;

/// The slot of one tag, and what else the owner of the tag uses.
struct Tag<W> {
    slot: W,
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
unsafe impl<W> Sync for Tag<W> {}

impl<W: Word> Tag<W> {
    /// A slot in which the first request lies, or has lain until just now.
    fn new(layout: CidLayout, full: bool) -> Self {
        let slot = W::empty();
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

    /// Takes the first request and puts it back, as `Slots::take` does where blk-mq says so.
    fn hide(&self) {
        let Some(address) = self.slot.take(self.first, self.layout) else {
            return;
        };
        self.memory.with(|memory| {
            // SAFETY: Whoever took the request has the memory.
            let request = unsafe { *memory };
            // With one generation it may be the second's completion that is hidden.
            if self.layout.generations() > 1 {
                assert_eq!(request, FIRST, "taken by the first's identifier");
            }
            assert_ne!(request, 0, "ended before");
        });
        let generation = self.layout.generation(self.first);
        self.slot.put(address, generation, TAG, self.layout);
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
            Interrupt | Poll => seen.taken = self.take(self.first),
            Hide => self.hide(),
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
            Ask => {
                let cid = self.slot.cid(TAG, self.layout);
                let known = [self.first, self.cid_after(1)];
                assert!(cid.is_none_or(|cid| known.contains(&cid)), "{cid:?}");
                seen.empty = cid.is_none();
            }
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
fn meeting<W: Word>(layout: CidLayout, full: bool, visitors: &[Visitor]) {
    let tag = Arc::new(Tag::<W>::new(layout, full));
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
    let takes_first = comes(Interrupt) || comes(Poll);
    // For a moment the slot is empty then, and who comes just in this moment finds nothing.
    let hides = comes(Hide);
    let left = tag.drain();
    assert_eq!(tag.drain(), None);
    let owners = |request| {
        let taken = seen.iter().map(|seen| seen.taken).chain([left]);
        taken.filter(|taken| *taken == Some(request)).count()
    };

    assert_eq!(owners(FIRST), usize::from(full), "owners of the first");
    let put = seen.iter().any(|seen| seen.put);
    assert_eq!(owners(SECOND), usize::from(put), "owners of the second");
    if (takes_first || comes(Drain)) && !hides {
        assert_ne!(left, Some(FIRST), "a completion was lost");
    }
    if !full && comes(Put) {
        assert!(put, "the tag was free");
    }
    for (visitor, seen) in visitors.iter().zip(&seen) {
        if matches!(visitor, Interrupt | Poll) && layout.generations() > 1 {
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
            assert!(takes_first || comes(Drain) || hides, "not seen");
        }
    }
}

/// All sets of so many visitors that make sense.
fn sets(full: bool, size: usize) -> Vec<Vec<Visitor>> {
    let all = [
        Put, Interrupt, Poll, Hide, TakeSecond, Stale, Bogus, Guess, Drain, Look, Ask,
    ];
    let mut sets = multisets(&all, size);
    sets.retain(|set| {
        let puts = set.iter().filter(|visitor| **visitor == Put).count();
        let second = set.contains(&TakeSecond) || set.contains(&Guess);
        let takes_first = [Interrupt, Poll, Hide]
            .iter()
            .any(|visitor| set.contains(visitor));
        // There is one tag. Without a request the visits to an empty slot are not worth much, and
        // the first's identifier is a stale one then.
        // Who puts a request back makes many interleavings: of three, one does.
        let hides = set.iter().filter(|visitor| **visitor == Hide).count();
        let few = hides <= 1 || size == 2;
        few && puts <= 1 && (puts == 1 || !second && full) && (full || !takes_first)
    });
    assert!(sets.len() > size, "{sets:?}");
    sets
}

/// Goes through all sets of so many visitors that make sense.
fn meetings(full: bool, size: usize) {
    for set in sets(full, size) {
        // Shown if it fails.
        println!("{set:?}, {}", if full { "full" } else { "empty" });
        let runs = explore(move || meeting::<SlotWord>(CidLayout::new(1023, true), full, &set));
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
            [Put, Interrupt, Poll],
            [Put, Poll, Drain],
            [Put, Interrupt, TakeSecond],
            [Put, Hide, Poll],
        ] {
            explore(move || meeting::<SlotWord>(layout, true, &set));
        }
    }
}

/// Whether some set of visitors notices what is wrong with the word, and what it is for the first
/// that does.
fn noticed<W: Word>() -> Option<String> {
    let sizes = [2, 3].into_iter();
    let meetings = sizes.flat_map(|size| {
        let full = sets(true, size).into_iter().map(|set| (true, set));
        full.chain(sets(false, size).into_iter().map(|set| (false, set)))
    });
    for (full, set) in meetings {
        let name = format!("{set:?}, {}", if full { "full" } else { "empty" });
        let model = move || meeting::<W>(CidLayout::new(1023, true), full, &set);
        // A thread of its own, since what loom keeps is of no use after a panic.
        let explored = std::thread::spawn(move || explore(model)).join();
        if let Err(panic) = explored {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            return Some(format!("{name}: {}", said.unwrap_or_default()));
        }
    }
    None
}

/// The models notice each of these mistakes.
macro_rules! mutants_are_noticed {
    ($($name:ident: $said:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            let noticed = noticed::<mutants::$name::SlotWord>().expect("nobody noticed");
            println!("{noticed}");
            assert!(noticed.contains($said), "{noticed}");
        })*
    };
}

mutants_are_noticed! {
    blind_exchange: "Causality violation",
    exchange_of_whatever_is_there: "owners of the first",
    take_without_exchange: "Causality violation",
    relaxed_put: "Causality violation",
    relaxed_take: "Causality violation",
    generation_ignored: "taken by",
    generation_stays: "left == right",
    generation_forgotten: "left == right",
}
