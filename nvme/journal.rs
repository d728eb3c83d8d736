// SPDX-License-Identifier: GPL-2.0

//! What happened to a controller: the last changes of its state, the last completions that were
//! not as one would wish, and counts. It is shown in debugfs.
//!
//! The data path never comes here; only what is rare does.

use super::{
    recent::Recent,
    reset::Cause,
    spec::{
        ids::QueueId,
        status::Status, //
    },
    state::State,
    tally::Tally, //
};
use crate::mq::atomic::{
    AtomicU64,
    Ordering, //
};
use core::{
    fmt,
    num::NonZeroU64, //
};
use kernel::time::{
    Instant,
    Monotonic, //
};

/// How many changes of the state are kept.
const CHANGES: usize = 16;

/// How many odd completions are kept.
const ODD: usize = 16;

/// How many statuses are counted apart.
const STATUSES: usize = 16;

/// What was odd about a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// The command failed, and its request ends so.
    Failed = 1,
    /// The command failed, and is sent again.
    Retried = 2,
    /// It names no command that the controller has.
    Stray = 3,
}

/// The journal of a controller. Its times are microseconds since it was begun.
pub(crate) struct Journal {
    begin: Instant<Monotonic>,
    states: Recent<CHANGES>,
    odd: Recent<ODD>,
    resets: [AtomicU64; Cause::ALL.len()],
    /// Commands that were sent again because they had failed, by status.
    retries: Tally<STATUSES>,
    /// Commands that were taken back from a controller that was stopped.
    taken_back: AtomicU64,
    aborts: AtomicU64,
}

impl Journal {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            states: Recent::new(),
            odd: Recent::new(),
            resets: core::array::from_fn(|_| AtomicU64::new(0)),
            retries: Tally::new(),
            taken_back: AtomicU64::new(0),
            aborts: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros_ceil()).unwrap_or(0)
    }

    /// The state changed.
    pub(super) fn state_changed(&self, from: State, to: State) {
        // CAST: the discriminants.
        let what = 1 << 16 | (from as u64) << 8 | to as u64;
        self.add(&self.states, what);
    }

    /// A completion was odd. `id` is the identifier of a stray one's command, and the tag of
    /// any other. Any context.
    pub(super) fn odd_completion(&self, what: Oddity, queue: QueueId, id: u16, status: Status) {
        if what == Oddity::Retried {
            self.retries.add(status.code().bits());
        }
        // CAST: the discriminant.
        let what = (what as u64) << 48
            | u64::from(queue.get()) << 32
            | u64::from(id) << 16
            | u64::from(status.bits());
        self.add(&self.odd, what);
    }

    fn add<const N: usize>(&self, events: &Recent<N>, what: u64) {
        if let Some(what) = NonZeroU64::new(what) {
            events.add(self.now(), what);
        }
    }

    /// A reset begins.
    pub(super) fn reset_begins(&self, cause: Cause) {
        // CAST: the discriminant.
        if let Some(count) = self.resets.get(cause as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Commands were taken back.
    pub(super) fn commands_taken_back(&self, count: u32) {
        self.taken_back
            .fetch_add(u64::from(count), Ordering::Relaxed);
    }

    /// An Abort was sent.
    pub(super) fn abort_sent(&self) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the last changes of the state, a line each.
    pub(super) fn show_states(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.states.iter().try_for_each(|(when, what)| {
            // CAST: a byte each.
            let (from, to) = ((what.get() >> 8) as u8, what.get() as u8);
            let name = |state| State::ALL.get(usize::from(state)).ok_or(fmt::Error);
            writeln!(f, "{}: {} -> {}", Time(when), name(from)?, name(to)?)
        })
    }

    /// Writes the last odd completions, a line each.
    pub(super) fn show_odd(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.odd.iter().try_for_each(|(when, what)| {
            let what = what.get();
            // CAST: a field each.
            let (kind, queue, id, bits) = (
                what >> 48,
                (what >> 32) as u16,
                (what >> 16) as u16,
                what as u16,
            );
            let (id_is, outcome) = match kind {
                kind if kind == Oddity::Failed as u64 => ("tag", "failed"),
                kind if kind == Oddity::Retried as u64 => ("tag", "sent again"),
                _ => ("command", "not outstanding, ignored"),
            };
            writeln!(
                f,
                "{}: queue {queue}, {id_is} {id:#06x}: status {bits:#06x}, {}: {outcome}",
                Time(when),
                Status::from_field(bits),
            )
        })
    }

    /// Writes the counts, a line each.
    pub(super) fn show_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (cause, count) in Cause::ALL.iter().zip(&self.resets) {
            writeln!(f, "resets, {cause}: {}", count.load(Ordering::Relaxed))?;
        }
        let taken_back = self.taken_back.load(Ordering::Relaxed);
        writeln!(f, "commands taken back: {taken_back}")?;
        writeln!(f, "aborts: {}", self.aborts.load(Ordering::Relaxed))?;
        writeln!(f, "odd completions: {}", self.odd.count())?;
        for (status, count) in self.retries.iter() {
            writeln!(f, "retries, {}: {count}", Status::from_field(status))?;
        }
        match self.retries.others() {
            0 => Ok(()),
            others => writeln!(f, "retries, any other status: {others}"),
        }
    }
}

/// Microseconds, written as seconds.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000;
        write!(f, "{:6}.{:06} s", self.0 / SECOND, self.0 % SECOND)
    }
}
