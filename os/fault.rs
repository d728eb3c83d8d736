// SPDX-License-Identifier: GPL-2.0

//! Fault points: places where the driver pretends that something went wrong, when a user says so.
//!
//! Only in modules that are built with `CONFIG_RNVME_FAULT_INJECTION`. A point has a file in
//! debugfs. Who writes `COUNT` has the next `COUNT` chances of the point strike; `COUNT SKIP` lets
//! `SKIP` of them go by before. Reading tells both as they are now, and how often it struck.

use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};
use core::fmt;
use kernel::{
    debugfs::{
        Dir,
        Scope, //
    },
    prelude::*,
    uaccess::UserSliceReader, //
};

/// A fault point.
pub(crate) struct Point {
    name: &'static CStr,
    /// How many chances go by first (upper half), then how many strike.
    state: AtomicU64,
    struck: AtomicU64,
}

impl Point {
    /// A point that does not strike, with a file of this name.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            state: AtomicU64::new(0),
            struck: AtomicU64::new(0),
        }
    }

    /// A chance: true if the fault is to happen now. Any context.
    pub(crate) fn strikes(&self) -> bool {
        const SKIP: u64 = 1 << 32;
        let before = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                let left = state % SKIP;
                // Without a count there is nothing to skip for.
                (left != 0).then(|| state.wrapping_sub(if state >= SKIP { SKIP } else { 1 }))
            });
        let strikes = before.is_ok_and(|state| state < SKIP);
        if strikes {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }

    /// The count as a number that nobody counts down, unless it is 0.
    pub(crate) fn value(&self) -> Option<u32> {
        // CAST: the lower half.
        Some(self.state.load(Ordering::Relaxed) as u32).filter(|value| *value != 0)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        // CAST: the two halves.
        let (count, skip) = (state as u32, (state >> 32) as u32);
        let struck = self.struck.load(Ordering::Relaxed);
        writeln!(f, "{count} {skip} struck {struck}")
    }

    fn store(&self, input: &mut UserSliceReader) -> Result {
        let mut text = [0; 32];
        let len = input.len();
        let text = text.get_mut(..len).ok_or(EINVAL)?;
        input.read_slice(text)?;
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        let mut words = text.split_ascii_whitespace();
        let mut number = || {
            words
                .next()
                .map(|word| word.parse::<u32>().map_err(|_| EINVAL))
        };
        let count = number().ok_or(EINVAL)??;
        let skip = number().unwrap_or(Ok(0))?;
        if number().is_some() {
            return Err(EINVAL);
        }
        let state = u64::from(skip) << 32 | u64::from(count);
        self.state.store(state, Ordering::Relaxed);
        Ok(())
    }
}

/// The files of all points, while it lives.
pub(crate) struct Files {
    _folder: Pin<KBox<Scope<()>>>,
}

impl Files {
    /// Makes a file for each of `points` in the folder `fault` of `parent`. May sleep.
    pub(crate) fn new(parent: &Dir, points: &'static [&'static Point]) -> Result<Self> {
        let scope = parent.scope::<_, Error, _>(Ok(()), c"fault", |_, folder| {
            for point in points {
                folder.read_write_callback_file(point.name, *point, &Point::show, &Point::store);
            }
        });
        Ok(Self {
            _folder: KBox::pin_init(scope, GFP_KERNEL)?,
        })
    }
}
