// SPDX-License-Identifier: GPL-2.0

//! Pools: a number has one owner at a time, who sees what the one before him left.

// That of loom would be one more thing to interleave.
use std::sync::Arc;

use loom::{
    cell::UnsafeCell,
    thread, //
};

use crate::{
    dma::{
        pool::{
            Pool,
            PoolIndex, //
        },
        put_all,
    },
    explore::{
        explore,
        multisets, //
    },
};

const COUNT: usize = 2;

/// A pool and its pages, each of which counts its owners.
struct Pages {
    pool: Pool,
    pages: [UnsafeCell<usize>; COUNT],
}

// SAFETY: Only the owner of a number reaches its page, and loom checks that.
unsafe impl Sync for Pages {}

impl Pages {
    fn take(&self) -> Option<PoolIndex> {
        let index = self.pool.take()?;
        self.pages[index.get()].with_mut(|owners| {
            // SAFETY: Whoever has the number has the page.
            unsafe { *owners += 1 };
        });
        Some(index)
    }
}

/// Somebody who uses pages.
#[derive(Clone, Copy, Debug)]
enum User {
    /// One page, which is given back.
    One,
    /// Two pages, which are given back together.
    Two,
    /// One page, which is kept.
    Keep,
}

/// Uses pages; returns how many were taken, and what is kept.
fn visit(pages: &Pages, user: User) -> (usize, Option<PoolIndex>) {
    match user {
        User::One => {
            let Some(index) = pages.take() else {
                return (0, None);
            };
            pages.pool.put(index);
            (1, None)
        }
        User::Two => {
            let taken = [pages.take(), pages.take()];
            let taken = taken.into_iter().flatten();
            let bits: Vec<u64> = taken.map(|index| 1 << index.get()).collect();
            put_all(&pages.pool, bits.iter().sum());
            (bits.len(), None)
        }
        User::Keep => {
            let taken = pages.take();
            (usize::from(taken.is_some()), taken)
        }
    }
}

fn meeting(users: &[User]) {
    let pages = Arc::new(Pages {
        pool: Pool::new(COUNT),
        pages: [(); COUNT].map(|()| UnsafeCell::new(0)),
    });
    let threads: Vec<_> = users
        .iter()
        .map(|user| {
            let (pages, user) = (pages.clone(), *user);
            thread::spawn(move || visit(&pages, user))
        })
        .collect();
    let mut kept = Vec::new();
    let mut taken = 0;
    for thread in threads {
        let (count, index) = thread.join().unwrap();
        taken += count;
        kept.extend(index);
    }
    while let Some(index) = pages.take() {
        taken += 1;
        kept.push(index);
    }
    // None is lost, and none is there twice.
    kept.sort_by_key(PoolIndex::get);
    let numbers = kept.iter().map(PoolIndex::get);
    assert!(numbers.eq(0..COUNT), "{kept:?}");
    let owners = |page: &UnsafeCell<usize>| {
        page.with(|owners| {
            // SAFETY: All threads have ended.
            unsafe { *owners }
        })
    };
    let owners: usize = pages.pages.iter().map(owners).sum();
    assert_eq!(owners, taken);
}

fn meetings(sets: Vec<Vec<User>>) {
    for set in sets {
        println!("{set:?}"); // Shown if it fails.
        let runs = explore(move || meeting(&set));
        println!("    {runs} interleavings");
    }
}

#[test]
fn two_users() {
    meetings(multisets(&[User::One, User::Two, User::Keep], 2));
}

/// More users than pages.
#[test]
fn three_users() {
    meetings(vec![vec![User::Keep; 3]]);
}
