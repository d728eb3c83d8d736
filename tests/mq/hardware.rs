// SPDX-License-Identifier: GPL-2.0

//! One hardware queue of the device that we pretend to have.
//!
//! A real device reads commands from memory and writes completion entries back. All
//! that is left of it here are the entries: identifiers in a ring, which somebody
//! else reads. It can lose commands, repeat completions, and be stopped.

#![forbid(unsafe_code)]

use crate::{
    counters::{
        Count,
        Counters, //
    },
    device::Shared,
    line::Line,
    mq::{
        self,
        Cid,
        TagSet, //
    },
    operations::Ram,
    os::timer::Timer, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};

/// A completion entry that was read. Only [`HwQueue::next`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    cid: Cid,
    /// The device wrote it of a command that ended long ago.
    pub(crate) is_bogus: bool,
}

impl Entry {
    /// That of a command which the device has.
    fn right(cid: Cid) -> Self {
        Self {
            cid,
            is_bogus: false,
        }
    }
}

impl mq::Completion for Entry {
    fn cid(&self) -> Cid {
        self.cid
    }
}

/// Proof that the device works on no command. Only [`halt`] makes one.
pub(crate) struct Halted(Arc<Shared>);

impl mq::StopProof<Ram> for Halted {
    fn covers(&self, queue: &HwQueue) -> bool {
        core::ptr::eq(Arc::as_ptr(&queue.shared), Arc::as_ptr(&self.0))
    }
}

/// Entries, first in, first out.
struct Fifo {
    entries: KVVec<Entry>,
    first: usize,
    len: usize,
}

impl Fifo {
    fn new(capacity: usize) -> Result<Self> {
        let mut entries = KVVec::with_capacity(capacity, GFP_KERNEL)?;
        for _ in 0..capacity {
            entries.push(Entry::right(Cid::from_bits(0)), GFP_KERNEL)?;
        }
        Ok(Self {
            entries,
            first: 0,
            len: 0,
        })
    }

    /// Appends an entry; false if there is no room.
    fn push(&mut self, new: Entry) -> bool {
        let capacity = self.entries.len();
        let mut place = self.first.wrapping_add(self.len);
        if place >= capacity {
            place = place.wrapping_sub(capacity);
        }
        match self.entries.get_mut(place) {
            Some(entry) if self.len < capacity => {
                *entry = new;
                self.len = self.len.wrapping_add(1);
                true
            }
            _ => false,
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        if self.len == 0 {
            return None;
        }
        let entry = self.entries.get(self.first).copied();
        self.first = self.first.wrapping_add(1);
        if self.first == self.entries.len() {
            self.first = 0;
        }
        self.len = self.len.wrapping_sub(1);
        entry
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// How many bits of an identifier are the generation, if the tags leave so many.
const GENERATION_BITS: u32 = 6;

/// What the device has.
struct Commands {
    /// False while it is stopped: what it is told then, it forgets.
    running: bool,
    /// Completed, and not yet read by anybody.
    done: Fifo,
    /// Lost.
    lost: Fifo,
}

/// The driver's data of a hardware queue.
pub(crate) struct HwQueue {
    shared: Arc<Shared>,
    commands: Pin<KBox<SpinLockIrq<Commands>>>,
    line: Pin<KBox<Timer<Line>>>,
    /// These count to the next refusal, loss, ...
    refusals: Count,
    losses: Count,
    repeats: Count,
    bogus: Count,
    requeues: Count,
    stops: Count,
}

impl HwQueue {
    /// The queue of this index. May sleep.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self> {
        let depth = usize::try_from(shared.config.depth)?;
        // A command is in one of the two at most, but for completions of it that it
        // should not have.
        let commands = Commands {
            running: true,
            done: Fifo::new(depth.checked_mul(3).ok_or(EINVAL)?)?,
            lost: Fifo::new(depth)?,
        };
        Ok(Self {
            shared,
            commands: KBox::pin_init(new_spinlock_irq!(commands), GFP_KERNEL)?,
            line: KBox::pin_init(Timer::new(Line::new(index)), GFP_KERNEL)?,
            refusals: Count::default(),
            losses: Count::default(),
            repeats: Count::default(),
            bogus: Count::default(),
            requeues: Count::default(),
            stops: Count::default(),
        })
    }

    /// What the queues of a device have in common.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The device's counters.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The interrupt of this queue.
    pub(crate) fn line(&self) -> &Timer<Line> {
        &self.line
    }

    /// Whether the next request shall be refused.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        self.refusals.is_nth(self.shared.config.refuse)
    }

    /// Whether the next request shall be given back once it is complete.
    pub(crate) fn requeues(&self) -> bool {
        self.requeues.is_nth(self.shared.config.requeue)
    }

    /// Whether the next time-out that comes in time shall stop the device.
    pub(crate) fn stops(&self) -> bool {
        self.stops.is_nth(self.shared.config.stop)
    }

    /// Has the device execute a command. It completes at once, or never.
    pub(crate) fn submit(&self, cid: Cid) {
        let mut commands = self.commands.lock();
        if !commands.running {
            return;
        }
        let config = &self.shared.config;
        if self.losses.is_nth(config.lose) {
            self.counters().lost.add();
            commands.lost.push(Entry::right(cid));
        } else {
            if self.bogus.is_nth(config.bogus) {
                commands.done.push(Entry {
                    cid: former(cid, config.depth),
                    is_bogus: true,
                });
            }
            commands.done.push(Entry::right(cid));
            if self.repeats.is_nth(config.repeat) {
                commands.done.push(Entry::right(cid));
            }
        }
    }

    /// Has the device look at what it was told: its interrupt comes soon.
    pub(crate) fn ring(&self) {
        self.line.as_ref().start(self.shared.config.delay_ns);
    }

    /// Reads a completion entry. Any context.
    pub(crate) fn next(&self) -> Option<Entry> {
        self.commands.lock().done.pop()
    }

    /// Has the device complete a command that it has lost: for who polls at once, for who
    /// waits with the next interrupt.
    pub(crate) fn find(&self, cid: Cid) {
        let mut commands = self.commands.lock();
        if !commands.running {
            return;
        }
        self.counters().found.add();
        commands.done.push(Entry::right(cid));
        drop(commands);
        self.ring();
    }

    /// Has the device find all that it has lost, and complete it.
    pub(crate) fn find_lost(&self) {
        let mut commands = self.commands.lock();
        while let Some(entry) = commands.lost.pop() {
            self.counters().found.add();
            commands.done.push(entry);
        }
        drop(commands);
        self.ring();
    }

    fn set_running(&self, running: bool) {
        let mut commands = self.commands.lock();
        commands.running = running;
        commands.done.clear();
        commands.lost.clear();
    }
}

/// The identifier that the tag of `cid` had one use before, of a queue with `depth` tags: the
/// generation before, or, of the first, the last that there is.
fn former(cid: Cid, depth: u32) -> Cid {
    let (tag_bits, bits) = (
        depth.next_power_of_two().trailing_zeros(),
        u32::from(cid.bits()),
    );
    let first = bits.wrapping_shr(tag_bits) == 0;
    let last = 16u32.wrapping_sub(tag_bits).min(GENERATION_BITS);
    let former = match first {
        true => {
            bits | 1u32
                .wrapping_shl(last)
                .wrapping_sub(1)
                .wrapping_shl(tag_bits)
        }
        false => bits.wrapping_sub(1u32.wrapping_shl(tag_bits)),
    };
    // CAST: tag and generation have 16 bits together.
    Cid::from_bits(former as u16)
}

/// Stops all queues of a device: it forgets what it was told.
pub(crate) fn halt(set: &TagSet<Ram>) -> Halted {
    for queue in set.queues() {
        queue.set_running(false);
    }
    Halted(set.data().clone())
}

/// Starts them again.
pub(crate) fn resume(set: &TagSet<Ram>, _halted: Halted) {
    for queue in set.queues() {
        queue.set_running(true);
    }
}
