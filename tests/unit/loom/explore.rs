// SPDX-License-Identifier: GPL-2.0

//! Runs of one model, all of them, with a bound.

use std::sync::{
    atomic::{
        AtomicUsize,
        Ordering, //
    },
    Arc,
};

use loom::model::Builder;

/// More interleavings than any model here has. One that has more fails, since going on would
/// take for ever, and stopping would look like success.
const MOST: usize = 300_000;

/// Runs `model` in every interleaving; returns how many there were.
pub(crate) fn explore(model: impl Fn() + Sync + Send + 'static) -> usize {
    explore_within(None, model)
}

/// As [`explore`], or only the interleavings in which no more than `preemptions` times a thread is
/// interrupted that could go on.
pub(crate) fn explore_within(
    preemptions: Option<usize>,
    model: impl Fn() + Sync + Send + 'static,
) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    // Not from the environment, where a limit could be set that ends it early.
    let mut builder = Builder::new();
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = preemptions;
    builder.checkpoint_file = None;
    builder.check(move || {
        let run = count.fetch_add(1, Ordering::Relaxed);
        assert!(run < MOST, "more than {MOST} interleavings");
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs > 1, "nothing ran at the same time");
    runs
}

/// All sets of `size` items of `kinds`, each as often as it likes.
pub(crate) fn multisets<T: Copy>(kinds: &[T], size: usize) -> Vec<Vec<T>> {
    let Some(smaller) = size.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut sets = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        for mut set in multisets(&kinds[index..], smaller) {
            set.insert(0, *kind);
            sets.push(set);
        }
    }
    sets
}

mod tests {
    //! What is known of a few small programs, to be sure that no run is left out.

    use std::{
        collections::BTreeSet,
        sync::Mutex, //
    };

    use loom::thread;

    use super::*;
    use crate::mq::atomic::AtomicU64;

    /// All pairs of what two threads return that share two words.
    fn outcomes(
        one: fn(&[AtomicU64; 2]) -> u64,
        other: fn(&[AtomicU64; 2]) -> u64,
    ) -> BTreeSet<(u64, u64)> {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let results = seen.clone();
        explore(move || {
            let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            let theirs = words.clone();
            let thread = thread::spawn(move || other(&theirs));
            let mine = one(&words);
            results
                .lock()
                .unwrap()
                .insert((mine, thread.join().unwrap()));
        });
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    fn increment(words: &[AtomicU64; 2]) -> u64 {
        let old = words[0].load(Ordering::Relaxed);
        let result = words[0].compare_exchange(old, old + 1, Ordering::Relaxed, Ordering::Relaxed);
        u64::from(result.is_ok())
    }

    /// A load before, between, and behind the load and the exchange of another thread.
    #[test]
    fn a_write_behind_a_load() {
        let load = |words: &[AtomicU64; 2]| words[0].load(Ordering::Relaxed);
        assert_eq!(outcomes(load, increment), [(0, 1), (1, 1)].into());
        assert_eq!(outcomes(increment, load), [(1, 0), (1, 1)].into());
    }

    #[test]
    fn two_exchanges() {
        let expected = [(0, 1), (1, 0), (1, 1)];
        assert_eq!(outcomes(increment, increment), expected.into());
    }

    /// Data and a flag: only a release that meets an acquire shows the data.
    #[test]
    fn a_message() {
        let relaxed = |words: &[AtomicU64; 2]| {
            words[0].store(1, Ordering::Relaxed);
            words[1].store(1, Ordering::Relaxed);
            0
        };
        let release = |words: &[AtomicU64; 2]| {
            words[0].store(1, Ordering::Relaxed);
            words[1].store(1, Ordering::Release);
            0
        };
        // Flag and data as two digits.
        let acquire = |words: &[AtomicU64; 2]| {
            words[1].load(Ordering::Acquire) * 10 + words[0].load(Ordering::Relaxed)
        };
        let all = [(0, 0), (0, 1), (0, 10), (0, 11)];
        assert_eq!(outcomes(relaxed, acquire), all.into());
        let expected = [(0, 0), (0, 1), (0, 11)];
        assert_eq!(outcomes(release, acquire), expected.into());
    }

    #[test]
    fn sets() {
        let sets = multisets(&['a', 'b', 'c'], 2);
        let sets: Vec<String> = sets.into_iter().map(String::from_iter).collect();
        assert_eq!(sets, ["aa", "ab", "ac", "bb", "bc", "cc"]);
    }
}
