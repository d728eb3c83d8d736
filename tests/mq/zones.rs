// SPDX-License-Identifier: GPL-2.0

//! Zones: parts of a disk that are written from start to end.
//!
//! The first zones may be conventional, and are written anywhere. In the others each
//! write begins where the last one ended, or it fails; an append is told where it went.
//! How many may be open, or active, may be limited: then one that was opened by a write
//! alone is closed for another's sake.

#![forbid(unsafe_code)]

use crate::mq::{
    BlkStatus,
    PowerOfTwo,
    Zone,
    ZoneCondition,
    ZoneType, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock,
        SpinLock, //
    },
};

/// What changes about a sequential zone.
struct State {
    /// Where the next write goes, in bytes from the start of the disk.
    write_pointer: u64,
    condition: ZoneCondition,
}

impl State {
    fn is_open(&self) -> bool {
        matches!(
            self.condition,
            ZoneCondition::ImplicitOpen | ZoneCondition::ExplicitOpen
        )
    }

    fn is_active(&self) -> bool {
        self.is_open() || self.condition == ZoneCondition::Closed
    }
}

/// What a command does to a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Open,
    Close,
    Finish,
    Reset,
}

/// The zones of a disk.
pub(crate) struct Zones {
    size: PowerOfTwo,
    capacity: u64,
    conventional: usize,
    /// How many there are, the conventional ones too.
    count: usize,
    /// How many may be open and active; 0 is all.
    max_open: usize,
    max_active: usize,
    states: Pin<KBox<SpinLock<KVVec<State>>>>,
}

impl Zones {
    /// Zones of `size` bytes for a disk of `disk` bytes, `conventional` of them at its start,
    /// the others with room for `capacity` bytes; `limits` are how many may be open and
    /// active, 0 for all. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the disk is no whole number of zones, or the capacity exceeds the size.
    pub(crate) fn new(
        disk: u64,
        size: PowerOfTwo,
        capacity: u64,
        conventional: u32,
        (max_open, max_active): (u32, u32),
    ) -> Result<Self> {
        if disk & size.mask() != 0 || capacity == 0 || capacity > size.bytes() {
            return Err(EINVAL);
        }
        let count = usize::try_from(disk >> size.shift())?;
        let mut states = KVVec::with_capacity(count, GFP_KERNEL)?;
        for index in 0..disk >> size.shift() {
            let state = State {
                write_pointer: index << size.shift(),
                condition: ZoneCondition::Empty,
            };
            states.push(state, GFP_KERNEL)?;
        }
        Ok(Self {
            size,
            capacity,
            conventional: usize::try_from(conventional)?,
            count,
            max_open: usize::try_from(max_open)?,
            max_active: usize::try_from(max_active)?,
            states: KBox::pin_init(new_spinlock!(states), GFP_KERNEL)?,
        })
    }

    /// The zone that a byte lies in: its index, and its start.
    fn find(&self, offset: u64) -> Option<(usize, u64)> {
        let index = usize::try_from(offset >> self.size.shift()).ok()?;
        (index < self.count).then_some((index, offset & !self.size.mask()))
    }

    /// Makes room for one more zone to be open, the one of this index, which is not.
    ///
    /// # Errors
    ///
    /// The status that the request ends with, if there is none.
    fn make_room(&self, states: &mut [State], index: usize) -> Result<(), BlkStatus> {
        let is_active = states.get(index).is_some_and(State::is_active);
        let active = states.iter().filter(|state| state.is_active()).count();
        if self.max_active != 0 && !is_active && active >= self.max_active {
            return Err(BlkStatus::ZoneActiveResource);
        }
        let open = states.iter().filter(|state| state.is_open()).count();
        if self.max_open == 0 || open < self.max_open {
            return Ok(());
        }
        let is_implicit = |state: &&mut State| state.condition == ZoneCondition::ImplicitOpen;
        let other = states.iter_mut().find(is_implicit);
        other.ok_or(BlkStatus::ZoneOpenResource)?.condition = ZoneCondition::Closed;
        Ok(())
    }

    /// Reserves room for a write of `len` bytes at `offset`, which the write pointer has to
    /// be at, or for an append to the zone that starts there. Returns where the data go.
    ///
    /// # Errors
    ///
    /// The status that the request ends with: it is not at the write pointer, or there is
    /// not enough room.
    pub(crate) fn write(&self, offset: u64, len: u32, is_append: bool) -> Result<u64, BlkStatus> {
        let (index, start) = self.find(offset).ok_or(BlkStatus::IoError)?;
        if index < self.conventional {
            // Appending has no meaning there.
            return match is_append {
                true => Err(BlkStatus::IoError),
                false => Ok(offset),
            };
        }
        let mut states = self.states.lock();
        let state = states.get(index).ok_or(BlkStatus::IoError)?;
        let at = state.write_pointer;
        let expected = if is_append { start } else { at };
        let next = at.saturating_add(u64::from(len));
        let end = start.saturating_add(self.capacity);
        if state.condition == ZoneCondition::Full || offset != expected || next > end {
            return Err(BlkStatus::IoError);
        }
        if !state.is_open() {
            self.make_room(&mut states, index)?;
        }
        let state = states.get_mut(index).ok_or(BlkStatus::IoError)?;
        state.write_pointer = next;
        if next == end {
            state.condition = ZoneCondition::Full;
        } else if state.condition != ZoneCondition::ExplicitOpen {
            state.condition = ZoneCondition::ImplicitOpen;
        }
        Ok(at)
    }

    /// Does something to the zone that starts at `offset`. A reset forgets its data: the
    /// caller clears them, if this says so.
    pub(crate) fn manage(&self, offset: u64, action: Action) -> BlkStatus {
        self.try_manage(offset, action)
            .err()
            .unwrap_or(BlkStatus::Ok)
    }

    fn try_manage(&self, offset: u64, action: Action) -> Result<(), BlkStatus> {
        let (index, start) = self.find(offset).ok_or(BlkStatus::IoError)?;
        if index < self.conventional {
            return Err(BlkStatus::IoError);
        }
        let mut states = self.states.lock();
        let state = states.get(index).ok_or(BlkStatus::IoError)?;
        let is_full = state.condition == ZoneCondition::Full;
        if is_full && matches!(action, Action::Open | Action::Close) {
            return Err(BlkStatus::IoError);
        }
        if action == Action::Open && !state.is_open() {
            self.make_room(&mut states, index)?;
        }
        let state = states.get_mut(index).ok_or(BlkStatus::IoError)?;
        match action {
            Action::Open => state.condition = ZoneCondition::ExplicitOpen,
            Action::Close if state.write_pointer == start => state.condition = ZoneCondition::Empty,
            Action::Close => state.condition = ZoneCondition::Closed,
            Action::Finish => {
                state.condition = ZoneCondition::Full;
                state.write_pointer = start.saturating_add(self.size.bytes());
            }
            Action::Reset => {
                state.condition = ZoneCondition::Empty;
                state.write_pointer = start;
            }
        }
        Ok(())
    }

    /// The starts of all sequential zones.
    pub(crate) fn sequential(&self) -> impl Iterator<Item = u64> + '_ {
        (self.conventional..self.count).map(|index| self.start(index))
    }

    /// The size of each zone in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size.bytes()
    }

    // CAST: widening.
    fn start(&self, index: usize) -> u64 {
        (index as u64) << self.size.shift()
    }

    /// What is to be said of the zone that `offset` lies in; `None` beyond the last.
    pub(crate) fn describe(&self, offset: u64) -> Option<Zone> {
        let (index, start) = self.find(offset)?;
        let (kind, write_pointer, condition, capacity) = if index < self.conventional {
            (
                ZoneType::Conventional,
                start,
                ZoneCondition::NotWritePointer,
                self.size.bytes(),
            )
        } else {
            let states = self.states.lock();
            let state = states.get(index)?;
            (
                ZoneType::SequentialRequired,
                state.write_pointer,
                state.condition,
                self.capacity,
            )
        };
        Some(Zone {
            start,
            len: self.size.bytes(),
            capacity,
            write_pointer,
            kind,
            condition,
            reset_recommended: false,
            non_sequential: false,
        })
    }
}
