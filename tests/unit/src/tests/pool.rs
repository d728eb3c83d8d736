// SPDX-License-Identifier: GPL-2.0

//! Pools of pages, by number.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::TestCaseResult, //
};

use super::runner::check;
use crate::dma::{
    pool::{
        Pool,
        PoolIndex, //
    },
    put_all,
};

/// Each number once, the smallest first, and then none.
#[test]
fn until_it_is_empty() {
    for count in (0..=70).chain([127, 128, usize::MAX]) {
        let pool = Pool::new(count);
        let taken: Vec<PoolIndex> = std::iter::from_fn(|| pool.take()).take(100).collect();
        let numbers: Vec<usize> = taken.iter().map(PoolIndex::get).collect();
        assert!(numbers.into_iter().eq(0..count.min(64)), "{count}");
        for index in taken.into_iter().rev() {
            let number = index.get();
            pool.put(index);
            let again = pool.take().expect("given back just now");
            assert_eq!(again.get(), number);
            assert_eq!(pool.take(), None);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    /// One of those that are taken.
    Put(prop::sample::Index),
    /// Those of the taken ones that are in this set.
    PutAll(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => Just(Step::Take),
        5 => any::<prop::sample::Index>().prop_map(Step::Put),
        1 => any::<u64>().prop_map(Step::PutAll),
    ];
    prop::collection::vec(step, 1..300)
}

fn follows_the_model(count: usize, steps: &[Step]) -> TestCaseResult {
    let pool = Pool::new(count);
    let mut free: BTreeSet<usize> = (0..count).collect();
    let mut taken: Vec<PoolIndex> = Vec::new();
    for step in steps {
        match *step {
            Step::Take => {
                let index = pool.take();
                prop_assert_eq!(index.as_ref().map(PoolIndex::get), free.pop_first());
                taken.extend(index);
            }
            Step::Put(which) => {
                if !taken.is_empty() {
                    let index = taken.swap_remove(which.index(taken.len()));
                    free.insert(index.get());
                    pool.put(index);
                }
            }
            Step::PutAll(set) => {
                let (back, rest) = taken
                    .into_iter()
                    .partition::<Vec<_>, _>(|index| set >> index.get() & 1 == 1);
                taken = rest;
                let mut bits = 0;
                for index in back {
                    free.insert(index.get());
                    bits |= 1 << index.get();
                }
                put_all(&pool, bits);
            }
        }
    }
    let left = std::iter::from_fn(|| pool.take()).map(|index| index.get());
    prop_assert!(left.eq(free));
    Ok(())
}

#[test]
fn any_sequence() {
    check((0usize..=64, steps()), |(count, steps)| {
        follows_the_model(count, &steps)
    });
}
