// SPDX-License-Identifier: GPL-2.0

//! Identifiers: how their bits are divided, for every depth that a queue can have.

use std::collections::HashSet;

use proptest::prelude::*;

use super::runner::check;
use crate::mq::cid::{
    Cid,
    CidLayout, //
};

/// The bits that number `depth` tags, counted the slow way.
pub(super) fn tag_bits(depth: u32) -> u32 {
    (0..).find(|bits| 1 << bits >= depth).unwrap()
}

/// Depths around which something changes, and one of each size.
pub(super) fn depths() -> Vec<u32> {
    let around = (0..=16).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    let between = [5, 31, 100, 1000, 4094, 20_000, 40_000];
    let mut depths: Vec<u32> = around.chain(between).collect();
    depths.retain(|depth| (1..=1 << 16).contains(depth));
    depths.sort_unstable();
    depths.dedup();
    depths
}

/// The figures of `Documentation/design.rst`.
#[test]
fn generations_that_are_promised() {
    for (depth, bits) in [
        (1, 6),
        (31, 6),
        (1023, 6),
        (1024, 6),
        (1025, 5),
        (2048, 5),
        (4094, 4),
        (4095, 4),
        (4096, 4),
        (8192, 3),
        (16_384, 2),
        (32_768, 1),
        (32_769, 0),
        (65_535, 0),
        (65_536, 0),
    ] {
        let generations = CidLayout::new(depth, true).generations();
        assert_eq!(generations, 1 << bits, "{depth}");
    }
}

#[test]
fn every_depth() {
    for depth in 1..=1 << 16 {
        let tag_bits = tag_bits(depth);
        for (layout, generation_bits) in [
            (CidLayout::new(depth, true), (16 - tag_bits).min(6)),
            (CidLayout::new(depth, false), 0),
        ] {
            let generations = layout.generations();
            assert_eq!(generations, 1 << generation_bits, "{depth}");
            for tag in [0, depth / 3, depth - 1] {
                for generation in [0, generations / 2, generations - 1] {
                    let cid = layout.cid(tag as usize, generation.into());
                    assert_eq!(u32::from(cid.bits()), tag | generation << tag_bits);
                    assert_eq!(layout.tag(cid), tag as usize);
                    assert_eq!(layout.generation(cid), generation.into());
                    assert_eq!(Cid::from_bits(cid.bits()), cid);
                }
            }
        }
    }
}

#[test]
fn no_two_are_the_same() {
    for depth in depths() {
        let layout = CidLayout::new(depth, true);
        let mut seen = HashSet::new();
        for tag in 0..depth as usize {
            for generation in 0..layout.generations() {
                assert!(seen.insert(layout.cid(tag, generation.into()).bits()));
            }
        }
    }
}

/// All generations follow each other, and then the first one again.
#[test]
fn generations_wrap() {
    for depth in depths() {
        for with_generation in [false, true] {
            let layout = CidLayout::new(depth, with_generation);
            for generation in 0..layout.generations() {
                let next = (generation + 1) % layout.generations();
                assert_eq!(layout.next(generation.into()), next.into());
            }
        }
    }
}

/// Without generations an identifier is the tag, as old devices want it.
#[test]
fn without_generations() {
    for depth in depths() {
        let layout = CidLayout::new(depth, false);
        for tag in [0, depth / 2, depth - 1] {
            let cid = layout.cid(tag as usize, layout.next(0));
            assert_eq!(u32::from(cid.bits()), tag);
        }
    }
}

/// Whatever a device says, its tag part is less than the next power of two, which is what a
/// table of `depth` slots has to check; and together the two parts are all of it.
#[test]
fn any_sixteen_bits() {
    check(
        (1u32..=1 << 16, any::<u16>(), any::<bool>()),
        |(depth, bits, with_generation)| {
            let layout = CidLayout::new(depth, with_generation);
            let cid = Cid::from_bits(bits);
            prop_assert!(layout.tag(cid) < 1 << tag_bits(depth));
            let generation = layout.generation(cid);
            let again = layout.tag(cid) as u64 | generation << tag_bits(depth);
            prop_assert_eq!(again, u64::from(bits));
            Ok(())
        },
    );
}

/// FFFFh stands for "no command" in the error log (NVM Express Base Specification 2.0c,
/// 5.16.1.2). A queue whose size is a power of two has one tag fewer, and never sends it.
#[test]
fn no_command_is_ffff() {
    for bits in 1..=16 {
        let depth = (1 << bits) - 1;
        let layout = CidLayout::new(depth, true);
        let last = layout.cid(depth as usize - 1, u64::from(layout.generations() - 1));
        assert_ne!(last.bits(), 0xffff, "{depth}");
    }
}
