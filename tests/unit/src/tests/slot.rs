// SPDX-License-Identifier: GPL-2.0

//! The word of a slot, against a model that remembers everything.

use proptest::{
    prelude::*,
    test_runner::TestCaseResult, //
};

use super::{
    cid::{
        depths,
        tag_bits, //
    },
    runner::check, //
};
use crate::mq::{
    cid::{
        Cid,
        CidLayout, //
    },
    slot::SlotWord,
};

/// Addresses as those of requests are: somewhere up in the kernel, aligned to 64 bytes.
fn address(number: u64) -> u64 {
    0xffff_8880_0000_0000 + number * 64
}

fn put(slot: &SlotWord, address: u64, tag: usize, layout: CidLayout) -> Cid {
    let generation = slot.prepare(address, layout).expect("the slot is empty");
    slot.put(address, generation, tag, layout)
}

/// Through all generations three times: an identifier takes what it was given for, once, and
/// none of those before it does, until there are as many as there are generations.
#[test]
fn stale_identifiers_are_refused() {
    for depth in depths() {
        let layout = CidLayout::new(depth, true);
        let generations = layout.generations() as usize;
        for tag in [0, depth as usize - 1] {
            let slot = SlotWord::empty();
            let mut given: Vec<Cid> = Vec::new();
            for round in 0..3 * generations + 2 {
                let refuses_stale = || {
                    let last = given.iter().rev();
                    last.take(generations - 1)
                        .all(|stale| slot.take(*stale, layout).is_none())
                };
                assert!(!slot.is_full());
                assert!(refuses_stale(), "{depth}, empty, round {round}");
                let cid = put(&slot, address(round as u64), tag, layout);
                assert!(slot.is_full());
                assert!(refuses_stale(), "{depth}, full, round {round}");
                assert_eq!(layout.tag(cid), tag);
                // This is where the promise ends.
                if let Some(old) = given.iter().rev().nth(generations - 1) {
                    assert_eq!(*old, cid, "{depth}, round {round}");
                }
                assert_eq!(slot.take(cid, layout), Some(address(round as u64)));
                assert_eq!(slot.take(cid, layout), None, "taken twice");
                given.push(cid);
            }
        }
    }
}

/// A drained slot counts on: what the device says later is stale.
#[test]
fn stale_after_drain() {
    let layout = CidLayout::new(64, true);
    let slot = SlotWord::empty();
    let cid = put(&slot, address(1), 7, layout);
    assert_eq!(slot.drain(), Some(address(1)));
    assert_eq!(slot.drain(), None);
    assert_eq!(slot.take(cid, layout), None);
    let next = put(&slot, address(2), 7, layout);
    assert_ne!(cid, next);
    assert_eq!(slot.take(cid, layout), None);
    assert_eq!(slot.take(next, layout), Some(address(2)));
}

/// Whoever cannot put his request has not changed the slot.
#[test]
fn put_is_refused() {
    let layout = CidLayout::new(64, true);
    let slot = SlotWord::empty();
    for low in 1..64 {
        assert_eq!(slot.prepare(address(1) | low, layout), None, "not aligned");
    }
    let cid = put(&slot, address(1), 0, layout);
    assert_eq!(slot.prepare(address(2), layout), None, "occupied");
    assert!(slot.is_full());
    assert_eq!(slot.take(cid, layout), Some(address(1)));
    assert!(!slot.is_full());
}

/// Of all identifiers that lead to a full slot, only that of its request takes it.
#[test]
fn bogus_identifiers_are_refused() {
    for depth in depths() {
        for with_generation in [false, true] {
            let layout = CidLayout::new(depth, with_generation);
            let slot = SlotWord::empty();
            let tag = depth as usize - 1;
            let mut cid = put(&slot, address(0), tag, layout);
            for bits in 0..=u16::MAX {
                let other = Cid::from_bits(bits);
                if layout.tag(other) != tag {
                    continue;
                }
                let taken = slot.take(other, layout);
                assert_eq!(
                    taken.is_some(),
                    other == cid,
                    "{depth}: {bits:#x} for {cid:?}"
                );
                if taken.is_some() {
                    cid = put(&slot, address(0), tag, layout);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        number: u64,
        low: u64,
    },
    /// The identifier that was given so many puts ago.
    Take {
        ago: usize,
    },
    TakeBits(u16),
    Drain,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..1 << 40, prop_oneof![8 => Just(0), 1 => 1u64..64])
            .prop_map(|(number, low)| Step::Put { number, low }),
        4 => prop_oneof![2 => Just(0), 1 => 0usize..70].prop_map(|ago| Step::Take { ago }),
        1 => any::<u16>().prop_map(Step::TakeBits),
        1 => Just(Step::Drain),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..400)
}

/// What a slot does, with arithmetic that has no bits to run out of.
struct Model {
    tag_bits: u32,
    generations: u64,
    puts: u64,
    content: Option<u64>,
}

impl Model {
    fn take(&mut self, cid: Cid) -> Option<u64> {
        let generation = u64::from(cid.bits()) >> self.tag_bits;
        if generation != self.puts % self.generations {
            return None;
        }
        self.content.take()
    }
}

fn follows_the_model(depth: u32, with_generation: bool, steps: &[Step]) -> TestCaseResult {
    let layout = CidLayout::new(depth, with_generation);
    let tag = (depth / 2) as usize;
    let slot = SlotWord::empty();
    let tag_bits = tag_bits(depth);
    let mut model = Model {
        tag_bits,
        generations: if with_generation {
            1 << (16 - tag_bits).min(6)
        } else {
            1
        },
        puts: 0,
        content: None,
    };
    let mut given = Vec::new();
    for step in steps {
        match *step {
            Step::Put { number, low } => {
                let address = address(number) | low;
                let prepared = slot.prepare(address, layout);
                prop_assert_eq!(prepared.is_some(), model.content.is_none() && low == 0);
                if let Some(generation) = prepared {
                    given.push(slot.put(address, generation, tag, layout));
                    model.puts += 1;
                    model.content = Some(address);
                }
            }
            Step::Take { ago } => {
                if let Some(cid) = given.iter().rev().nth(ago) {
                    prop_assert_eq!(slot.take(*cid, layout), model.take(*cid));
                }
            }
            Step::TakeBits(bits) => {
                let cid = Cid::from_bits(bits);
                prop_assert_eq!(slot.take(cid, layout), model.take(cid));
            }
            Step::Drain => prop_assert_eq!(slot.drain(), model.content.take()),
            Step::Look => prop_assert_eq!(slot.is_full(), model.content.is_some()),
        }
    }
    prop_assert_eq!(slot.drain(), model.content);
    Ok(())
}

#[test]
fn any_sequence() {
    check(
        (prop::sample::select(depths()), any::<bool>(), steps()),
        |(depth, with_generation, steps)| follows_the_model(depth, with_generation, &steps),
    );
}
